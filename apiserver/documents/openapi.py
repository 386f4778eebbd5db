"""OpenAPI documents: version 3, one per group and version with an index; version 2, all in one.

A document is made when it is first asked for and kept until the rows change. The index must name a hash of every
document without making them, so the hash is taken of what a document is made from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from apiserver.documents.api import Document
from apiserver.documents.openapi_paths import PATCH, STATUS, WATCH_EVENT, paths
from apiserver.documents.openapi_schema import V2, V3, Dialect, custom_definition, custom_list, custom_name, definition
from apiserver.documents.version import GIT_VERSION, KUBERNETES
from apiserver.resources.lookup import Resources
from apiserver.resources.spec import ResourceSpec
from machinery.errors import NotFound
from machinery.schema.definitions import DELETE_OPTIONS, LIST_META, OBJECT_META, Definitions, builtin

Object = dict[str, Any]

JSON = "application/json"
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_ASKED = (V2_PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
"""kubectl asks with an `@`, which is no valid media type, so the answer has a dot, as kube-apiserver's."""
_ALWAYS = (STATUS, PATCH, WATCH_EVENT, DELETE_OPTIONS, OBJECT_META, LIST_META)
_INFO = {"title": "Kubernetes", "version": KUBERNETES}


class OpenApi:
    """The OpenAPI documents of one server."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._made: dict[str, Document] = {}
        self._made_at = -1

    def index(self) -> Document:
        """/openapi/v3: every group and version, and where its document is."""
        listed = {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(rows)}"}
            for path, rows in self._by_path().items()
        }
        body = orjson.dumps({"paths": listed})
        return Document(body, JSON, etag=hashlib.sha256(body).hexdigest().upper())

    def v3(self, path: str) -> Document:
        """The document of `api/v1` or `apis/GROUP/VERSION`. Raises NotFound."""
        rows = self._by_path().get(path)
        if rows is None:
            raise NotFound(f"there is no OpenAPI document of {path}")
        return self._cached(path, lambda: _document(_v3(rows), JSON, etag=_hash(rows)))

    def v2(self) -> Document:
        """/openapi/v2 as JSON."""
        rows = list(self._resources.all().values())
        return self._cached("v2", lambda: _document(v2_document(rows), JSON, etag=_hash(rows)))

    def v2_protobuf(self) -> Document:
        """/openapi/v2 as the protobuf that kubectl reads."""
        from apiserver.documents.gnostic import encode

        rows = list(self._resources.all().values())
        return self._cached(
            "v2+protobuf", lambda: Document(encode(v2_document(rows)), V2_PROTOBUF, etag=f"P{_hash(rows)}", vary=True)
        )

    def _by_path(self) -> dict[str, list[ResourceSpec]]:
        found: dict[str, list[ResourceSpec]] = {}
        for gvr, spec in self._resources.all().items():
            path = f"apis/{gvr.group}/{gvr.version}" if gvr.group else f"api/{gvr.version}"
            found.setdefault(path, []).append(spec)
        return found

    def _cached(self, key: str, make: Any) -> Document:
        if self._made_at != self._resources.version:
            self._made.clear()
            self._made_at = self._resources.version
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = make()
        return found


def _v3(rows: Sequence[ResourceSpec]) -> Object:
    definitions = builtin()
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths(rows, definitions, V3),
        "components": {"schemas": _schemas(rows, definitions, V3)},
    }


def v2_document(rows: Sequence[ResourceSpec]) -> Object:
    """The OpenAPI 2 document of these rows."""
    definitions = builtin()
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": paths(rows, definitions, V2),
        "definitions": _schemas(rows, definitions, V2),
    }


def _schemas(rows: Iterable[ResourceSpec], definitions: Definitions, dialect: Dialect) -> Object:
    """The definitions that these rows need, sorted by name."""
    roots = set(_ALWAYS)
    found: Object = {}
    for spec in rows:
        if spec.structural is not None:
            found[custom_name(spec)] = custom_definition(spec, dialect)
            found[f"{custom_name(spec)}List"] = custom_list(spec, dialect)
        kinds = (spec.gvk, spec.list_gvk, *(each.kind for each in spec.subresources.values() if each.kind))
        roots.update(filter(None, (spec.schema, *(definitions.name_of(kind) for kind in kinds))))
    for name in definitions.closure(root for root in roots if root in definitions):
        found.setdefault(name, definition(definitions, name, dialect))
    return dict(sorted(found.items()))


def _hash(rows: Iterable[ResourceSpec]) -> str:
    """Of what a document of these rows is made from."""
    digest = hashlib.sha256(GIT_VERSION.encode())
    for spec in rows:
        digest.update(repr((spec.gvr, spec.kind, spec.verbs, sorted(spec.subresources), spec.schema)).encode())
        if spec.structural is not None:
            digest.update(orjson.dumps(spec.structural, option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest().upper()


def _document(content: Object, content_type: str, *, etag: str) -> Document:
    return Document(orjson.dumps(content), content_type, etag=etag)
