"""meta.k8s.io/v1 Tables: what `kubectl get` prints, computed by the server from each row's columns.

Pure: the time comes in, for ages. A kind without columns of its own has Name and Created At, as upstream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from apiserver.representation.metadata import API_VERSION, partial
from apiserver.resources.spec import Column, ResourceSpec
from machinery.objects import timefmt

Object = dict[str, Any]

_DEFAULT: Sequence[Column] = (
    Column(
        "Name",
        "string",
        "Name must be unique within a namespace.",
        lambda obj: obj["metadata"].get("name", ""),
        format="name",
    ),
    Column(
        "Created At",
        "date",
        "CreationTimestamp is the time when the object was created.",
        lambda obj: obj["metadata"].get("creationTimestamp"),
    ),
)


def table(
    spec: ResourceSpec,
    objects: Iterable[Object],
    *,
    list_metadata: Object,
    include_object: str,
    now: datetime,
    with_columns: bool = True,
) -> Object:
    """The Table of some objects.

    include_object: "Metadata", "Object" or "None". with_columns: False for the later events of a watch, which repeat
    no column definitions.
    """
    columns = spec.columns or _DEFAULT
    document: Object = {"kind": "Table", "apiVersion": API_VERSION, "metadata": list_metadata}
    document["columnDefinitions"] = [_definition(column) for column in columns] if with_columns else []
    document["rows"] = [_row(columns, obj, include_object, now) for obj in objects]
    return document


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(columns: Sequence[Column], obj: Object, include_object: str, now: datetime) -> Object:
    row: Object = {"cells": [_cell(column, obj, now) for column in columns]}
    if include_object == "Object":
        row["object"] = obj
    elif include_object != "None":
        row["object"] = partial(obj)
    return row


def _cell(column: Column, obj: Object, now: datetime) -> Any:
    if column.timed is not None:
        return column.timed(obj, now)
    value = column.cell(obj)
    return timefmt.age(value, now) if column.age else value
