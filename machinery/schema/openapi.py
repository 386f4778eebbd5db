"""OpenAPI v3 documents, one per group and version, built when somebody asks.

kubectl reads three things from them: the fields and their texts (`explain`), how lists merge (`apply`), and from a
resource's PATCH operation whether the server validates fields and knows dry run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from machinery.objects.gvk import GVK, join_api_version
from machinery.schema.definitions import OBJECT_META, Definitions, builtin, descriptions
from machinery.schema.model import Raw

Document = dict[str, Any]

_INFO = {"title": "Kubernetes", "version": "v1.37.0"}
_ANY_TYPES: Mapping[str, Document] = {
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "int-or-string": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
}
_ACTIONS = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}


@dataclass(frozen=True, slots=True)
class Resource:
    """A served resource, as much of it as a document says.

    schema: the definition of a built-in kind by name.
    structural: the openAPIV3Schema of a custom resource; its `schema` is then a name of its own making.
    """

    plural: str
    kind: GVK
    namespaced: bool
    schema: str
    verbs: Sequence[str] = ()
    structural: Raw | None = None
    subresources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Name -> its methods (get, patch, update, create)."""


def index(fingerprints: Mapping[str, str]) -> Document:
    """The root document: path ("api/v1", "apis/apps/v1") -> where its document is, with what changes when it does."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={fingerprint}"}
            for path, fingerprint in sorted(fingerprints.items())
        }
    }


def fingerprint(resources: Iterable[Resource]) -> str:
    """What changes when the document of these resources would, without building it: upper-case hexadecimal."""
    rows = [(each.plural, each.kind.kind, each.schema, tuple(each.verbs), each.structural) for each in resources]
    packed = orjson.dumps([_INFO, sorted(rows, key=lambda row: row[0])], option=orjson.OPT_SORT_KEYS, default=dict)
    return hashlib.sha256(packed).hexdigest().upper()


def document(group: str, version: str, resources: Iterable[Resource]) -> Document:
    """The document of a group and version."""
    served = list(resources)
    prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
    paths: Document = {}
    for resource in served:
        paths |= _paths(prefix, resource)
    schemas = components([each.schema for each in served if each.structural is None])
    for each in served:
        if each.structural is not None:
            schemas[each.schema] = _custom(each)
            schemas |= components([OBJECT_META])
    return {
        "openapi": "3.0.0",
        "info": {**_INFO, "title": f"Kubernetes {join_api_version(group, version)}"},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def encode(document: Document) -> bytes:
    """The JSON of a document."""
    return orjson.dumps(document)


def components(names: Iterable[str], *, definitions: Definitions | None = None) -> Document:
    """`components.schemas`: these definitions and all they refer to, with descriptions, in OpenAPI 3's form."""
    texts = descriptions()
    known = definitions or builtin()
    closure = known.closure(name for name in names if name in known)
    return {name: _component(raw, texts.get(name, {})) for name, raw in closure.items()}


def _component(raw: Raw, texts: Mapping[str, str]) -> Document:
    result = _schema(raw)
    if text := texts.get(""):
        result["description"] = text
    for name, each in result.get("properties", {}).items():
        if text := texts.get(name):
            each["description"] = text
    return result


def _schema(raw: Raw) -> Document:
    """One schema with references as OpenAPI 3 wants them: alone, or in an allOf beside other words."""
    result: Document = {}
    for key, value in raw.items():
        match key:
            case "$ref":
                reference = {"$ref": f"#/components/schemas/{value}"}
                if len(raw) == 1:
                    return reference
                result["allOf"] = [reference]
            case "type" if value in _ANY_TYPES:
                result |= _ANY_TYPES[value]
            case "properties":
                result["properties"] = {name: _property(each) for name, each in value.items()}
            case "items" | "additionalProperties" if isinstance(value, Mapping):
                result[key] = _schema(value)
            case _:
                result[key] = value
    return result


def _property(raw: Raw) -> Document:
    """As `_schema`, but a bare reference goes into an allOf too: a description will stand beside it."""
    if raw.keys() == {"$ref"}:
        return {"allOf": [_schema(raw)]}
    return _schema(raw)


def _custom(resource: Resource) -> Document:
    schema: Document = dict(resource.structural or {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    texts = descriptions()[OBJECT_META]
    schema["properties"] = {
        **schema.get("properties", {}),
        "apiVersion": {"type": "string", "description": _API_VERSION_TEXT},
        "kind": {"type": "string", "description": _KIND_TEXT},
        "metadata": {"allOf": [{"$ref": f"#/components/schemas/{OBJECT_META}"}], "description": texts.get("", "")},
    }
    schema["x-kubernetes-group-version-kind"] = [_kind(resource.kind)]
    return schema


_API_VERSION_TEXT = "APIVersion names the group and version that the object is written in."
_KIND_TEXT = "Kind names what the object is."


def _paths(prefix: str, resource: Resource) -> Document:
    scope = f"{prefix}/namespaces/{{namespace}}" if resource.namespaced else prefix
    parameters = [_parameter("namespace", "path")] if resource.namespaced else []
    collection: Document = {"parameters": parameters}
    if "list" in resource.verbs:
        collection["get"] = _operation(resource, "list")
    if "create" in resource.verbs:
        collection["post"] = _operation(resource, "post")
    if "deletecollection" in resource.verbs:
        collection["delete"] = _operation(resource, "deletecollection")
    item: Document = {"parameters": [*parameters, _parameter("name", "path")]}
    for verb, method in (("get", "get"), ("update", "put"), ("patch", "patch"), ("delete", "delete")):
        if verb in resource.verbs:
            item[method] = _operation(resource, _ACTIONS[method])
    paths: Document = {f"{scope}/{resource.plural}": collection}
    if resource.namespaced and "list" in resource.verbs:
        paths[f"{prefix}/{resource.plural}"] = {"get": _operation(resource, "list")}
    if len(item) > 1:
        paths[f"{scope}/{resource.plural}/{{name}}"] = item
    for name, verbs in resource.subresources.items():
        methods = {"update": "put", "create": "post"}
        paths[f"{scope}/{resource.plural}/{{name}}/{name}"] = {
            "parameters": item["parameters"],
            **{methods.get(verb, verb): _operation(resource, methods.get(verb, verb)) for verb in verbs},
        }
    return paths


def _operation(resource: Resource, action: str) -> Document:
    reference = {"schema": {"$ref": f"#/components/schemas/{resource.schema}"}}
    operation: Document = {
        "responses": {"200": {"description": "OK", "content": {"application/json": reference}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _kind(resource.kind),
    }
    if action in ("post", "put", "patch"):
        names = ["dryRun", "fieldManager", "fieldValidation", *(["force"] if action == "patch" else [])]
        operation["parameters"] = [_parameter(name, "query") for name in names]
        operation["requestBody"] = {"required": True, "content": {"*/*": reference}}
    elif action in ("delete", "deletecollection"):
        names = ["dryRun", "gracePeriodSeconds", "propagationPolicy"]
        operation["parameters"] = [_parameter(name, "query") for name in names]
    return operation


def _parameter(name: str, where: str) -> Document:
    kind = {"force": "boolean", "gracePeriodSeconds": "integer"}.get(name, "string")
    parameter: Document = {"name": name, "in": where, "schema": {"type": kind, "uniqueItems": True}}
    if where == "path":
        parameter["required"] = True
    return parameter


def _kind(kind: GVK) -> Document:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
