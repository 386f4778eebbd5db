"""What keeps an applied configuration from being read by its kind's schema, all of it at once.

Server-side apply reads a configuration for itself, before anything decodes it: a field that the schema does not name is
an error whatever fieldValidation says, and every item of a keyed list must have its keys, once. Rules and texts:
structured-merge-diff `typed/validate.go` and `typed/helpers.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from machinery.patch.typed import key_default
from machinery.schema.model import Schema

_KINDS = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}"}
_EXPECTED = {"array": (list, "list"), "object": (dict, "map"), "boolean": (bool, "boolean"), "string": (str, "string")}


def mistakes(schema: Schema, config: dict[str, Any]) -> list[str]:
    """Each with its path, in the configuration's order; items of keyed lists go by their keys (`[name="c"]`)."""
    return list(_value(schema, config, ""))


def _value(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if value is None:
        return
    if schema.type in ("integer", "number"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path}: expected numeric (int or float), got {_KINDS.get(type(value), 'map[string]interface {}')}"
    elif schema.type in _EXPECTED:
        python, said = _EXPECTED[schema.type]
        if not isinstance(value, python):
            shown = go_text(value)
            got = f"&value.valueUnstructured{{Value:{shown}}}" if said == "string" else f"&{{{shown}}}"
            yield f"{path}: expected {said}, got {got}"
        elif isinstance(value, list):
            yield from _list(schema, value, path)
        elif isinstance(value, dict):
            yield from _map(schema, value, path)


def _map(schema: Schema, value: dict[str, Any], path: str) -> Iterator[str]:
    free = schema.preserve_unknown or "additionalProperties" in schema.raw or "properties" not in schema.raw
    for key, each in value.items():
        child = schema.child(key)
        if child is not None:
            yield from _value(child, each, f"{path}.{key}")
        elif not free:
            yield f"{path}.{key}: field not declared in schema"


def _list(schema: Schema, value: list[Any], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, each in enumerate(value):
        place = f"[{index}]"
        if schema.list_type == "map":
            if not isinstance(each, dict):
                yield f"{path}: element {index}: associative list with keys may not have non-map elements"
                continue
            keys = {key: each.get(key, key_default(schema, key)) for key in schema.map_keys}
            missing = next((key for key, found in keys.items() if found is None), None)
            if missing is not None:
                omits = f'an element that omits key field "{missing}" (and doesn\'t have default value)'
                yield f"{path}: element {index}: associative list with keys has {omits}"
                continue
            place = f"[{','.join(f'{key}={_json(found)}' for key, found in keys.items())}]"
        elif schema.list_type == "set":
            place = f"[={_json(each)}]"
        if schema.list_type in ("map", "set"):
            if place in seen:
                yield f"{path}: duplicate entries for key {place}"
                continue
            seen.add(place)
        if schema.items is not None:
            yield from _value(schema.items, each, f"{path}{place}")


def go_text(value: Any) -> str:
    """A JSON value as Go's `%+v` prints it: `map[a:1 b:[x y]]`, keys in order."""
    match value:
        case dict():
            return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(map(go_text, value))}]"
        case str():
            return value
        case None:
            return "<nil>"
        case _:
            return _json(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
