"""Validation of a custom resource against its structural schema, in the words of upstream's validator.

Types, required fields, enumerations, bounds, lengths, patterns, formats, list types, and the logical combinations
(`allOf`, `anyOf`, `oneOf`, `not`). CEL rules are not evaluated here.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from typing import Any

import orjson

from machinery.errors import FieldError
from machinery.objects import timefmt
from machinery.schema import patterns
from machinery.schema.model import Schema

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and _is_integer(value),
    "number": lambda value: not isinstance(value, bool) and isinstance(value, int | float),
    "int-or-string": lambda value: not isinstance(value, bool) and isinstance(value, int | str),
    "": lambda value: True,
}


def _is_integer(value: Any) -> bool:
    """A number of 64 bits, or one with a fraction of zero that is exact."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and value.is_integer() and abs(value) < 2**53


def validate(schema: Schema, value: Any, path: str = "") -> list[FieldError]:
    """Everything that is wrong with `value`, field by field. `path` is where it stands, "" for an object."""
    raw = schema.raw
    if value is None:
        if raw.get("nullable") or schema.type == "":
            return []
        return [_wrong_type(schema, value, path)]
    if not _TYPES.get(schema.type, _TYPES[""])(value):
        return [_wrong_type(schema, value, path)]
    found: list[FieldError] = []
    if "enum" in raw and value not in raw["enum"]:
        found.append(FieldError.not_supported(path, value, [str(each) for each in raw["enum"]]))
    match value:
        case bool():
            pass
        case str():
            found += _text(schema, value, path)
        case int() | float():
            found += _number(schema, value, path)
        case list():
            found += _list(schema, value, path)
        case dict():
            found += _map(schema, value, path)
        case _:
            pass
    return found + _combinations(schema, value, path)


def _wrong_type(schema: Schema, value: Any, path: str) -> FieldError:
    kind = _kind(value)
    where = path or "<nil>"
    wanted = schema.type if schema.type != "int-or-string" else "integer,string"
    return FieldError(
        where, "FieldValueTypeInvalid", f'Invalid value: "{kind}": {path} in body must be of type {wanted}: "{kind}"'
    )


def _text(schema: Schema, value: str, path: str) -> list[FieldError]:
    raw = schema.raw
    found = []
    if "maxLength" in raw and len(value) > raw["maxLength"]:
        found.append(FieldError.too_long(path, raw["maxLength"]))
    if "minLength" in raw and len(value) < raw["minLength"]:
        text = f"{path} in body should be at least {raw['minLength']} chars long"
        found.append(FieldError.invalid(path, value, text))
    if (pattern := raw.get("pattern")) and not patterns.compile(pattern).search(value):
        found.append(FieldError.invalid(path, value, f"{path} in body should match '{pattern}'"))
    if schema.format in _FORMATS and not _has_format(schema.format, value):
        text = f'{path} in body must be of type {schema.format}: "{value}"'
        found.append(FieldError.invalid(path, value, text))
    return found


def _number(schema: Schema, value: float, path: str) -> list[FieldError]:
    raw = schema.raw
    found = []
    if "maximum" in raw:
        exclusive = raw.get("exclusiveMaximum")
        if value > raw["maximum"] or (exclusive and value == raw["maximum"]):
            text = "should be less than" + ("" if exclusive else " or equal to")
            found.append(FieldError.invalid(path, value, f"{path} in body {text} {raw['maximum']}"))
    if "minimum" in raw:
        exclusive = raw.get("exclusiveMinimum")
        if value < raw["minimum"] or (exclusive and value == raw["minimum"]):
            text = "should be greater than" + ("" if exclusive else " or equal to")
            found.append(FieldError.invalid(path, value, f"{path} in body {text} {raw['minimum']}"))
    if (step := raw.get("multipleOf")) and abs(value / step - round(value / step)) > 1e-9:
        found.append(FieldError.invalid(path, value, f"{path} in body should be a multiple of {step}"))
    return found


