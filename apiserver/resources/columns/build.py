"""Making columns, and the pieces that cells have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.resources.spec import Column
from machinery.objects import meta, timefmt

Object = dict[str, Any]
Cell = Callable[[Object], Any]

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"
_SHOWN = 3

NAME = Column("Name", "string", "The object's name, unique among its kind in its namespace.", meta.name, format="name")
AGE = Column(
    "Age",
    "string",
    "How long ago the object was made.",
    lambda o: meta.metadata(o).get("creationTimestamp"),
    age=True,
)
CREATED_AT = Column(
    "Created At", "date", "When the object was made.", lambda o: meta.metadata(o).get("creationTimestamp") or ""
)


def text(name: str, description: str, cell: Cell, *, format: str = "") -> Column:
    """A column of texts."""
    return Column(name, "string", description, cell, format=format)


def number(name: str, description: str, cell: Cell) -> Column:
    """A column of whole numbers."""
    return Column(name, "integer", description, cell)


def truth(name: str, description: str, cell: Cell) -> Column:
    """A column of true and false."""
    return Column(name, "boolean", description, cell)


def wide(name: str, description: str, cell: Cell) -> Column:
    """A column of texts that only `-o wide` shows."""
    return Column(name, "string", description, cell, priority=1)


def timed(name: str, description: str, cell: Callable[[Object, datetime], Any], *, priority: int = 0) -> Column:
    """A column whose cell depends on the time."""
    return Column(name, "string", description, lambda _: "", priority=priority, timed=cell)


def at(*path: str, default: Any = "") -> Cell:
    """The value at a path; `default` when it is absent or null."""

    def read(obj: Object) -> Any:
        value: Any = obj
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return default if value is None else value

    return read


def count(*path: str) -> Cell:
    """How many items are at a path."""
    read = at(*path)
    return lambda obj: len(read(obj) or ())


def since(moment: str | None, now: datetime) -> str:
    """How long ago an RFC 3339 time was; `<unknown>` for none."""
    return timefmt.age(moment, now) if moment else UNKNOWN


def labels(values: Mapping[str, str] | None) -> str:
    """`a=b,c=d`, sorted; `<none>` for none."""
    return ",".join(f"{key}={value}" for key, value in sorted((values or {}).items())) or NONE


def selector(value: Mapping[str, Any] | None) -> str:
    """A LabelSelector as one writes it on a command line; `<none>` when it says nothing."""
    if not value:
        return NONE
    parts = [f"{key}={each}" for key, each in (value.get("matchLabels") or {}).items()]
    for requirement in value.get("matchExpressions") or []:
        key, values = requirement.get("key"), ",".join(sorted(requirement.get("values") or []))
        match requirement.get("operator"):
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(f"{key}")
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(sorted(parts)) or NONE


def some(values: Sequence[str], *, empty: str = NONE, shown: int = _SHOWN, joint: str = ",") -> str:
    """The first few of a list, and how many there are more."""
    if not values:
        return empty
    listed = joint.join(values[:shown])
    return listed if len(values) <= shown else f"{listed} + {len(values) - shown} more..."


def containers(*path: str) -> tuple[Column, Column]:
    """The wide columns Containers and Images of the pods that the template at this path makes."""
    read = at(*path, "spec", "containers", default=())
    return (
        wide("Containers", "Names of each container in the template.", lambda o: _joined(read(o), "name")),
        wide("Images", "Images referenced by each container in the template.", lambda o: _joined(read(o), "image")),
    )


def _joined(listed: Sequence[Object], key: str) -> str:
    return ",".join(str(each.get(key) or "") for each in listed)
