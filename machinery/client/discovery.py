"""What a server serves: every resource of every group, from aggregated discovery, or plain where that is absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from machinery.client.api import Client
from machinery.errors import ApiError, NotAcceptable, NotFound
from machinery.objects.gvk import GVR, split_api_version

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@dataclass(frozen=True, slots=True)
class ServedResource:
    """One resource in one version. preferred: whether this version is the server's first choice for the group."""

    resource: GVR
    kind: str
    namespaced: bool
    verbs: frozenset[str]
    preferred: bool


@dataclass(frozen=True, slots=True)
class Discovered:
    """failed: by group version, why it could not be read; its resources are missing then."""

    resources: Sequence[ServedResource]
    failed: Mapping[str, str]

    def preferred(self) -> Sequence[ServedResource]:
        """Each resource once, in its group's preferred version, or else the first that serves it."""
        chosen: dict[tuple[str, str], ServedResource] = {}
        for each in self.resources:
            name = (each.resource.group, each.resource.resource)
            if name not in chosen or (each.preferred and not chosen[name].preferred):
                chosen[name] = each
        return list(chosen.values())


async def discover(client: Client) -> Discovered:
    """Everything the server serves, without subresources. Raises ApiError when not even the groups can be read."""
    found: list[ServedResource] = []
    failed: dict[str, str] = {}
    for root in ("/api", "/apis"):
        try:
            document = orjson.loads(await client.document(root, accept=AGGREGATED))
        except NotAcceptable:
            document = orjson.loads(await client.document(root))
        if document.get("kind") == "APIGroupDiscoveryList":
            _read_aggregated(document, found, failed)
        else:
            await _read_plain(client, root, document, found, failed)
    return Discovered(found, failed)


def _read_aggregated(document: Mapping[str, Any], found: list[ServedResource], failed: dict[str, str]) -> None:
    for group in document.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for index, version in enumerate(group.get("versions") or ()):
            if version.get("freshness") == "Stale":
                failed[GVR(name, version["version"], "").api_version] = "stale"
            found.extend(
                ServedResource(
                    GVR(name, version["version"], each["resource"]),
                    (each.get("responseKind") or {}).get("kind") or "",
                    each.get("scope") == "Namespaced",
                    frozenset(each.get("verbs") or ()),
                    index == 0,
                )
                for each in version.get("resources") or ()
            )


async def _read_plain(
    client: Client, root: str, document: Mapping[str, Any], found: list[ServedResource], failed: dict[str, str]
) -> None:
    for api_version, preferred in _group_versions(document):
        try:
            listed = orjson.loads(await client.document(f"{root}/{api_version}"))
        except NotFound:
            continue  # gone since the groups were read
        except ApiError as error:
            failed[api_version] = error.message
            continue
        group, version = split_api_version(api_version)
        found.extend(
            ServedResource(
                GVR(each.get("group") or group, each.get("version") or version, each["name"]),
                each.get("kind") or "",
                bool(each.get("namespaced")),
                frozenset(each.get("verbs") or ()),
                preferred,
            )
            for each in listed.get("resources") or ()
            if "/" not in each["name"]
        )


def _group_versions(document: Mapping[str, Any]) -> Iterable[tuple[str, bool]]:
    for index, version in enumerate(document.get("versions") or ()):  # /api answers an APIVersions
        yield version, index == 0
    for group in document.get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("groupVersion")
        for version in group.get("versions") or ():
            yield version["groupVersion"], version["groupVersion"] == preferred
