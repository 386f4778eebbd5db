"""Indented, aligned text, as kubectl's describers write it: `Name:  value`, nested blocks, small tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any

from machinery.objects import timefmt

STEP = "  "


def moment(text: str) -> str:
    """A timestamp of the API as describers show it, in local time: `Mon, 23 Nov 2026 11:49:03 +0000`."""
    return format_datetime(timefmt.parse(text).astimezone()) if text else ""


class Text:
    """Lines of labelled values. Values of one block align; a nested block has its own alignment."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str, str | None]] = []

    def field(self, label: str, value: object, *, level: int = 0) -> None:
        """`Label:  value`."""
        self._lines.append((level, f"{label}:", str(value)))

    def head(self, label: str, *, level: int = 0) -> None:
        """`Label:` above a nested block."""
        self._lines.append((level, f"{label}:", None))

    def line(self, text: str, *, level: int = 0) -> None:
        """A line as it is."""
        self._lines.append((level, text, None))

    def pairs(self, label: str, values: Mapping[str, Any] | None, *, level: int = 0, mark: str = "=") -> None:
        """A map, a pair a line: the first beside the label, the rest under it."""
        shown = [f"{key}{mark}{values[key]}" for key in sorted(values)] if values else ["<none>"]
        self.items(label, shown, level=level)

    def items(self, label: str, values: Sequence[str], *, level: int = 0) -> None:
        """Values under each other."""
        self.field(label, values[0] if values else "<none>", level=level)
        for value in values[1:]:
            self._lines.append((level, "", value))

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]], *, level: int = 1) -> None:
        """A table with a ruled header."""
        texts = [[str(cell) for cell in row] for row in rows]
        everything = [list(header), ["-" * len(name) for name in header], *texts]
        widths = [max(len(row[index]) for row in everything) for index in range(len(header))]
        for row in everything:
            padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self.line(STEP.join(padded).rstrip(), level=level)

    def render(self) -> str:
        """The text, aligned."""
        out = []
        widths: dict[int, int] = {}
        for index, (level, label, value) in enumerate(self._lines):
            if value is not None and level not in widths:
                widths[level] = self._width(index, level)
            if value is None:
                out.append(f"{STEP * level}{label}".rstrip())
                widths = {known: width for known, width in widths.items() if known <= level}
                continue
            lines = value.split("\n")
            pad = widths[level]
            out.append(f"{STEP * level}{label.ljust(pad)}{lines[0]}".rstrip())
            out += [f"{STEP * level}{' ' * pad}{line}" for line in lines[1:]]
        return "\n".join(out) + "\n"

    def _width(self, start: int, level: int) -> int:
        """The label column of the block that begins at `start`: up to the next line of a lower level."""
        widest = 0
        for deep, label, value in self._lines[start:]:
            if deep < level:
                break
            if deep == level and value is not None:
                widest = max(widest, len(label))
        return widest + 2
