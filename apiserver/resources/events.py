"""The events.k8s.io group: the same events as the core group's, under newer names of their fields.

Both are one set of objects, stored in the core form; a client of either group sees them all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apiserver.resources.columns import core as columns
from apiserver.resources.rows import built_in, text
from apiserver.resources.rules import Rules
from apiserver.resources.spec import Column
from apiserver.resources.validation import core as validation
from machinery.objects.gvk import GVK

Object = dict[str, Any]

_CORE_NAMES = {
    "reportingController": "reportingComponent",
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_NEW_NAMES = {core: new for new, core in _CORE_NAMES.items()}


def to_core(event: Object) -> Object:
    """The v1 Event of an events.k8s.io/v1 Event."""
    return {_CORE_NAMES.get(key, key): value for key, value in event.items()} | {"apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """The events.k8s.io/v1 Event of a v1 Event."""
    return {_NEW_NAMES.get(key, key): value for key, value in event.items()} | {"apiVersion": "events.k8s.io/v1"}


def _reading_core(column: Column) -> Column:
    """A column of core events, for events of this group."""
    timed = column.timed
    return replace(
        column,
        cell=lambda event: column.cell(to_core(event)),
        timed=None if timed is None else lambda event, now: timed(to_core(event), now),
    )


_REGARDING = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

ROWS = (
    built_in(
        "events.k8s.io/v1",
        "Event",
        "events",
        short=("ev",),
        columns=tuple(_reading_core(column) for column in columns.EVENT),
        strategy=Rules(
            status=False,
            generation=False,
            create_on_update=True,
            validate=validation.event,
            create=validation.new_event,
        ),
        selectable={
            **{f"regarding.{field}": text("regarding", field) for field in _REGARDING},
            "reason": text("reason"),
            "reportingController": text("reportingController"),
            "type": text("type"),
        },
        stored_as=GVK("", "v1", "Event"),
        to_storage=to_core,
        from_storage=from_core,
    ),
)
