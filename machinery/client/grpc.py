"""`ApiClient`: the API over our gRPC service `pilot.v1.API`, by socket or in process.

An answer other than success carries the Kubernetes Status in the trailer `kubernetes-status-bin` and is raised as the
`ApiError` it says. What the transport itself reports (nobody listens, a deadline, a closed channel) becomes the error
of that meaning: a caller handles one family of exceptions, whatever carries the call.
"""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import orjson

from machinery import errors
from machinery.client.api import DeleteOptions, Object, Page, PatchType, Representation, WatchEvent
from machinery.objects.gvk import GVR
from machinery.rpc import Channel, Code, RpcError, Stub
from protos.pool import messages

STATUS_TRAILER = "kubernetes-status-bin"

_DEFAULTS = DeleteOptions()

_BY_CODE: Mapping[Code, type[errors.ApiError]] = {
    Code.INVALID_ARGUMENT: errors.BadRequest,
    Code.UNAUTHENTICATED: errors.Unauthorized,
    Code.PERMISSION_DENIED: errors.Forbidden,
    Code.NOT_FOUND: errors.NotFound,
    Code.ALREADY_EXISTS: errors.AlreadyExists,
    Code.ABORTED: errors.Conflict,
    Code.OUT_OF_RANGE: errors.Gone,
    Code.RESOURCE_EXHAUSTED: errors.TooManyRequests,
    Code.UNIMPLEMENTED: errors.NotImplementedByServer,
    Code.UNAVAILABLE: errors.ServiceUnavailable,
    Code.CANCELLED: errors.ServiceUnavailable,
    Code.DEADLINE_EXCEEDED: errors.Timeout,
}


def api_error(error: RpcError) -> errors.ApiError:
    """The API's exception for a failed call: its Status where the server sent one, else by the gRPC code."""
    status = error.trailers.get(STATUS_TRAILER)
    if status:
        return errors.from_status(orjson.loads(status))
    return _BY_CODE.get(error.code, errors.InternalError)(error.message)