def _list(schema: Schema, value: list[Any], path: str) -> list[FieldError]:
    raw = schema.raw
    found = []
    if "maxItems" in raw and len(value) > raw["maxItems"]:
        found.append(FieldError.too_many(path, len(value), raw["maxItems"]))
    if "minItems" in raw and len(value) < raw["minItems"]:
        text = f"{path} in body should have at least {raw['minItems']} items"
        found.append(FieldError.invalid(path, len(value), text))
    if raw.get("uniqueItems") or schema.list_type in ("set", "map"):
        found += _duplicates(schema, value, path)
    if (items := schema.items) is not None:
        for index, each in enumerate(value):
            found += validate(items, each, f"{path}[{index}]")
    return found


def _duplicates(schema: Schema, value: list[Any], path: str) -> list[FieldError]:
    seen: set[bytes] = set()
    found = []
    for index, each in enumerate(value):
        identity = (
            {key: each.get(key) for key in schema.map_keys} if schema.map_keys and isinstance(each, dict) else each
        )
        packed = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
        if packed in seen:
            found.append(FieldError.duplicate(f"{path}[{index}]", identity))
        seen.add(packed)
    return found


def _map(schema: Schema, value: dict[str, Any], path: str) -> list[FieldError]:
    raw = schema.raw
    found = [FieldError.required(_join(path, key)) for key in raw.get("required") or () if key not in value]
    if "maxProperties" in raw and len(value) > raw["maxProperties"]:
        found.append(FieldError.too_many(path, len(value), raw["maxProperties"]))
    if "minProperties" in raw and len(value) < raw["minProperties"]:
        text = f"{path} in body should have at least {raw['minProperties']} properties"
        found.append(FieldError.invalid(path, len(value), text))
    for key, each in value.items():
        child = schema.child(key)
        if child is not None and not child.name:  # named definitions (metadata) are checked where they are decoded
            found += validate(child, each, _join(path, key))
    return found


def _combinations(schema: Schema, value: Any, path: str) -> list[FieldError]:
    raw = schema.raw
    found = []
    for each in raw.get("allOf") or ():
        found += validate(schema.beside(each), value, path)
    if "anyOf" in raw and all(validate(schema.beside(each), value, path) for each in raw["anyOf"]):
        found.append(FieldError.invalid(path, value, f'"{path}" must validate at least one schema (anyOf)'))
    if "oneOf" in raw:
        good = sum(not validate(schema.beside(each), value, path) for each in raw["oneOf"])
        if good != 1:
            said = "Found none valid" if good == 0 else f"Found {good} valid alternatives"
            text = f'"{path}" must validate one and only one schema (oneOf). {said}'
            found.append(FieldError.invalid(path, value, text))
    if "not" in raw and not validate(schema.beside(raw["not"]), value, path):
        found.append(FieldError.invalid(path, value, f'"{path}" must not validate the schema (not)'))
    return found


def _has_format(name: str, value: str) -> bool:
    try:
        return _FORMATS[name](value)
    except (ValueError, binascii.Error):
        return False


def _accepts(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        parse(value)
        return True

    return check


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _accepts(timefmt.parse),
    "date": lambda value: bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)),
    "duration": _accepts(timefmt.parse_duration),
    "byte": _accepts(lambda value: base64.b64decode(value, validate=True)),
    "ipv4": _accepts(ipaddress.IPv4Address),
    "ipv6": _accepts(ipaddress.IPv6Address),
    "cidr": _accepts(lambda value: ipaddress.ip_network(value, strict=False)),
    "uuid": lambda value: bool(re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", value)),
    "email": lambda value: bool(re.fullmatch(r"[^@\s]+@[^@\s]+", value)),
    "hostname": lambda value: bool(re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?", value)),
    "uri": lambda value: bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*:\S+$|/", value)),
}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() if _is_integer(value):
            return "integer"
        case int():
            return "number"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "null"
