"""Structural schemas of custom resources: compiling, pruning and defaulting.

A CustomResourceDefinition brings its own OpenAPI v3 schema. Objects of it are kept by that schema: fields that it does
not name are pruned unless it says to preserve them, absent fields get its defaults, nulls that it does not allow vanish
where a default stands ready. Rule: k8s.io/apiextensions-apiserver `schema/pruning` and `schema/defaulting`.
"""

from __future__ import annotations

from typing import Any

import orjson

from machinery.schema.definitions import OBJECT_META, builtin
from machinery.schema.model import Raw, Schema

Object = dict[str, Any]

_ENVELOPE = ("apiVersion", "kind", "metadata")


def compile(openapi: Raw | None) -> Schema:
    """The schema of a custom resource's objects, from `openAPIV3Schema` (None keeps everything)."""
    raw = dict(openapi or {"x-kubernetes-preserve-unknown-fields": True})
    raw["type"] = "object"
    raw["properties"] = {
        **raw.get("properties", {}),
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": OBJECT_META},
    }
    return Schema(raw, builtin().__getitem__)


def prune(schema: Schema, obj: Object) -> list[str]:
    """Remove in place the fields that the schema does not name; answer their paths."""
    pruned: list[str] = []
    _prune(schema, obj, "", pruned, root=True)
    return pruned


def set_defaults(schema: Schema, obj: Object) -> None:
    """Fill in the schema's defaults in place."""
    for key in schema.field_names():
        if key not in _ENVELOPE and (field := schema.field(key)) is not None:
            _default_field(obj, key, field)


def _prune(schema: Schema | None, value: Any, path: str, pruned: list[str], *, root: bool = False) -> None:
    if schema is None:
        return
    if isinstance(value, list):
        for index, each in enumerate(value):
            _prune(schema.items, each, f"{path}[{index}]", pruned)
        return
    if not isinstance(value, dict):
        return
    envelope = root or schema.embedded
    open_ended = schema.preserve_unknown or schema.raw.get("additionalProperties") is True
    for key in list(value):
        if envelope and key in _ENVELOPE:
            continue
        where = f"{path}.{key}" if path else key
        child = schema.child(key)
        if child is not None:
            _prune(child, value[key], where, pruned)
        elif not open_ended and schema.type in ("object", ""):
            del value[key]
            pruned.append(where)


def _default_field(holder: Object, key: str, schema: Schema) -> None:
    if key in holder and holder[key] is None and not schema.raw.get("nullable") and "default" in schema.raw:
        del holder[key]
    if key not in holder and "default" in schema.raw:
        holder[key] = orjson.loads(orjson.dumps(schema.raw["default"]))
    if key in holder:
        _default_value(holder[key], schema)


def _default_value(value: Any, schema: Schema) -> None:
    if isinstance(value, dict):
        for key in schema.field_names():
            if (field := schema.field(key)) is not None:
                _default_field(value, key, field)
        if (values := schema.additional) is not None:
            for key in value:
                if schema.field(key) is None:
                    _default_field(value, key, values)
    elif isinstance(value, list) and (items := schema.items) is not None:
        for each in value:
            _default_value(each, items)
