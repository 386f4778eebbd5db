"""Rows of custom resources, one per served version, made of a CustomResourceDefinition.

Objects are stored in the storage version; the conversion between versions changes nothing but `apiVersion` (strategy
None). Defaults of a version's schema are filled in when an object is written and, for objects that are older than the
default, when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from apiserver.crds.jsonpath import JsonPathError, compile_path
from apiserver.crds.strategy import CustomStrategy
from apiserver.resources.spec import Column, ResourceSpec, SubresourceSpec
from machinery.objects.gvk import GVK, GVR
from machinery.objects.meta import deep_copy
from machinery.schema.model import Schema
from machinery.schema.structural import compile as compile_schema
from machinery.schema.structural import set_defaults

Object = dict[str, Any]

SCALE = GVK("autoscaling", "v1", "Scale")
_NAME = Column(
    "Name",
    "string",
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically.",
    lambda obj: obj["metadata"].get("name", ""),
    format="name",
)
_AGE: Object = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
    "description": _NAME.description,
}


def rows(definition: Object) -> tuple[ResourceSpec, ...]:
    """The rows of the versions that a definition serves, the newest first (GA before beta before alpha)."""
    spec = definition["spec"]
    stored = next((each["name"] for each in spec["versions"] if each.get("storage")), "")
    served = [each for each in spec["versions"] if each.get("served")]
    served.sort(key=lambda each: version_rank(each["name"]))
    return tuple(_row(definition, version, stored) for version in served)


def storage_of(definition: Object) -> str:
    """The part of the etcd key that the objects lie under."""
    spec = definition["spec"]
    return f"{spec['group']}/{spec['names']['plural']}"


def version_rank(version: str) -> tuple[int, int, int, str]:
    """The order of API versions: v2, v1, v2beta1, v1beta2, v1alpha1, then others by name."""
    head, kind, minor = version[1:], 0, 0
    for rank, word in ((1, "beta"), (2, "alpha")):
        if word in head:
            head, _, tail = head.partition(word)
            if not tail.isdigit():
                return (3, 0, 0, version)
            kind, minor = rank, int(tail)
    if not version.startswith("v") or not head.isdigit():
        return (3, 0, 0, version)
    return (kind, -int(head), -minor, "")


def _row(definition: Object, version: Mapping[str, Any], stored: str) -> ResourceSpec:
    spec, names = definition["spec"], definition["spec"]["names"]
    openapi = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    if spec.get("preserveUnknownFields"):
        openapi = {**openapi, "x-kubernetes-preserve-unknown-fields": True}
    schema = compile_schema(openapi)
    group, kind = spec["group"], names["kind"]
    served, kept = GVK(group, version["name"], kind), GVK(group, stored, kind)
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    paths = None
    if scale is not None:
        steps = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
        wanted, actual, selector = (str(scale.get(step) or "").removeprefix(".") for step in steps)
        paths = (wanted, actual, selector)
    foreign = served != kept
    return ResourceSpec(
        gvr=GVR(group, version["name"], names["plural"]),
        kind=kind,
        singular=names.get("singular") or kind.lower(),
        namespaced=spec["scope"] == "Namespaced",
        strategy=CustomStrategy(schema, status="status" in subresources, scale=paths),
        structural=openapi,
        storage=storage_of(definition),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources={each.name: each for each in _subresources(subresources)},
        columns=tuple(_columns(version.get("additionalPrinterColumns"))),
        selectable=_selectable(version.get("selectableFields") or ()),
        list_kind=names.get("listKind") or f"{kind}List",
        stored_as=kept,
        to_storage=_renamed(kept) if foreign else None,
        from_storage=_reader(schema, served, foreign=foreign),
    )


def _subresources(declared: Mapping[str, Any]) -> Iterator[SubresourceSpec]:
    if "status" in declared:
        yield SubresourceSpec("status")
    if declared.get("scale") is not None:
        yield SubresourceSpec("scale", kind=SCALE)


def _columns(declared: Any) -> Iterator[Column]:
    yield _NAME
    for column in declared or (_AGE,):
        yield Column(
            column["name"],
            column["type"],
            column.get("description") or "",
            _cell(column),
            format=column.get("format") or "",
            priority=int(column.get("priority") or 0),
            age=column["type"] == "date",
        )


def _cell(column: Mapping[str, Any]) -> Callable[[Object], Any]:
    try:
        find = compile_path(column["jsonPath"])
    except JsonPathError:
        return lambda obj: None
    kind = column["type"]

    def cell(obj: Object) -> Any:
        values = find(obj)
        if not values:
            return None
        value = values[0] if len(values) == 1 else ",".join(str(each) for each in values)
        if kind in ("integer", "number", "boolean") or value is None:
            return value
        return value if isinstance(value, str) else _text(value)

    return cell


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _selectable(declared: Any) -> dict[str, Callable[[Object], str]]:
    found: dict[str, Callable[[Object], str]] = {}
    for field in declared:
        try:
            find = compile_path(field["jsonPath"])
        except JsonPathError:
            continue
        found[field["jsonPath"].removeprefix(".")] = _value(find)
    return found


def _value(find: Callable[[Any], list[Any]]) -> Callable[[Object], str]:
    def value(obj: Object) -> str:
        found = find(obj)
        return _text(found[0]) if found else ""

    return value


def _renamed(kind: GVK) -> Callable[[Object], Object]:
    return lambda obj: {**obj, "apiVersion": kind.api_version, "kind": kind.kind}


def _reader(schema: Schema, served: GVK, *, foreign: bool) -> Callable[[Object], Object] | None:
    """From the stored form to what the version serves; None when that is the same."""
    if not _has_defaults(schema.raw):
        return _renamed(served) if foreign else None

    def read(obj: Object) -> Object:
        new = deep_copy(obj)
        new["apiVersion"], new["kind"] = served.api_version, served.kind
        set_defaults(schema, new)
        return new

    return read


def _has_defaults(raw: Any) -> bool:
    if isinstance(raw, Mapping):
        return "default" in raw or any(_has_defaults(value) for key, value in raw.items() if key != "enum")
    return isinstance(raw, list) and any(_has_defaults(each) for each in raw)
