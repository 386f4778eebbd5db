"""Entries of the store as the JSON documents that are answered. Objects pass through as bytes; only Tables, metadata
and kinds that are stored under another version are decoded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from apiserver.representation.metadata import partial, partial_list
from apiserver.representation.table import table
from apiserver.resources.spec import ResourceSpec
from apiserver.storage.cache import Entry
from machinery.client.api import Representation

Object = dict[str, Any]


def body_of(spec: ResourceSpec, entry: Entry) -> bytes:
    """An object as a row serves it."""
    if spec.from_storage is None:
        return entry.body
    if entry.rendered is None or entry.rendered[0] is not spec:
        entry.rendered = (spec, orjson.dumps(object_of(spec, entry)))
    return entry.rendered[1]


def object_of(spec: ResourceSpec, entry: Entry) -> Object:
    """The same, decoded (read-only)."""
    obj: Object = orjson.loads(entry.body)
    return obj if spec.from_storage is None else spec.from_storage(obj)


def one(
    spec: ResourceSpec, body: bytes, *, representation: Representation, include_object: str, now: datetime
) -> bytes:
    """One object in a representation."""
    if representation is Representation.OBJECT:
        return body
    obj = orjson.loads(body)
    if representation is Representation.METADATA:
        return orjson.dumps(partial(obj))
    version = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    return orjson.dumps(table(spec, (obj,), list_metadata=version, include_object=include_object, now=now))


def many(
    spec: ResourceSpec,
    entries: Iterable[Entry],
    list_metadata: Object,
    *,
    representation: Representation,
    include_object: str,
    now: datetime,
) -> bytes:
    """A list of objects in a representation."""
    if representation is Representation.OBJECT:
        kind = spec.list_gvk
        head = orjson.dumps({"kind": kind.kind, "apiVersion": kind.api_version, "metadata": list_metadata})
        if spec.from_storage is None:
            items = b",".join([entry.body for entry in entries])
        else:
            items = b",".join([body_of(spec, entry) for entry in entries])
        return b'%b,"items":[%b]}\n' % (head[:-1], items)
    objects = [object_of(spec, entry) for entry in entries]
    if representation is Representation.METADATA:
        return orjson.dumps(partial_list(objects, list_metadata))
    return orjson.dumps(table(spec, objects, list_metadata=list_metadata, include_object=include_object, now=now))
