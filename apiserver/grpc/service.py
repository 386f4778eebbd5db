"""pilot.v1.API: the verbs over gRPC, by socket or in process. It translates; `verbs/` decides."""

from __future__ import annotations

import urllib.parse
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from apiserver.documents.api import DocumentSource
from apiserver.grpc.errors import rpc_error
from apiserver.grpc.identity import Identify
from apiserver.resources.lookup import Resources
from apiserver.verbs.api import Verbs
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.options import ListOptions, WatchOptions
from machinery.client.api import PatchType, Representation
from machinery.errors import ApiError, BadRequest, NotFound, UnsupportedMediaType
from machinery.objects.gvk import GVR
from machinery.rpc.api import Call
from protos.pool import messages

_WRITES = ("create", "update", "patch")
_PODS = GVR("", "v1", "pods")
_NO_SUCH_RESOURCE = "the server could not find the requested resource"


class ApiService:
    """See the module."""

    def __init__(self, verbs: Verbs, resources: Resources, documents: DocumentSource, identify: Identify) -> None:
        self._verbs = verbs
        self._resources = resources
        self._documents = documents
        self._identify = identify
        self._pb = messages("pilot.v1")

    async def Get(self, request: Any, call: Call) -> Any:
        try:
            context = await self._context(request, call, "get")
            body = await self._verbs.get(
                context, resource_version=request.resource_version, representation=_representation(request)
            )
        except ApiError as error:
            raise rpc_error(error) from None
        return self._pb.ObjectReply(object=body, warnings=context.warnings)

    async def List(self, request: Any, call: Call) -> Any:
        try:
            context = await self._context(request, call, "list")
            options = _list_options(request.options, request.limit, getattr(request, "continue"))
            body = await self._verbs.list(context, options, representation=_representation(request))
        except ApiError as error:
            raise rpc_error(error) from None
        return self._pb.ListReply(list=body)

    async def Watch(self, request: Any, call: Call) -> AsyncIterator[Any]:
        try:
            context = await self._context(request, call, "watch")
            events = await self._verbs.watch(context, _watch_options(request), representation=_representation(request))
        except ApiError as error:
            raise rpc_error(error) from None
        event = self._pb.WatchEvent
        try:
            async for items in events:
                yield self._pb.WatchReply(events=[event(type=item.type, object=item.object) for item in items])
        finally:
            await events.aclose()  # type: ignore[attr-defined]  # the verbs answer an async generator

    async def Create(self, request: Any, call: Call) -> Any:
        try:
            context = await self._context(request, call, "create")
            return self._reply(context, await self._verbs.create(context, request.object))
        except ApiError as error:
            raise rpc_error(error) from None

    async def Update(self, request: Any, call: Call) -> Any:
        try:
            context = await self._context(request, call, "update")
            return self._reply(context, await self._verbs.update(context, request.object))
        except ApiError as error:
            raise rpc_error(error) from None

    async def Patch(self, request: Any, call: Call) -> Any:
        try:
            context = await self._context(request, call, "patch")
            try:
                patch_type = PatchType(request.content_type)
            except ValueError:
                raise UnsupportedMediaType(f"no patch is of type {request.content_type!r}") from None
            written = await self._verbs.patch(context, request.patch, patch_type=patch_type, force=request.force)
            return self._reply(context, written)
        except ApiError as error:
            raise rpc_error(error) from None

    async def Delete(self, request: Any, call: Call) -> Any:
        try:
            context = await self._context(request, call, "delete")
            return self._reply(context, await self._verbs.delete(context, _delete_options(request.options)))
        except ApiError as error:
            raise rpc_error(error) from None

    async def DeleteCollection(self, request: Any, call: Call) -> Any:
        try:
            context = await self._context(request, call, "deletecollection")
            selection = _list_options(request.selection, 0, "")
            options = _delete_options(request.options)
            return self._reply(context, await self._verbs.deletecollection(context, selection, options))
        except ApiError as error:
            raise rpc_error(error) from None

    async def Logs(self, request: Any, call: Call) -> AsyncIterator[Any]:
        try:
            user = await self._identify(call)
            spec = self._resources.find(_PODS)
            if spec is None:
                raise NotFound(_NO_SUCH_RESOURCE)
            context = RequestContext(spec, "get", user, request.namespace, request.name, "log")
            options = dict(urllib.parse.parse_qsl(request.options, keep_blank_values=True))
            chunks = await self._verbs.logs(context, options)
            try:
                async for chunk in chunks:
                    yield self._pb.LogsReply(data=chunk)
            finally:
                await chunks.aclose()  # type: ignore[attr-defined]  # an async generator
        except ApiError as error:
            raise rpc_error(error) from None

    async def Document(self, request: Any, call: Call) -> Any:
        try:
            user = await self._identify(call)
            document = await self._documents.get(user, request.path, accept=request.accept)
        except ApiError as error:
            raise rpc_error(error) from None
        return self._pb.DocumentReply(body=document.body, content_type=document.content_type)

    async def _context(self, request: Any, call: Call, verb: str) -> RequestContext:
        user = await self._identify(call)
        resource = request.resource
        spec = self._resources.find(GVR(resource.group, resource.version, resource.resource))
        if spec is None:
            raise NotFound(_NO_SUCH_RESOURCE)
        agent = call.metadata.get("x-user-agent", "")
        context = RequestContext(
            spec,
            verb,
            user,
            namespace=request.namespace if spec.namespaced else "",
            name=getattr(request, "name", ""),
            subresource=getattr(request, "subresource", ""),
            user_agent=agent if isinstance(agent, str) else "",
        )
        if verb in _WRITES:
            options = request.options
            context.dry_run = options.dry_run
            context.field_manager = options.field_manager
            context.field_validation = options.field_validation or "Warn"
            if context.field_validation not in ("Ignore", "Warn", "Strict"):
                raise BadRequest(f"unsupported field validation {context.field_validation!r}")
        return context

    def _reply(self, context: RequestContext, written: Written) -> Any:
        return self._pb.ObjectReply(object=written.body, warnings=context.warnings, created=written.created)


def _representation(request: Any) -> Representation:
    return Representation(request.representation)


def _list_options(options: Any, limit: int, token: str) -> ListOptions:
    return ListOptions(
        label_selector=options.label_selector,
        field_selector=options.field_selector,
        resource_version=options.resource_version,
        resource_version_match=options.resource_version_match,
        limit=limit,
        continue_token=token,
    )


def _watch_options(request: Any) -> WatchOptions:
    options = request.options
    return WatchOptions(
        label_selector=options.label_selector,
        field_selector=options.field_selector,
        resource_version=options.resource_version,
        resource_version_match=options.resource_version_match,
        allow_bookmarks=request.allow_bookmarks,
        send_initial_events=request.send_initial_events if request.HasField("send_initial_events") else None,
        timeout_seconds=request.timeout_seconds,
    )


def _delete_options(document: bytes) -> Mapping[str, Any] | None:
    if not document:
        return None
    try:
        options = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the delete options are not JSON: {error}") from None
    if not isinstance(options, dict):
        raise BadRequest("the delete options are no object")
    return options
