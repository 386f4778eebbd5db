"""OpenAPI 2 as the protobuf that kubectl asks for (`openapi.v2.Document` of github.com/google/gnostic-models).

Written by hand: of that schema a server needs a dozen messages in one direction, which is a table of field numbers.
Extensions (`x-…`) travel as YAML texts; JSON is YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

Object = Mapping[str, Any]


def encode(document: Object) -> bytes:
    """A JSON document of OpenAPI 2 as bytes."""
    return b"".join(
        (
            _text(1, document["swagger"]),
            _field(2, _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])),
            _field(8, b"".join(_field(2, _named(path, _path_item(item))) for path, item in document["paths"].items())),
            _field(9, _named_schemas(document["definitions"])),
        )
    )


def _path_item(item: Object) -> bytes:
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    operations = b"".join(_field(number, _operation(item[name])) for name, number in numbers.items() if name in item)
    return operations + b"".join(_field(9, _parameter(each)) for each in item.get("parameters") or ())


def _operation(operation: Object) -> bytes:
    responses = b"".join(
        _field(1, _named(code, _field(1, _response(response)))) for code, response in operation["responses"].items()
    )
    return b"".join(
        (
            _text(5, operation["operationId"]),
            *(_text(7, each) for each in operation.get("consumes") or ()),
            *(_field(8, _parameter(each)) for each in operation.get("parameters") or ()),
            _field(9, responses),
            _extensions(13, operation),
        )
    )


def _response(response: Object) -> bytes:
    described = _text(1, response["description"])
    return described + _field(2, _field(1, _schema(response["schema"]))) if "schema" in response else described


def _parameter(parameter: Object) -> bytes:
    """ParametersItem > Parameter > one of its forms."""
    place, name = parameter["in"], parameter["name"]
    if place == "body":
        body = _text(2, name) + _text(3, place) + _flag(4, parameter["required"])
        return _field(1, _field(1, body + _field(5, _schema(parameter["schema"]))))
    if place == "path":
        form = _flag(1, True) + _text(2, place) + _text(4, name) + _text(5, parameter["type"])
        return _field(1, _field(2, _field(4, form)))
    form = _text(2, place) + _text(4, name) + _text(6, parameter["type"])
    return _field(1, _field(2, _field(3, form)))


def _schema(schema: Object) -> bytes:
    parts = [
        _text(1, schema.get("$ref", "")),
        _text(2, schema.get("format", "")),
        _text(4, schema.get("description", "")),
        *(_text(19, each) for each in schema.get("required") or ()),
    ]
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        parts.append(_field(21, _field(1, _schema(additional))))
    elif additional is not None:
        parts.append(_field(21, _flag(2, bool(additional))))
    if isinstance(schema.get("type"), str):
        parts.append(_field(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_field(23, _field(1, _schema(schema["items"]))))
    if "properties" in schema:
        parts.append(_field(25, _named_schemas(schema["properties"])))
    parts.append(_extensions(31, schema))
    return b"".join(parts)


def _named_schemas(schemas: Object) -> bytes:
    return b"".join(_field(1, _named(name, _schema(schema))) for name, schema in schemas.items())


def _extensions(number: int, owner: Object) -> bytes:
    return b"".join(
        _field(number, _named(key, _text(2, orjson.dumps(value).decode())))
        for key, value in owner.items()
        if key.startswith("x-")
    )


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _field(2, value)


def _text(number: int, text: str) -> bytes:
    """A string field; one that is empty is left out, as proto3 has it."""
    return _field(number, text.encode()) if text else b""


def _flag(number: int, value: bool) -> bytes:
    return _varint(number << 3) + b"\x01" if value else b""


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
