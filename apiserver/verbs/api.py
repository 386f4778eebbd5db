"""The verbs, free of transport: what `rest/` and `grpc/` translate to. Read this first.

Every call authorizes `context` (user, verb, resource, name, subresource) before anything else and raises ApiError for
every answer but success. `context.warnings` holds what the answer is to warn of, once the call returned. Bodies are
JSON bytes with `metadata.resourceVersion` in them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.options import ListOptions, WatchItem, WatchOptions
from machinery.client.api import PatchType, Representation


class Verbs(Protocol):
    """The eight verbs and the log.

    representation: what a read answers: objects, a Table, or metadata alone.
    include_object: for Tables, what each row carries: "Metadata" (the default), "Object" or "None".
    """

    def enter(self, context: RequestContext) -> None:
        """Raises what the verb would raise before it looks at a body: for an edge that is to read one at some cost."""

    async def get(
        self,
        context: RequestContext,
        *,
        resource_version: str = "",
        representation: Representation = Representation.OBJECT,
        include_object: str = "Metadata",
    ) -> bytes:
        """One object, or one of its subresources (`status`, `scale`). Raises NotFound.

        With resource_version "" it is never older than the newest write that anybody was told of; "0" answers from the
        cache; N waits until the cache has seen N (Timeout when that does not come within three seconds)."""

    async def list(
        self,
        context: RequestContext,
        options: ListOptions,
        *,
        representation: Representation = Representation.OBJECT,
        include_object: str = "Metadata",
    ) -> bytes:
        """A `PodList`, Table or PartialObjectMetadataList. `context.namespace` "" lists all namespaces.

        Raises Gone for a continue token or an exact resourceVersion that is too old, BadRequest for selectors that do
        not parse, Timeout for a resourceVersion that nobody has written yet."""

    async def watch(
        self,
        context: RequestContext,
        options: WatchOptions,
        *,
        representation: Representation = Representation.OBJECT,
        include_object: str = "Metadata",
    ) -> AsyncIterator[Sequence[WatchItem]]:
        """Awaiting it checks the request and raises; iterating what it answers gives events in order, as many at a time
        as are at hand. A resourceVersion that is too old is an ERROR event with a Status of 410, as upstream. Ends when
        the timeout has passed or the server sheds a watcher that does not keep up. Call `aclose()` to end it early."""

    async def create(self, context: RequestContext, body: bytes) -> Written:
        """Create an object, or post to a subresource of `context.name` (binding, eviction, token).

        Raises AlreadyExists, Invalid, Forbidden (admission), BadRequest (malformed, strict validation)."""

    async def update(self, context: RequestContext, body: bytes) -> Written:
        """Replace an object or write its subresource. Raises Conflict for a stale resourceVersion."""

    async def patch(
        self, context: RequestContext, body: bytes, *, patch_type: PatchType, force: bool = False
    ) -> Written:
        """Change an object in place; APPLY (JSON or YAML) creates what is not there. Raises UnsupportedMediaType for a
        patch type that the kind does not take (STRATEGIC for custom resources), Conflict for fields of other appliers
        unless `force`."""

    async def delete(self, context: RequestContext, options: Mapping[str, Any] | None = None) -> Written:
        """options: a decoded DeleteOptions document (its dryRun counts like `context.dry_run`).

        Answers the object while finalizers or a grace period hold it (`obj` set), else a Status of Success."""

    async def deletecollection(
        self, context: RequestContext, options: ListOptions, delete_options: Mapping[str, Any] | None = None
    ) -> Written:
        """Delete all that the selectors match, as `delete` would. Answers the list of what was deleted."""

    async def logs(self, context: RequestContext, options: Mapping[str, str]) -> AsyncIterator[bytes]:
        """`pods/log`: awaiting it finds the pod, its container and its node; iterating gives the log as it comes.

        options: PodLogOptions as query parameters (container, follow, previous, sinceSeconds, sinceTime, timestamps,
        tailLines, limitBytes). Raises NotFound, BadRequest (which container?), ServiceUnavailable (no agent)."""

    def represent(
        self,
        context: RequestContext,
        body: bytes,
        *,
        representation: Representation,
        include_object: str = "Metadata",
    ) -> bytes:
        """Another representation of an object that a write answered."""
