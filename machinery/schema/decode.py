"""Decoding: from the JSON a client sent to an object of its kind, as upstream's decoder would read it.

Type errors come in the words of Go's decoder, unknown fields are collected by path (`spec.containers[0].foo`) for
strict decoding and for warnings, and what a typed decoder would not keep is removed: unknown fields, nulls, empty
optional lists and maps. Quantities and times get their canonical text. Works in place: the caller owns what it parsed.
"""

from __future__ import annotations

import base64
from typing import Any

from machinery.objects import quantity, timefmt
from machinery.schema.model import Schema

_JSON_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_OR_SCHEMA = ("JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray")
"""A schema, or something else that the packed definitions cannot tell."""
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_INT_BITS = {"int32": 31, "int64": 63, "": 63}


class DecodeError(ValueError):
    """The object cannot be read as its kind; the message is what Go's decoder says.

    dotted: the field, without indices; value: what was there; go_type: what should have been. The last is "" where the
    value's own text is at fault."""

    def __init__(self, message: str, *, dotted: str = "", value: Any = None, go_type: str = "") -> None:
        super().__init__(message)
        self.dotted = dotted
        self.value = value
        self.go_type = go_type


def decode(schema: Schema, obj: Any, *, keep_unknown: bool = False) -> list[str]:
    """Check and normalise `obj` in place; answer the paths of unknown fields, which are removed unless told to keep.

    Raises DecodeError at the first value of a wrong type.
    """
    walk = _Walk(keep_unknown=keep_unknown)
    walk.value(schema, obj, "", schema.struct_name, "")
    return walk.unknown


class _Walk:
    """One pass over one object. `path` is the field's with indices, `dotted` without, as Go's errors have it."""

    def __init__(self, *, keep_unknown: bool) -> None:
        self.unknown: list[str] = []
        self._keep_unknown = keep_unknown

    def value(self, schema: Schema, value: Any, path: str, struct: str, dotted: str) -> Any:
        """The value to keep in place of `value`. Nulls never get here, except at the top."""
        match schema.type:
            case "string":
                if not isinstance(value, str):
                    raise _mismatch(schema, value, struct, dotted)
                if schema.format == "byte":
                    _check_base64(value)
                return _time(schema, value) if schema.is_time and value else value
            case "integer":
                return _integer(schema, value, struct, dotted)
            case "boolean":
                if not isinstance(value, bool):
                    raise _mismatch(schema, value, struct, dotted)
            case "array":
                return self._array(schema, value, path, struct, dotted)
            case "object":
                return self._object(schema, value, path, struct, dotted)
            case "number":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise _mismatch(schema, value, struct, dotted)
            case "quantity":
                return _quantity(value)
            case "int-or-string":
                if isinstance(value, bool) or not isinstance(value, int | str):
                    raise DecodeError(f"json: cannot unmarshal {kind_of(value)} into Go value of type int32")
            case _ if schema.struct_name in _OR_SCHEMA and isinstance(value, dict):
                return self.value(schema.beside({"$ref": _JSON_SCHEMA}), value, path, struct, dotted)
            case _:
                pass
        return value

    def _array(self, schema: Schema, value: Any, path: str, struct: str, dotted: str) -> Any:
        if not isinstance(value, list):
            raise _mismatch(schema, value, struct, dotted)
        items = schema.items
        if items is None:
            return value
        for index, item in enumerate(value):
            if item is None:
                value[index] = _zero(items)
            else:
                value[index] = self.value(items, item, f"{path}[{index}]", struct, dotted)
        return value

    def _object(self, schema: Schema, value: Any, path: str, struct: str, dotted: str) -> Any:
        if not isinstance(value, dict):
            raise _mismatch(schema, value, struct, dotted)
        if schema.closed:
            return self._struct(schema, value, path, dotted)
        values = schema.additional
        if values is not None:
            for key, item in value.items():
                if item is None:
                    value[key] = _zero(values)
                else:
                    value[key] = self.value(values, item, f"{path}.{key}" if path else key, struct, dotted)
        return value

    def _struct(self, schema: Schema, value: dict[str, Any], path: str, dotted: str) -> dict[str, Any]:
        name = schema.struct_name
        dropped = []
        for key, item in value.items():
            field = schema.field(key)
            if field is None:
                if not schema.preserve_unknown:
                    self.unknown.append(f"{path}.{key}" if path else key)
                    if not self._keep_unknown:
                        dropped.append(key)
            elif item is None:
                dropped.append(key)
            else:
                kept = self.value(
                    field, item, f"{path}.{key}" if path else key, name, f"{dotted}.{key}" if dotted else key
                )
                if kept is not item:
                    value[key] = kept
                elif not item and key not in schema.required and (field.type == "array" or field.is_map):
                    dropped.append(key)
        for key in dropped:
            del value[key]
        return value


def _integer(schema: Schema, value: Any, struct: str, dotted: str) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # 1e3 and 1.0: only their text would tell, which YAML and JavaScript clients do not mean
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mismatch(schema, value, struct, dotted)
    limit = 1 << _INT_BITS.get(schema.format, 63)
    if not -limit <= value < limit:
        raise _mismatch(schema, value, struct, dotted)
    return value


def _time(schema: Schema, value: str) -> str:
    try:
        moment = timefmt.parse(value)
    except ValueError as error:
        raise DecodeError(str(error)) from None
    return timefmt.format_micro(moment) if schema.struct_name == "MicroTime" else timefmt.format(moment)


def _check_base64(value: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        at = _corrupt(value)
        if at >= 0:
            raise DecodeError(f"illegal base64 data at input byte {at}") from None


def _corrupt(value: str) -> int:
    """Where Go finds a text not to be base64; -1 for one that it takes (line breaks count for nothing)."""
    digits = 0
    for at, character in enumerate(value):
        if character in "\r\n":
            continue
        if character == "=":
            rest = [(index, each) for index, each in enumerate(value[at:], at) if each not in "\r\n"]
            wanted = 4 - digits % 4
            if wanted > 2:
                return at
            for number, (index, each) in enumerate(rest):
                if number == wanted:
                    return index
                if each != "=":
                    return index - 1
            return -1 if len(rest) == wanted else len(value)
        if character not in _BASE64:
            return at
        digits += 1
    return len(value) - digits % 4 if digits % 4 else -1


def _quantity(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise DecodeError(quantity.WRONG_FORMAT)
    try:
        return quantity.canonical(value)
    except quantity.QuantityError as error:
        raise DecodeError(str(error)) from None


def _mismatch(schema: Schema, value: Any, struct: str, dotted: str) -> DecodeError:
    what = kind_of(value)
    if what == "number" and schema.type == "integer":
        what = f"number {value}"
    go_type = "string" if schema.is_time else schema.go_type
    where = f"struct field {struct}.{dotted}" if dotted and not schema.is_time else "value"
    message = f"json: cannot unmarshal {what} into Go {where} of type {go_type}"
    return DecodeError(message, dotted=dotted, value=value, go_type=go_type)


def kind_of(value: Any) -> str:
    """What a JSON value is, in the words of Go's decoder."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "null"


def _zero(schema: Schema) -> Any:
    """What a null is among items and map values: there it cannot be left out."""
    match schema.type:
        case "string":
            return ""
        case "integer" | "number" | "int-or-string":
            return 0
        case "boolean":
            return False
        case "array":
            return []
        case "object":
            return {}
        case "quantity":
            return "0"
        case _:
            return None
