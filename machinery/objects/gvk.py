"""Names of kinds and resources: group/version/kind and group/version/resource."""

from __future__ import annotations

from typing import Any, NamedTuple


class GVK(NamedTuple):
    """What a manifest says: `apiVersion` (group and version) and `kind`."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """`apps/v1`; the core group's is just `v1`."""
        return join_api_version(self.group, self.version)

    def __str__(self) -> str:
        return f"{self.api_version}, Kind={self.kind}"


class GVR(NamedTuple):
    """What a URL says: the plural, lower-case resource."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        return join_api_version(self.group, self.version)

    @property
    def group_resource(self) -> str:
        """`deployments.apps`; for the core group just `pods`. What error messages and RBAC speak of."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def __str__(self) -> str:
        return f"{self.api_version}/{self.resource}"


def join_api_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def split_api_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` -> ("apps", "v1"); `v1` -> ("", "v1"). Raises ValueError for more than one slash."""
    group, slash, version = api_version.rpartition("/")
    if "/" in group or (slash and not group):
        raise ValueError(f"unexpected GroupVersion string: {api_version}")
    return group, version


def gvk_of(obj: dict[str, Any]) -> GVK:
    """The kind an object says it is; empty strings for what it does not say."""
    group, version = split_api_version(str(obj.get("apiVersion") or ""))
    return GVK(group, version, str(obj.get("kind") or ""))
