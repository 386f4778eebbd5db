"""Names of resources as users type them -> what the server calls them.

`po`, `pod`, `pods`, `Pod`, `deployments.apps`, `deployments.v1.apps`: resolved against the server's own discovery, in
its order of preference, by the rules of kubectl's RESTMapper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.errors import CliError
from machinery.objects.gvk import GVK, GVR

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the server's discovery."""

    gvr: GVR
    kind: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    subresources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def gvk(self) -> GVK:
        return GVK(self.gvr.group, self.gvr.version, self.kind)

    @property
    def full_name(self) -> str:
        """`deployment.apps`, as kubectl prefixes names in its output."""
        return f"{self.singular}.{self.gvr.group}" if self.gvr.group else self.singular


class Mapper:
    """The served resources, preferred versions first."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources: Sequence[Resource] = tuple(resources)

    def find(self, text: str) -> Resource:
        """The resource that `text` names. Raises CliError in kubectl's words when there is none."""
        found = self._lookup(text)
        if found is None:
            raise CliError(f'the server doesn\'t have a resource type "{text}"')
        return found

    def find_or_none(self, text: str) -> Resource | None:
        return self._lookup(text)

    def category(self, name: str) -> list[Resource]:
        """Every resource of a category, `all` say; each group/resource once."""
        seen: dict[tuple[str, str], Resource] = {}
        for resource in self.resources:
            if name in resource.categories:
                seen.setdefault((resource.gvr.group, resource.gvr.resource), resource)
        return list(seen.values())

    def for_kind(self, gvk: GVK) -> Resource:
        """The resource whose objects say this apiVersion and kind. Raises CliError when it is not served."""
        for resource in self.resources:
            if resource.gvk == gvk:
                return resource
        raise CliError(
            f'no matches for kind "{gvk.kind}" in version "{gvk.api_version}"',
            hint="ensure CRDs are installed first",
        )

    def for_kind_name(self, kind: str, group: str | None = None) -> Resource | None:
        """The preferred resource of a kind, whatever its version."""
        for resource in self.resources:
            if resource.kind == kind and (group is None or resource.gvr.group == group):
                return resource
        return None

    def _lookup(self, text: str) -> Resource | None:
        lowered = text.lower()
        parts = lowered.split(".")
        # resource.version.group before resource.group, because a group has dots of its own
        if len(parts) > 2:
            found = self._match(parts[0], version=parts[1], group=".".join(parts[2:]))
            if found is not None:
                return found
        if len(parts) > 1:
            rest = ".".join(parts[1:])
            return self._match(parts[0], group=rest) or self._match(parts[0], version=rest, group="")
        return self._match(lowered)

    def _match(self, name: str, *, version: str | None = None, group: str | None = None) -> Resource | None:
        def fits(resource: Resource) -> bool:
            return (version is None or resource.gvr.version == version) and (
                # kubectl takes a prefix of a group: `ingresses.networking`
                group is None or resource.gvr.group == group or (bool(group) and resource.gvr.group.startswith(group))
            )

        candidates = [resource for resource in self.resources if fits(resource)]
        for named in (
            lambda resource: resource.gvr.resource == name,
            lambda resource: resource.singular == name,
            lambda resource: resource.kind.lower() == name,
            lambda resource: name in resource.short_names,
        ):
            for resource in candidates:
                if named(resource):
                    return resource
        return None


def from_discovery(documents: Iterable[Mapping[str, Any]]) -> Mapper:
    """A mapper of aggregated discovery documents (`APIGroupDiscoveryList`), in their order."""
    resources = []
    for document in documents:
        for group in document.get("items", ()):
            name = group.get("metadata", {}).get("name", "")
            for version in group.get("versions", ()):
                resources += [
                    _resource(name, version["version"], entry)
                    for entry in version.get("resources", ())
                    if entry.get("responseKind")
                ]
    return Mapper(resources)


def _resource(group: str, version: str, entry: Mapping[str, Any]) -> Resource:
    kind = entry["responseKind"]["kind"]
    return Resource(
        gvr=GVR(group, version, entry["resource"]),
        kind=kind,
        singular=entry.get("singularResource") or kind.lower(),
        namespaced=entry.get("scope") == "Namespaced",
        short_names=tuple(entry.get("shortNames", ())),
        categories=tuple(entry.get("categories", ())),
        verbs=tuple(entry.get("verbs", ())),
        subresources={sub["subresource"]: sub for sub in entry.get("subresources", ())},
    )
