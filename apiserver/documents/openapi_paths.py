"""The operations of resources, as OpenAPI documents list them.

Clients read from them which kind is behind a path (`kubectl explain`), and which query parameters a write takes
(`kubectl apply` looks for `fieldValidation` and `dryRun` on PATCH before it uses them).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.documents.openapi_schema import Dialect, custom_name
from apiserver.resources.spec import ResourceSpec, SubresourceSpec
from machinery.client.api import PatchType
from machinery.objects.gvk import GVK
from machinery.schema.definitions import DELETE_OPTIONS, Definitions

Object = dict[str, Any]

STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
WATCH_EVENT = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"

_LIST = (
    ("labelSelector", "string"),
    ("fieldSelector", "string"),
    ("limit", "integer"),
    ("continue", "string"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
    ("allowWatchBookmarks", "boolean"),
    ("sendInitialEvents", "boolean"),
)
_WRITE = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
_DELETE = (
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
)
_METHODS = {
    "get": ("get", "get", "read", ()),
    "list": ("get", "list", "list", _LIST),
    "create": ("post", "post", "create", _WRITE),
    "update": ("put", "put", "replace", _WRITE),
    "patch": ("patch", "patch", "patch", (*_WRITE, ("force", "boolean"))),
    "delete": ("delete", "delete", "delete", _DELETE),
    "deletecollection": ("delete", "deletecollection", "deleteCollection", (*_LIST[:-3], *_DELETE)),
}
"""verb -> HTTP method, x-kubernetes-action, first word of the operation's id, query parameters."""

_ON_COLLECTION = ("list", "create", "deletecollection")
_ON_OBJECT = ("get", "update", "patch", "delete")


def prefix(spec: ResourceSpec) -> str:
    """`/api/v1` or `/apis/GROUP/VERSION`."""
    return f"/apis/{spec.gvr.group}/{spec.gvr.version}" if spec.gvr.group else f"/api/{spec.gvr.version}"


def paths(rows: Iterable[ResourceSpec], definitions: Definitions, dialect: Dialect) -> Object:
    """Every path of these rows."""
    result: Object = {}
    for spec in rows:
        writer = _Writer(spec, definitions, dialect)
        base = f"{prefix(spec)}/namespaces/{{namespace}}" if spec.namespaced else prefix(spec)
        collection = f"{base}/{spec.gvr.resource}"
        result[collection] = writer.item(_served(spec.verbs, _ON_COLLECTION), spec.gvk)
        if spec.namespaced and "list" in spec.verbs:
            result[f"{prefix(spec)}/{spec.gvr.resource}"] = writer.item(["list"], spec.gvk, everywhere=True)
        on_object = _served(spec.verbs, _ON_OBJECT)
        if on_object:
            result[f"{collection}/{{name}}"] = writer.item(on_object, spec.gvk, named=True)
        for each in spec.subresources.values():
            verbs = _served(each.verbs, (*_ON_OBJECT, "create"))
            if verbs:
                result[f"{collection}/{{name}}/{each.name}"] = writer.item(
                    verbs, each.kind or spec.gvk, named=True, subresource=each
                )
    return {path: item for path, item in result.items() if item}


def _served(verbs: Sequence[str], among: Sequence[str]) -> list[str]:
    return [verb for verb in among if verb in verbs]


class _Writer:
    """The operations of one row."""

    def __init__(self, spec: ResourceSpec, definitions: Definitions, dialect: Dialect) -> None:
        self._spec = spec
        self._definitions = definitions
        self._dialect = dialect

    def item(
        self,
        verbs: Sequence[str],
        kind: GVK,
        *,
        named: bool = False,
        everywhere: bool = False,
        subresource: SubresourceSpec | None = None,
    ) -> Object:
        """A path item. everywhere: the collection across namespaces."""
        if not verbs:
            return {}
        item: Object = {}
        for verb in verbs:
            method, action, word, parameters = _METHODS[verb]
            where = "ForAllNamespaces" if everywhere else ""
            scope = "Namespaced" if self._spec.namespaced and not everywhere else ""
            suffix = "".join(part.capitalize() for part in (subresource.name.split("-") if subresource else ()))
            item[method] = {
                "operationId": f"{word}{self._group_word()}{scope}{self._spec.kind}{suffix}{where}",
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": kind._asdict(),
                **self._input(verb, parameters, kind),
                "responses": {"200": self._response(verb, kind), "401": {"description": "Unauthorized"}},
            }
        item["parameters"] = [self._parameter("pretty", "string")]
        if named:
            item["parameters"].append(self._parameter("name", "string", place="path"))
        if self._spec.namespaced and not everywhere:
            item["parameters"].append(self._parameter("namespace", "string", place="path"))
        return item

    def _group_word(self) -> str:
        group = self._spec.gvr.group.partition(".")[0] or "core"
        return f"{group.capitalize()}{self._spec.gvr.version.capitalize()}"

    def _parameter(self, name: str, kind: str, *, place: str = "query") -> Object:
        described: Object = {"name": name, "in": place}
        if place == "path":
            described["required"] = True
        if self._dialect.wrap:
            return {**described, "schema": {"type": kind, "uniqueItems": True}}
        return {**described, "type": kind, "uniqueItems": True}

    def _input(self, verb: str, parameters: Sequence[tuple[str, str]], kind: GVK) -> Object:
        listed = [self._parameter(*each) for each in parameters]
        if verb in ("create", "update"):
            body, types = self._name(kind), ["application/json", "application/yaml"]
        elif verb == "patch":
            body, types = PATCH, [each.value for each in PatchType if self._takes(each)]
        elif verb in ("delete", "deletecollection"):
            body, types = DELETE_OPTIONS, ["application/json", "application/yaml"]
        else:
            return {"parameters": listed}
        if not body:
            return {"parameters": listed}
        schema = {"$ref": self._dialect.prefix + body}
        if self._dialect.wrap:
            content = {each: {"schema": schema} for each in types}
            return {"parameters": listed, "requestBody": {"content": content}}
        required = verb not in ("delete", "deletecollection")
        listed.append({"name": "body", "in": "body", "required": required, "schema": schema})
        return {"parameters": listed, "consumes": types}

    def _takes(self, patch: PatchType) -> bool:
        return bool(self._spec.schema) or patch is not PatchType.STRATEGIC

    def _response(self, verb: str, kind: GVK) -> Object:
        answered = self._spec.list_gvk if verb == "list" else kind
        body = STATUS if verb in ("delete", "deletecollection") else self._name(answered)
        if not body:
            return {"description": "OK"}
        schema = {"$ref": self._dialect.prefix + body}
        if self._dialect.wrap:
            return {"description": "OK", "content": {"application/json": {"schema": schema}}}
        return {"description": "OK", "schema": schema}

    def _name(self, kind: GVK) -> str:
        """The definition of a kind; "" when there is none."""
        if self._spec.structural is not None and kind == self._spec.gvk:
            return custom_name(self._spec)
        if self._spec.structural is not None and kind == self._spec.list_gvk:
            return f"{custom_name(self._spec)}List"
        return self._definitions.name_of(kind)
