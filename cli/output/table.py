"""A server's meta.k8s.io/v1 Table as text, the way kubectl lays it out.

Column widths are those of kubectl's tab writer: the widest cell plus three spaces, at least six; the last as it is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MIN_WIDTH = 6
PADDING = 3


@dataclass(frozen=True, slots=True)
class TableOptions:
    """kubectl's flags that change a table."""

    wide: bool = False
    headers: bool = True
    namespace: bool = False
    labels: bool = False
    label_columns: Sequence[str] = ()
    kind: str = ""
    """A prefix for names ("pod"), "" for none."""


class TableWriter:
    """Turns Tables of one kind into lines; further ones (of a watch) keep the widths of the first."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options
        self._widths: list[int] = []
        self._columns: Sequence[Mapping[str, Any]] = ()
        self._headed = not options.headers

    def lines(self, table: Mapping[str, Any]) -> list[str]:
        """The lines of one Table, headed unless an earlier one was."""
        if table.get("columnDefinitions"):
            self._columns = table["columnDefinitions"]
        rows = [self._cells(row) for row in table.get("rows") or ()]
        if not self._headed:
            rows.insert(0, self._header())
            self._headed = True
        for row in rows:
            for index, cell in enumerate(row):
                if index == len(self._widths):
                    self._widths.append(MIN_WIDTH)
                self._widths[index] = max(self._widths[index], width(cell) + PADDING)
        return [_line(row, self._widths) for row in rows]

    def _shown(self) -> Iterable[int]:
        for index, column in enumerate(self._columns):
            if self._options.wide or not column.get("priority"):
                yield index

    def _header(self) -> list[str]:
        options = self._options
        header = ["NAMESPACE"] if options.namespace else []
        header += [str(self._columns[index]["name"]).upper() for index in self._shown()]
        header += [label.rpartition("/")[2].upper() for label in options.label_columns]
        if options.labels:
            header.append("LABELS")
        return header

    def _cells(self, row: Mapping[str, Any]) -> list[str]:
        options = self._options
        metadata = (row.get("object") or {}).get("metadata") or {}
        labels = metadata.get("labels") or {}
        cells = [str(metadata.get("namespace", ""))] if options.namespace else []
        for index in self._shown():
            text = cell_text(row["cells"][index])
            if options.kind and self._columns[index].get("format") == "name":
                text = f"{options.kind}/{text}"
            cells.append(text)
        cells += [str(labels.get(label, "")) for label in options.label_columns]
        if options.labels:
            cells.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>")
        return cells


def columns(rows: Sequence[Sequence[str]], *, header: Sequence[str] = ()) -> list[str]:
    """Plain rows as aligned lines, for the tables that pilot makes itself."""
    everything = [list(header), *rows] if header else list(rows)
    widths: list[int] = []
    for row in everything:
        for index, cell in enumerate(row):
            if index == len(widths):
                widths.append(MIN_WIDTH)
            widths[index] = max(widths[index], width(cell) + PADDING)
    return [_line(row, widths) for row in everything]


def cell_text(value: Any) -> str:
    """A cell as kubectl prints it: Go's words for JSON's values."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + " ".join(cell_text(item) for item in value) + "]"
    return str(value).replace("\n", "\\n") if isinstance(value, str) else str(value)


def width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (widths[index] - width(cell)) for index, cell in enumerate(cells[:-1])]
    return "".join([*padded, *cells[-1:]])
