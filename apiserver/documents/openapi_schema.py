"""Field schemas as OpenAPI documents write them.

The packed definitions are one form of both: references are bare names, and two types are our own words
("int-or-string", "quantity"). Here they become OpenAPI 2 or 3, with descriptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.resources.spec import ResourceSpec
from machinery.objects.gvk import GVK
from machinery.schema.definitions import LIST_META, OBJECT_META, Definitions, descriptions

Object = dict[str, Any]

_STANDARD = {
    "apiVersion": "APIVersion defines the versioned schema of this representation of an object.",
    "kind": "Kind is a string value representing the REST resource this object represents.",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """prefix: of references. wrap: a reference beside other words stands in an `allOf` (OpenAPI 3)."""

    prefix: str
    wrap: bool


V2 = Dialect("#/definitions/", wrap=False)
V3 = Dialect("#/components/schemas/", wrap=True)


def definition(definitions: Definitions, name: str, dialect: Dialect) -> Object:
    """One definition, its own and its fields' descriptions in it."""
    return _schema(definitions.raw[name], dialect, descriptions().get(name) or {})


def custom_name(spec: ResourceSpec) -> str:
    """The definition name of a custom kind: `com.example.v1.Widget` for `Widget` of `example.com/v1`."""
    return ".".join((*reversed(spec.gvr.group.split(".")), spec.gvr.version, spec.kind))


def custom_definition(spec: ResourceSpec, dialect: Dialect) -> Object:
    """A custom resource's structural schema, with what every object has."""
    structural = dict(spec.structural or {})
    properties: Object = {}
    if "properties" in structural:
        properties = {name: _schema(raw, dialect, {}) for name, raw in structural["properties"].items()}
    for field, text in _STANDARD.items():
        properties[field] = {"type": "string", "description": text}
    properties["metadata"] = _reference(OBJECT_META, dialect, "Standard object's metadata.")
    document = {
        key: value for key, value in structural.items() if key in ("description", "required") or key.startswith("x-")
    }
    return {**document, "type": "object", "properties": properties, **kinds([spec.gvk])}


def custom_list(spec: ResourceSpec, dialect: Dialect) -> Object:
    """The list kind of a custom resource."""
    item = {"$ref": dialect.prefix + custom_name(spec)}
    properties: Object = {field: {"type": "string", "description": text} for field, text in _STANDARD.items()}
    properties["metadata"] = _reference(LIST_META, dialect, "Standard list metadata.")
    properties["items"] = {
        "type": "array",
        "description": f"List of {spec.gvr.resource}.",
        "items": {"allOf": [item], "default": {}} if dialect.wrap else item,
    }
    kind = spec.list_gvk.kind
    return {
        "description": f"{kind} is a list of {spec.kind}",
        "type": "object",
        "required": ["items"],
        "properties": properties,
        **kinds([spec.list_gvk]),
    }


def kinds(gvks: Sequence[GVK]) -> Object:
    """The extension that says which kinds a definition is of."""
    return {"x-kubernetes-group-version-kind": [kind._asdict() for kind in gvks]}


def _schema(raw: Mapping[str, Any], dialect: Dialect, texts: Mapping[str, str]) -> Object:
    """texts: field -> description; "" is this schema's own."""
    result: Object = {}
    for key, value in raw.items():
        match key:
            case "$ref" | "type":
                continue
            case "properties":
                result[key] = {
                    name: _described(_schema(each, dialect, {}), texts.get(name, "")) for name, each in value.items()
                }
            case "items" | "additionalProperties" if isinstance(value, Mapping):
                result[key] = _schema(value, dialect, {})
            case _:
                result[key] = value
    if "$ref" in raw:
        result = {**_reference(raw["$ref"], dialect, ""), **result}
    elif "type" in raw:
        result = {**_type(raw["type"], dialect), **result}
    return _described(result, texts.get("", ""))


def _described(schema: Object, text: str) -> Object:
    return {"description": text, **schema} if text else schema


def _reference(name: str, dialect: Dialect, text: str) -> Object:
    target = {"$ref": dialect.prefix + name}
    schema: Object = {"allOf": [target], "default": {}} if dialect.wrap else target
    return _described(schema, text)


def _type(name: str, dialect: Dialect) -> Object:
    match name:
        case "int-or-string":
            if dialect.wrap:
                return {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
            return {"type": "string", "format": "int-or-string"}
        case "quantity":
            return {"oneOf": [{"type": "string"}, {"type": "number"}]} if dialect.wrap else {"type": "string"}
    return {"type": name}
