"""The client's side of the Kubernetes API: five verbs to read and write, two to remove, one to follow.

`grpc.ApiClient` speaks our gRPC API (over a socket or in process), `rest.RestClient` the REST API. Objects are plain
dicts. Everything raises `machinery.errors.ApiError` with what the server answered; a server out of reach is
`ServiceUnavailable`.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from machinery.objects.gvk import GVR

Object = dict[str, Any]


class PatchType(enum.Enum):
    """The four ways to say a change, by content type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class Representation(enum.Enum):
    """What a read answers: the objects, a meta.k8s.io/v1 Table, or metadata alone."""

    OBJECT = 0
    TABLE = 1
    METADATA = 2


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `continue_token` is "" on the last page; `remaining` is None when it was not counted."""

    items: Sequence[Object]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """type: ADDED, MODIFIED, DELETED or BOOKMARK (an ERROR event is raised as the ApiError it carries)."""

    type: str
    object: Object


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """meta/v1 DeleteOptions. None leaves the server's default; `grace_period_seconds=0` deletes at once."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if self.grace_period_seconds is not None:
            document["gracePeriodSeconds"] = self.grace_period_seconds
        if self.propagation_policy is not None:
            document["propagationPolicy"] = self.propagation_policy
        preconditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        if any(preconditions.values()):
            document["preconditions"] = {key: value for key, value in preconditions.items() if value}
        if self.dry_run:
            document["dryRun"] = ["All"]
        return document


class Client(Protocol):
    """The API as a component or a command uses it. `namespace` "" is a cluster-scoped object, or all namespaces."""

    async def get(
        self,
        resource: GVR,
        name: str,
        *,
        namespace: str = "",
        subresource: str = "",
        representation: Representation = Representation.OBJECT,
    ) -> Object:
        """One object. Raises NotFound."""

    async def list(
        self,
        resource: GVR,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        resource_version_match: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> Page:
        """One page of objects; all of them with `limit` 0. Raises Gone for a continue token that is too old."""

    async def list_document(
        self,
        resource: GVR,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        limit: int = 0,
        continue_token: str = "",
        representation: Representation = Representation.OBJECT,
    ) -> Object:
        """The whole list as the server answered it: a `PodList`, a `Table`."""

    def watch(
        self,
        resource: GVR,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        allow_bookmarks: bool = False,
        send_initial_events: bool | None = None,
        timeout_seconds: int = 0,
        representation: Representation = Representation.OBJECT,
    ) -> AsyncIterator[WatchEvent]:
        """Events after `resource_version`, in order, until the server ends it. Raises Gone when it is too old."""

    async def create(
        self,
        resource: GVR,
        obj: Object,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Object:
        """Create an object, or post to a subresource (`binding`, `eviction`, `token`) of `name`."""

    async def update(
        self,
        resource: GVR,
        obj: Object,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Object:
        """Replace an object; with a resourceVersion in it, only that version (Conflict otherwise).

        namespace and name default to the object's own."""

    async def patch(
        self,
        resource: GVR,
        name: str,
        patch: Object | Sequence[Object] | bytes,
        patch_type: PatchType,
        *,
        namespace: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
        force: bool = False,
    ) -> Object:
        """Change an object in place."""

    async def delete(
        self, resource: GVR, name: str, *, namespace: str = "", options: DeleteOptions = DeleteOptions()
    ) -> Object:
        """Ask for an object's deletion. Answers the object while finalizers or grace hold it, else a Status."""

    async def delete_collection(
        self,
        resource: GVR,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        options: DeleteOptions = DeleteOptions(),
    ) -> Object:
        """Delete every object that the selectors match."""

    def logs(self, namespace: str, name: str, options: Mapping[str, str | int | bool]) -> AsyncIterator[bytes]:
        """A container's log as it comes; `options` as PodLogOptions (container, follow, tailLines, previous, …)."""

    async def document(self, path: str, *, accept: str = "application/json") -> bytes:
        """A document that is not an object: `/version`, `/apis`, `/openapi/v3/apis/apps/v1`, `/readyz?verbose`."""

    def take_warnings(self) -> Sequence[str]:
        """Warnings the server sent since this was last asked (RFC 7234 warning 299 in REST)."""

    async def close(self) -> None:
        """End the connection and every watch on it."""
