"""What the tools print, laid out as etcdctl and etcdutl do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

FORMATS = ("simple", "table", "json", "fields")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """Bytes for people: 20 kB, 1.2 MB."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:.1f} {_UNITS[unit]}" if unit and value < 9.95 else f"{value:.0f} {_UNITS[unit]}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Boxed columns: the head centred, numbers to the right, as etcdutl has them."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right

    def cells(row: Sequence[str], *, centred: bool = False) -> str:
        aligned = (
            each.center(width) if centred else each.rjust(width) for each, width in zip(row, widths, strict=True)
        )
        return "│" + "│".join(f" {each} " for each in aligned) + "│"

    return "\n".join(
        (
            line("┌", "┬", "┐"),
            cells([each.upper() for each in head], centred=True),
            line("├", "┼", "┤"),
            *map(cells, rows),
            line("└", "┴", "┘"),
        )
    )


def as_json(values: Mapping[str, Any]) -> str:
    """One line."""
    return json.dumps(values, separators=(",", ":"))
