"""Pieces that many descriptions share: what they begin with, their conditions, whom they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe.text import NONE, Text, moment
from machinery.objects import selectors
from machinery.objects.quantity import parse

Object = Mapping[str, Any]


def name(text: Text, obj: Object) -> None:
    about = obj["metadata"]
    text.field("Name", about["name"])
    text.given("Namespace", about.get("namespace"))


def tags(text: Text, obj: Object) -> None:
    about = obj["metadata"]
    text.pairs("Labels", about.get("labels"))
    text.annotations("Annotations", about.get("annotations"))


def metadata(text: Text, obj: Object) -> None:
    """What most descriptions begin with."""
    name(text, obj)
    tags(text, obj)


def created(text: Text, obj: Object) -> None:
    text.field("CreationTimestamp", moment(obj["metadata"].get("creationTimestamp")))


def controlled(text: Text, obj: Object) -> None:
    """Who controls the object, if anybody does."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            text.field("Controlled By", f"{owner['kind']}/{owner['name']}")


def conditions(text: Text, status: Object, *columns: str, after: str = "") -> None:
    """The conditions' table; `after` stands behind the type, where kubectl has a blank."""
    listed: Sequence[Object] = status.get("conditions") or ()
    if listed:
        text.head("Conditions")
        text.table(
            ["Type", "Status", *columns],
            [[f"{each['type']}{after}", each["status"], *(_cell(each, name) for name in columns)] for each in listed],
        )


def _cell(condition: Object, column: str) -> str:
    value = condition.get(column[0].lower() + column[1:])
    return moment(value) if column.endswith("Time") else value or ""


def formatted(selector: Object | None) -> str:
    """A LabelSelector in a row: `<none>` when it selects all, or nothing at all."""
    return str(selectors.from_label_selector(selector)) or NONE


def quantity(text: Any) -> str:
    """A quantity in its canonical form, as a server would write it."""
    return str(parse(text)) if text is not None else "0"


def quantities(text: Text, amounts: Object | None, *, level: int = 1) -> None:
    for each in sorted(amounts or ()):
        text.field(each, quantity((amounts or {})[each]), level=level)