class ApiClient:
    """`machinery.client.api.Client` over a channel.

    user_agent: sent with every call; the default field manager is its first word up to "/", as in REST.
    token: a bearer token; None where the transport itself proves who asks.
    timeout: seconds for each unary call; None waits as long as the server does.
    warned: is told each warning of the server as it comes; without it they are kept for `take_warnings`.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        user_agent: str = "pilot",
        token: str | None = None,
        timeout: float | None = None,
        warned: Callable[[str], None] | None = None,
    ) -> None:
        self._channel = channel
        self._stub = Stub(channel, "pilot.v1.API")
        self._pb = messages("pilot.v1")
        self._timeout = timeout
        self._warnings: list[str] = []
        self._warned = warned or self._keep
        # gRPC owns the key `user-agent` on a socket, so ours has a name of its own.
        self._metadata: dict[str, str | bytes] = {"x-user-agent": user_agent}
        if token is not None:
            self._metadata["authorization"] = f"Bearer {token}"

    async def get(
        self,
        resource: GVR,
        name: str,
        *,
        namespace: str = "",
        subresource: str = "",
        representation: Representation = Representation.OBJECT,
    ) -> Object:
        request = self._pb.GetRequest(
            resource=self._resource(resource),
            namespace=namespace,
            name=name,
            subresource=subresource,
            representation=representation.value,
        )
        return self._object(await self._unary("Get", request))

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
        options = self._options(label_selector, field_selector, resource_version, resource_version_match)
        request = self._list_request(resource, namespace, options, limit, continue_token, Representation.OBJECT)
        document = orjson.loads((await self._unary("List", request)).list)
        metadata = document.get("metadata") or {}
        items = document.get("items") or []
        _stamp_kinds(document, items)
        return Page(
            items=items,
            resource_version=metadata.get("resourceVersion", ""),
            continue_token=metadata.get("continue", ""),
            remaining=metadata.get("remainingItemCount"),
        )

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
        options = self._options(label_selector, field_selector, resource_version, "")
        request = self._list_request(resource, namespace, options, limit, continue_token, representation)
        document: Object = orjson.loads((await self._unary("List", request)).list)
        return document

    async def watch(
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
        match = "NotOlderThan" if send_initial_events else ""
        request = self._pb.WatchRequest(
            resource=self._resource(resource),
            namespace=namespace,
            options=self._options(label_selector, field_selector, resource_version, match),
            allow_bookmarks=allow_bookmarks,
            send_initial_events=send_initial_events,
            timeout_seconds=timeout_seconds,
            representation=representation.value,
        )
        async with contextlib.aclosing(self._stub.Watch(request, metadata=self._metadata)) as replies:
            try:
                async for reply in replies:
                    for event in reply.events:
                        document = orjson.loads(event.object)
                        if event.type == "ERROR":
                            raise errors.from_status(document)
                        yield WatchEvent(event.type, document)
            except RpcError as error:
                raise api_error(error) from error

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
        request = self._pb.CreateRequest(
            resource=self._resource(resource),
            namespace=namespace or _metadata(obj, "namespace"),
            name=name,
            subresource=subresource,
            object=orjson.dumps(obj),
            options=self._write_options(dry_run, field_manager, field_validation),
        )
        return self._object(await self._unary("Create", request))

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
        request = self._pb.UpdateRequest(
            resource=self._resource(resource),
            namespace=namespace or _metadata(obj, "namespace"),
            name=name or _metadata(obj, "name"),
            subresource=subresource,
            object=orjson.dumps(obj),
            options=self._write_options(dry_run, field_manager, field_validation),
        )
        return self._object(await self._unary("Update", request))

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
        request = self._pb.PatchRequest(
            resource=self._resource(resource),
            namespace=namespace,
            name=name,
            subresource=subresource,
            content_type=patch_type.value,
            patch=patch if isinstance(patch, bytes) else orjson.dumps(patch),
            options=self._write_options(dry_run, field_manager, field_validation),
            force=force,
        )
        return self._object(await self._unary("Patch", request))

    async def delete(
        self, resource: GVR, name: str, *, namespace: str = "", options: DeleteOptions = _DEFAULTS
    ) -> Object:
        request = self._pb.DeleteRequest(
            resource=self._resource(resource),
            namespace=namespace,
            name=name,
            options=orjson.dumps(options.document()),
        )
        return self._object(await self._unary("Delete", request))

    async def delete_collection(
        self,
        resource: GVR,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        options: DeleteOptions = _DEFAULTS,
    ) -> Object:
        request = self._pb.DeleteCollectionRequest(
            resource=self._resource(resource),
            namespace=namespace,
            selection=self._options(label_selector, field_selector, "", ""),
            options=orjson.dumps(options.document()),
        )
        return self._object(await self._unary("DeleteCollection", request))

    async def logs(self, namespace: str, name: str, options: Mapping[str, str | int | bool]) -> AsyncIterator[bytes]:
        query = urllib.parse.urlencode(
            {key: str(value).lower() if isinstance(value, bool) else value for key, value in options.items()}
        )
        request = self._pb.LogsRequest(namespace=namespace, name=name, options=query)
        async with contextlib.aclosing(self._stub.Logs(request, metadata=self._metadata)) as replies:
            try:
                async for reply in replies:
                    yield reply.data
            except RpcError as error:
                raise api_error(error) from error

    async def document(self, path: str, *, accept: str = "application/json") -> bytes:
        reply = await self._unary("Document", self._pb.DocumentRequest(path=path, accept=accept))
        return bytes(reply.body)

    def take_warnings(self) -> Sequence[str]:
        taken, self._warnings = self._warnings, []
        return taken

    async def close(self) -> None:
        await self._channel.close()

    async def _unary(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._stub, method)(request, timeout=self._timeout, metadata=self._metadata)
        except RpcError as error:
            raise api_error(error) from error

    def _keep(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)

    def _object(self, reply: Any) -> Object:
        for warning in reply.warnings:
            self._warned(warning)
        answered: Object = orjson.loads(reply.object)
        return answered

    def _resource(self, resource: GVR) -> Any:
        return self._pb.Resource(group=resource.group, version=resource.version, resource=resource.resource)

    def _options(self, labels: str, fields: str, resource_version: str, match: str) -> Any:
        return self._pb.ListOptions(
            label_selector=labels,
            field_selector=fields,
            resource_version=resource_version,
            resource_version_match=match,
        )

    def _list_request(
        self, resource: GVR, namespace: str, options: Any, limit: int, token: str, representation: Representation
    ) -> Any:
        # `continue` is a Python keyword, so the field is passed by name in a mapping.
        return self._pb.ListRequest(
            resource=self._resource(resource),
            namespace=namespace,
            options=options,
            limit=limit,
            representation=representation.value,
            **{"continue": token},
        )

    def _write_options(self, dry_run: bool, field_manager: str, field_validation: str) -> Any:
        return self._pb.WriteOptions(dry_run=dry_run, field_manager=field_manager, field_validation=field_validation)


def _metadata(obj: Object, field: str) -> str:
    return str((obj.get("metadata") or {}).get(field) or "")


def _stamp_kinds(document: Object, items: Sequence[Object]) -> None:
    """Items of a typed list may leave their apiVersion and kind to the list; give them back."""
    kind = str(document.get("kind") or "").removesuffix("List")
    for item in items:
        if "kind" not in item and kind:
            item["kind"] = kind
            item["apiVersion"] = document.get("apiVersion", "")
