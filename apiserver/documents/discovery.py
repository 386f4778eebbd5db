"""Which resources there are: plain discovery, one document per group and version, and aggregated, all in one.

Made from the rows when they are asked for, and kept until the rows change.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from apiserver.documents.api import Document
from apiserver.resources.lookup import Resources
from apiserver.resources.spec import ResourceSpec, SubresourceSpec
from machinery.errors import NotFound
from machinery.objects.gvk import join_api_version

Object = dict[str, Any]

JSON = "application/json"
AGGREGATED_VERSIONS = ("v2", "v2beta1")


class Discovery:
    """The discovery documents of one server. address: the `host:port` that clients are told, "" when there is none."""

    def __init__(self, resources: Resources, *, address: Callable[[], str]) -> None:
        self._resources = resources
        self._address = address
        self._made: dict[tuple[str, ...], Document] = {}
        self._made_at = -1

    def versions(self) -> Document:
        """/api: the versions of the core group."""
        return self._cached(("api",), lambda: _plain(self._api_versions()))

    def groups(self) -> Document:
        """/apis: every named group."""
        return self._cached(("apis",), lambda: _plain(self._group_list()))

    def group(self, name: str) -> Document:
        """/apis/GROUP. Raises NotFound."""
        return self._cached(("apis", name), lambda: _plain({**self._group(name), **_type("APIGroup")}))

    def resources(self, group: str, version: str) -> Document:
        """/api/v1 and /apis/GROUP/VERSION. Raises NotFound."""
        return self._cached(("resources", group, version), lambda: _plain(self._resource_list(group, version)))

    def aggregated(self, *, core: bool, version: str) -> Document:
        """/api or /apis with all that is below it, as apidiscovery.k8s.io of a version."""
        return self._cached(("aggregated", str(core), version), lambda: self._aggregated(core, version))

    def group_versions(self) -> dict[str, list[str]]:
        """Every group with its versions, the preferred one first, groups in their order."""
        found: dict[str, list[str]] = {}
        for gvr in self._resources.all():
            versions = found.setdefault(gvr.group, [])
            if gvr.version not in versions:
                versions.append(gvr.version)
        return found

    def _cached(self, key: tuple[str, ...], make: Callable[[], Document]) -> Document:
        if self._made_at != self._resources.version:
            self._made.clear()
            self._made_at = self._resources.version
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = make()
        return found

    def _of(self, group: str, version: str) -> list[ResourceSpec]:
        rows = self._resources.all().values()
        return [spec for spec in rows if spec.gvr.group == group and spec.gvr.version == version]

    def _api_versions(self) -> Object:
        by_client = [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address()}]
        return {"kind": "APIVersions", "versions": self.group_versions()[""], "serverAddressByClientCIDRs": by_client}

    def _group_list(self) -> Object:
        names = [name for name in self.group_versions() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(name) for name in names]}

    def _group(self, name: str) -> Object:
        versions = self.group_versions().get(name)
        if not versions or not name:
            raise NotFound(f"there is no group {name}")
        listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
        return {"name": name, "versions": listed, "preferredVersion": listed[0]}

    def _resource_list(self, group: str, version: str) -> Object:
        rows = self._of(group, version)
        if not rows:
            raise NotFound(f"there is no {join_api_version(group, version)}")
        resources = [entry for spec in rows for entry in _entries(spec)]
        return {
            **_type("APIResourceList"),
            "groupVersion": join_api_version(group, version),
            "resources": sorted(resources, key=lambda entry: str(entry["name"])),
        }

    def _aggregated(self, core: bool, version: str) -> Document:
        items = []
        for group, versions in self.group_versions().items():
            if core == (group == ""):
                listed = [_version(each, self._of(group, each)) for each in versions]
                items.append({"metadata": {"name": group} if group else {}, "versions": listed})
        kind = "APIGroupDiscoveryList"
        body = orjson.dumps(
            {"kind": kind, "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}, "items": items}
        )
        etag = hashlib.sha256(body).hexdigest().upper()
        return Document(body, f"{JSON};g=apidiscovery.k8s.io;v={version};as={kind}", etag=etag, vary=True)


def wants_aggregated(accept: str) -> str:
    """The apidiscovery version that a client prefers to the plain documents; "" when it takes those first."""
    for clause in accept.split(","):
        media_type, *raw = (part.strip() for part in clause.split(";"))
        parameters = dict(part.partition("=")[::2] for part in raw)
        if media_type in (JSON, "*/*"):
            version = parameters.get("v", "")
            if parameters.get("as") == "APIGroupDiscoveryList" and version in AGGREGATED_VERSIONS:
                return version
            if "as" not in parameters:
                return ""
    return ""


def _entries(spec: ResourceSpec) -> Iterable[Object]:
    """The APIResources of a row: itself, then its subresources."""
    if spec.verbs:
        entry: Object = {
            "name": spec.gvr.resource,
            "singularName": spec.singular,
            "namespaced": spec.namespaced,
            "kind": spec.kind,
            "verbs": sorted(spec.verbs),
        }
        if spec.short_names:
            entry["shortNames"] = list(spec.short_names)
        if spec.categories:
            entry["categories"] = list(spec.categories)
        if spec.storage:
            entry["storageVersionHash"] = _storage_hash(spec)
        yield entry
    for each in spec.subresources.values():
        yield _subentry(spec, each)


def _subentry(spec: ResourceSpec, each: SubresourceSpec) -> Object:
    entry: Object = {
        "name": f"{spec.gvr.resource}/{each.name}",
        "singularName": "",
        "namespaced": spec.namespaced,
        "kind": each.kind.kind if each.kind else spec.kind,
        "verbs": sorted(each.verbs),
    }
    if each.kind and (each.kind.group, each.kind.version) != (spec.gvr.group, spec.gvr.version):
        entry["group"], entry["version"] = each.kind.group, each.kind.version
    return entry


def _version(version: str, rows: Sequence[ResourceSpec]) -> Object:
    resources = []
    for spec in sorted(rows, key=lambda row: row.gvr.resource):
        entry: Object = {
            "resource": spec.gvr.resource,
            "responseKind": spec.gvk._asdict(),
            "scope": "Namespaced" if spec.namespaced else "Cluster",
            "singularResource": spec.singular,
            "verbs": sorted(spec.verbs),
        }
        if spec.short_names:
            entry["shortNames"] = list(spec.short_names)
        if spec.categories:
            entry["categories"] = list(spec.categories)
        if spec.subresources:
            entry["subresources"] = [
                {
                    "subresource": each.name,
                    "responseKind": (each.kind or spec.gvk)._asdict(),
                    "verbs": sorted(each.verbs),
                }
                for each in sorted(spec.subresources.values(), key=lambda sub: sub.name)
            ]
        resources.append(entry)
    return {"version": version, "resources": resources, "freshness": "Current"}


def _storage_hash(spec: ResourceSpec) -> str:
    """Changes when objects would be stored as another version: the hash of `group/version/kind`, as upstream."""
    stored = spec.stored_as or spec.gvk
    digest = hashlib.sha256(f"{stored.group}/{stored.version}/{stored.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _type(kind: str) -> Object:
    return {"kind": kind, "apiVersion": "v1"}


def _plain(document: Object) -> Document:
    return Document(orjson.dumps(document), JSON, vary=True)
