"""A protobuf body -> the JSON object it stands for.

The body is the four bytes `k8s\\0` and a `runtime.Unknown`: the kind, and the object's own message. Field names come
from `fields`, types from the JSON schemas. What Go would leave out of JSON is left out: zero values of fields that are
no pointers, empty messages among them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from apiserver.rest.protobuf.fields import Field, messages
from apiserver.rest.protobuf.wire import BYTES, VARINT, WireError, double, fields, packed, signed
from machinery.objects import timefmt
from machinery.objects.gvk import GVK, split_api_version
from machinery.schema.definitions import DELETE_OPTIONS, Definitions
from machinery.schema.model import Schema

Object = dict[str, Any]

MAGIC = b"k8s\x00"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProtobufError(ValueError):
    """The body is no protobuf that stands for an object."""


class UnknownKind(ProtobufError):
    """The body is of a kind that has no protobuf form here."""


def decode(body: bytes, definitions: Definitions) -> Object:
    """The object of a request body. Raises ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        api_version, kind, raw = _envelope(body[len(MAGIC) :])
        group, version = split_api_version(api_version)
        name = definitions.name_of(GVK(group, version, kind)) or (DELETE_OPTIONS if kind == "DeleteOptions" else "")
        if name not in messages():
            raise UnknownKind(f"{api_version}, Kind={kind} has no protobuf form")
        return {"apiVersion": api_version, "kind": kind, **_message(name, definitions[name], raw)}
    except (WireError, UnicodeDecodeError, orjson.JSONDecodeError, TypeError) as error:
        raise ProtobufError(f"unable to decode the protobuf message: {error}") from error


def _envelope(data: bytes) -> tuple[str, str, bytes]:
    """(apiVersion, kind, the object's bytes) of a runtime.Unknown."""
    api_version, kind, raw = "", "", b""
    for number, _, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            for inner, _, text in fields(value):
                if isinstance(text, bytes) and inner == 1:
                    api_version = text.decode()
                elif isinstance(text, bytes) and inner == 2:
                    kind = text.decode()
        elif number == 2 and isinstance(value, bytes):
            raw = value
    return api_version, kind, raw


def _message(name: str, schema: Schema, data: bytes) -> Object:
    """A struct. schema: of the struct that its fields are JSON fields of, which is another one for inline messages."""
    known = messages().get(name, {})
    result: Object = {}
    for number, wire, raw in fields(data):
        field = known.get(number)
        if field is None:
            # A newer client's field; upstream drops those too.
            continue
        if field.inline:
            result.update(_message(field.name, schema, _bytes(raw)))
            continue
        about = schema.field(field.name)
        if about is not None:
            _set(result, field, about, wire, raw)
    return result


def _set(result: Object, field: Field, schema: Schema, wire: int, raw: int | bytes) -> None:
    if schema.type == "array":
        items = result.setdefault(field.name, [])
        inner = schema.items
        if inner is not None and wire == BYTES and inner.type == "integer":
            items.extend(signed(each) for each in packed(_bytes(raw)))
        else:
            items.append(_value(inner, wire, raw))
    elif schema.is_map:
        key, value = _entry(schema.additional, _bytes(raw))
        result.setdefault(field.name, {})[key] = value
    else:
        value = _value(schema, wire, raw)
        if value is not None and (field.pointer or value not in (0, "", {})):
            result[field.name] = value


def _entry(schema: Schema | None, data: bytes) -> tuple[str, Any]:
    """One entry of a map. A list as a value is a message of its own, with the items in field 1."""
    key: str = ""
    value: Any = [] if schema is not None and schema.type == "array" else ""
    for number, wire, raw in fields(data):
        if number == 1:
            key = _bytes(raw).decode()
        elif schema is not None and schema.type == "array":
            value = [_value(schema.items, inner, each) for _, inner, each in fields(_bytes(raw))]
        else:
            value = _value(schema, wire, raw)
    return key, value


def _value(schema: Schema | None, wire: int, raw: int | bytes) -> Any:
    if schema is None:
        return _bytes(raw).decode()
    special = _SPECIAL.get(schema.name) or _SPECIAL.get(schema.type)
    if special is not None:
        return special(_bytes(raw))
    match schema.type:
        case "string":
            data = _bytes(raw)
            return base64.b64encode(data).decode() if schema.format == "byte" else data.decode()
        case "boolean":
            return bool(raw)
        case "integer" if isinstance(raw, int):
            return signed(raw)
        case "number":
            return signed(raw) if isinstance(raw, int) else double(raw)
    return _message(schema.name, schema, _bytes(raw))


def _bytes(raw: int | bytes) -> bytes:
    if isinstance(raw, int):
        raise WireError("a number where a message is expected")
    return raw


def _numbers(data: bytes) -> Mapping[int, int | bytes]:
    return {number: raw for number, wire, raw in fields(data) if wire in (VARINT, BYTES)}


def _moment(data: bytes) -> datetime | None:
    """seconds = 1, nanos = 2; an empty message is Go's zero time, which JSON has no value for."""
    if not data:
        return None
    parts = _numbers(data)
    seconds, nanos = (value if isinstance(value := parts.get(number, 0), int) else 0 for number in (1, 2))
    return _EPOCH + timedelta(seconds=signed(seconds), microseconds=signed(nanos) // 1000)


def _time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else timefmt.format(moment)


def _micro_time(data: bytes) -> str | None:
    moment = _moment(data)
    return None if moment is None else timefmt.format_micro(moment)


def _duration(data: bytes) -> str:
    nanos = _numbers(data).get(1, 0)
    return timefmt.format_duration(signed(nanos) / 10**9 if isinstance(nanos, int) else 0)


def _quantity(data: bytes) -> str:
    return _bytes(_numbers(data).get(1, b"")).decode()


def _int_or_string(data: bytes) -> int | str:
    """type = 1 (0 is a number), intVal = 2, strVal = 3."""
    parts = _numbers(data)
    if parts.get(1, 0):
        return _bytes(parts.get(3, b"")).decode()
    number = parts.get(2, 0)
    return signed(number) if isinstance(number, int) else 0


def _embedded(data: bytes) -> Any:
    """JSON as bytes in field 1; none at all is null."""
    raw = _bytes(_numbers(data).get(1, b""))
    return orjson.loads(raw) if raw else None


_SPECIAL: Mapping[str, Callable[[bytes], Any]] = {
    f"{_META}Time": _time,
    f"{_META}MicroTime": _micro_time,
    f"{_META}Duration": _duration,
    f"{_META}FieldsV1": _embedded,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _embedded,
    "quantity": _quantity,
    "int-or-string": _int_or_string,
}
