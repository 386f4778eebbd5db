"""Aligned text, as kubectl's describers write it.

Lines are cells that end with a tab. Lines under each other that have a cell at some place form a column there, as wide
as its widest cell plus two: the rule of Go's text/tabwriter, which is why `Name:` and `Labels:` align while a heading
between two blocks lets each have its own width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from email.utils import format_datetime
from itertools import count
from typing import Any

from machinery.objects import timefmt

STEP = "  "
GAP = 2
NONE = "<none>"
UNSET = "<unset>"
LONGEST_ANNOTATION = 140
NOT_SHOWN = "kubectl.kubernetes.io/last-applied-configuration"
_UNSEEN = str.maketrans({"\x1b": "^[", "\r": "\\r"})


class Text:
    """A description that grows line by line; `level` is how far a line is indented."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._open: list[str] = []

    def line(self, text: str = "", *, level: int = 0) -> None:
        """A line as it is, cells divided by tabs. Only its first line is indented if it has several."""
        self._open += f"{STEP * level}{text}".translate(_UNSEEN).split("\n")

    def head(self, label: str, *, level: int = 0) -> None:
        """`Label:` above a nested block."""
        self.line(f"{label}:", level=level)

    def field(self, label: str, value: object, *, level: int = 0) -> None:
        """`Label:  value`."""
        self.line(f"{label}:\t{shown(value)}", level=level)

    def given(self, label: str, value: object, *, level: int = 0) -> None:
        """`field`, unless there is no value."""
        if value not in (None, "", [], {}):
            self.field(label, value, level=level)

    def items(self, label: str, values: Iterable[str], *, level: int = 0) -> None:
        """Values under each other, the first beside the label; `<none>` when there are none."""
        first, *others = [*values] or [NONE]
        self.field(label, first, level=level)
        for value in others:
            self.line(f"\t{value}", level=level)

    def pairs(self, label: str, values: Mapping[str, Any] | None, *, level: int = 0) -> None:
        """A map, a pair a line, sorted."""
        self.items(label, (f"{key}={values[key]}" for key in sorted(values or {})) if values else (), level=level)

    def annotations(self, label: str, values: Mapping[str, str] | None, *, level: int = 0) -> None:
        """All annotations but what `apply` keeps there; long ones begin under their key and are cut."""
        lines: list[str] = []
        for key in sorted(set(values or ()) - {NOT_SHOWN}):
            value = (values or {})[key].removesuffix("\n")
            if len(key) + len(value) + 2 > LONGEST_ANNOTATION or "\n" in value:
                lines += [f"{key}:", *(f"  {_cut(part)}" for part in value.split("\n"))]
            else:
                lines.append(f"{key}: {value}")
        self.items(label, lines, level=level)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]], *, level: int = 1) -> None:
        """A table with a ruled header."""
        self.line("\t".join(header), level=level)
        self.line("\t".join("-" * len(name) for name in header), level=level)
        for row in rows:
            self.line("\t".join(map(shown, row)), level=level)

    def cut(self) -> None:
        """Columns end here: what follows is aligned by itself."""
        self._done += align(self._open)
        self._open = []

    def render(self) -> str:
        """The whole text, aligned."""
        self.cut()
        return "".join(f"{line}\n" for line in self._done)


def align(lines: Iterable[str]) -> list[str]:
    """The lines with their tabs replaced by as many spaces as columns need."""
    rows = [line.split("\t") for line in lines]
    for column in count():
        block: list[list[str]] = []
        found = False
        for row in [*rows, []]:
            if len(row) > column + 1:
                block.append(row)
                continue
            found = found or bool(block)
            width = max((len(each[column]) for each in block), default=0) + GAP
            for each in block:
                each[column] = each[column].ljust(width)
            block = []
        if not found:
            break
    return ["".join(row) for row in rows]


def moment(text: str | None) -> str:
    """A timestamp of the API in local time, `Mon, 23 Nov 2026 11:49:03 +0000`; Go's zero time when there is none."""
    return format_datetime(timefmt.parse(text).astimezone()) if text else "Mon, 01 Jan 0001 00:00:00 +0000"


def shown(value: object) -> str:
    """A value as Go prints it: `true`, `<nil>`, `[a b]`, `map[a:1]`."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "<nil>"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{shown(value[key])}' for key in sorted(value))}]"
    return str(value)


def title(value: object) -> str:
    """A truth as some fields have it: `True`, `False`, or `<unset>`."""
    return UNSET if value is None else "True" if value else "False"


def joined(values: Iterable[object] | None, separator: str = ",") -> str:
    """Values in a row, or `<none>`."""
    return separator.join(map(str, values or ())) or NONE


def labels(values: Mapping[str, str] | None) -> str:
    """A map in a row: `a=1,b=2`, or `<none>`."""
    return joined(f"{key}={(values or {})[key]}" for key in sorted(values or ()))


def _cut(text: str) -> str:
    longest = LONGEST_ANNOTATION - 2
    return f"{text[:longest]}..." if len(text) > longest else text
