"""`-o custom-columns=NAME:.metadata.name,...` and its file form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli.errors import CliError
from cli.output import jsonpath
from cli.output.table import MIN_WIDTH, PADDING, width


class CustomColumns:
    """Prints objects as the columns that a spec asks for; a missing value is `<none>`."""

    def __init__(self, spec: str, *, headers: bool = True) -> None:
        if not spec:
            raise CliError("custom-columns format specified but no custom columns given")
        self._names: list[str] = []
        self._paths: list[jsonpath.Template] = []
        self._widths: list[int] = []
        self._headed = not headers
        for part in _split(spec):
            name, colon, path = part.partition(":")
            if not colon:
                raise CliError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
            self._names.append(name)
            try:
                self._paths.append(jsonpath.parse(jsonpath.relaxed(path)))
            except jsonpath.JsonPathError as error:
                raise CliError(f"column {name}: {error}") from None

    @classmethod
    def from_template(cls, text: str, *, headers: bool = True) -> CustomColumns:
        """The file form: a line of headers, and a line of paths under them."""
        lines = [line.split() for line in text.splitlines() if line.strip()]
        if len(lines) != 2 or len(lines[0]) != len(lines[1]):
            raise CliError("a custom-columns file has two lines, headers and paths, with as many words in each")
        return cls(",".join(f"{name}:{path}" for name, path in zip(*lines, strict=True)), headers=headers)

    def lines(self, objects: Sequence[Any]) -> list[str]:
        rows = [[self._cell(path, obj) for path in self._paths] for obj in objects]
        if not self._headed:
            rows.insert(0, self._names)
            self._headed = True
        widths = self._widths or [MIN_WIDTH] * len(self._names)
        self._widths = [max(widths[i], *(width(row[i]) + PADDING for row in rows)) for i in range(len(widths))]
        return [
            "".join([*(cell + " " * (self._widths[i] - width(cell)) for i, cell in enumerate(row[:-1])), row[-1]])
            for row in rows
        ]

    @staticmethod
    def _cell(path: jsonpath.Template, obj: Any) -> str:
        try:
            values = path.values(obj)
        except jsonpath.JsonPathError:
            values = []
        return ",".join(jsonpath.printed(value) for value in values) or "<none>"


def _split(spec: str) -> list[str]:
    """Commas separate columns, but not inside the brackets of a path."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(spec):
        depth += (char in "[(") - (char in "])")
        if char == "," and depth == 0:
            parts.append(spec[start:index])
            start = index + 1
    return [*parts, spec[start:]]
