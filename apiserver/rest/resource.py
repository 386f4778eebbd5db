"""A request to a resource -> the verb that serves it -> its answer."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from aiohttp import web

from apiserver.auth.api import Attributes, Authorizer
from apiserver.auth.authz import refusal
from apiserver.resources.lookup import Resources
from apiserver.resources.spec import ResourceSpec
from apiserver.rest import body, negotiate, query
from apiserver.rest.paths import ResourcePath, verb_of
from apiserver.rest.query import Query
from apiserver.rest.respond import Reply
from apiserver.rest.stream import Streams, watch_chunks
from apiserver.verbs.api import Verbs
from apiserver.verbs.context import RequestContext, UserInfo, Written
from machinery.client.api import PatchType, Representation
from machinery.errors import MethodNotAllowed, NotImplementedByServer

CONNECT = frozenset({"attach", "exec", "portforward", "proxy"})
"""Subresources that turn the connection into another protocol."""

_LOG_OPTIONS = frozenset(
    {
        *("container", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "previous", "sinceSeconds"),
        *("sinceTime", "stream", "tailLines", "timestamps"),
    }
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a resource, and the answer in the making."""

    request: web.BaseRequest
    path: ResourcePath
    query: Query
    context: RequestContext
    reply: Reply
    body_limit: int

    @property
    def long_running(self) -> bool:
        """A watch, a log, a connection: they have no time limit and are not counted as in flight."""
        return self.context.verb == "watch" or self.context.subresource in CONNECT or self.is_log

    @property
    def is_log(self) -> bool:
        return self.context.subresource == "log" and self.context.spec.gvr.resource == "pods"


def find(resources: Resources, path: ResourcePath) -> ResourceSpec | None:
    """The row that a path means; None when nothing is there (also for a namespace where there is none)."""
    spec = resources.find(path.resource)
    if spec is None or (path.namespace and not spec.namespaced):
        return None
    if spec.namespaced and not path.namespace and path.name:
        return None
    return spec


def refuse_unknown(
    authorizer: Authorizer, request: web.BaseRequest, path: ResourcePath, params: Query, user: UserInfo
) -> None:
    """Whoever has no rights to a resource is not told that there is none. Raises Forbidden."""
    verb = verb_of(request.method, path, watch=query.boolean(params, "watch")) or request.method.lower()
    resource = path.resource
    attributes = Attributes(
        user=user,
        verb=verb,
        group=resource.group,
        version=resource.version,
        resource=resource.resource,
        subresource=path.subresource,
        namespace=path.namespace,
        name=path.name,
    )
    decision = authorizer.authorize(attributes)
    if not decision.allowed:
        raise refusal(attributes, decision)


def context_of(
    request: web.BaseRequest, spec: ResourceSpec, path: ResourcePath, params: Query, user: UserInfo, request_id: str
) -> RequestContext:
    """The request as the verbs take it. Raises MethodNotAllowed."""
    method = request.method
    verb = verb_of(method, path, watch=query.boolean(params, "watch"))
    creates_named = verb == "create" and path.name and not path.subresource
    writes_nothing = verb in ("update", "patch") and not path.name
    nowhere = spec.namespaced and not path.namespace and verb not in ("list", "watch")
    if not verb or creates_named or writes_nothing or nowhere:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    user_agent = request.headers.get("User-Agent", "")
    return RequestContext(
        spec=spec,
        verb=verb,
        user=user,
        namespace=path.namespace,
        name=path.name,
        subresource=path.subresource,
        dry_run="All" in (params.get("dryRun") or ()),
        field_manager=query.field_manager(params, user_agent),
        field_validation=query.first(params, "fieldValidation") or "Warn",
        request_id=request_id,
        user_agent=user_agent,
    )


async def answer(verbs: Verbs, streams: Streams, exchange: Exchange) -> web.StreamResponse:
    """Do what is asked. Raises ApiError."""
    context = exchange.context
    if context.subresource in CONNECT:
        raise NotImplementedByServer(f"{context.spec.gvr.resource}/{context.subresource} is not served over REST")
    if exchange.is_log and context.verb == "get":
        return await _log(verbs, streams, exchange)
    match context.verb:
        case "get" | "list":
            return await _read(verbs, exchange)
        case "watch":
            return await _watch(verbs, streams, exchange)
        case "create" | "update" | "patch":
            return await _write(verbs, exchange)
        case _:
            return await _delete(verbs, exchange)


async def _read(verbs: Verbs, exchange: Exchange) -> web.Response:
    accepted = negotiate.accept(exchange.request.headers.get("Accept", ""))
    exchange.reply.media_type = accepted.media_type
    context, params = exchange.context, exchange.query
    include = query.include_object(params) if accepted.representation is Representation.TABLE else "Metadata"
    if context.verb == "get":
        found = await verbs.get(
            context,
            resource_version=query.first(params, "resourceVersion"),
            representation=accepted.representation,
            include_object=include,
        )
    else:
        found = await verbs.list(
            context, query.list_options(params), representation=accepted.representation, include_object=include
        )
    exchange.reply.warn(context.warnings)
    return await exchange.reply.json(_of_version(found, accepted))


async def _watch(verbs: Verbs, streams: Streams, exchange: Exchange) -> web.StreamResponse:
    accepted = negotiate.accept(exchange.request.headers.get("Accept", ""))
    if accepted.media_type != negotiate.JSON:
        accepted = negotiate.Accepted(negotiate.JSON, accepted.representation, accepted.table_version)
    context, params = exchange.context, exchange.query
    include = query.include_object(params) if accepted.representation is Representation.TABLE else "Metadata"
    options = query.watch_options(params, name=context.name)
    events = await verbs.watch(context, options, representation=accepted.representation, include_object=include)
    exchange.reply.warn(context.warnings)
    exchange.reply.headers["Content-Type"] = negotiate.JSON
    return await streams.send(exchange.request, watch_chunks(events), exchange.reply.headers)


async def _log(verbs: Verbs, streams: Streams, exchange: Exchange) -> web.StreamResponse:
    options = {name: values[0] for name, values in exchange.query.items() if name in _LOG_OPTIONS}
    chunks = await verbs.logs(exchange.context, options)
    exchange.reply.headers["Content-Type"] = "text/plain"
    return await streams.send(exchange.request, chunks, exchange.reply.headers, wait=True)


async def _write(verbs: Verbs, exchange: Exchange) -> web.Response:
    request, context, params = exchange.request, exchange.context, exchange.query
    accepted = negotiate.accept(request.headers.get("Accept", ""))
    exchange.reply.media_type = accepted.media_type
    if context.verb == "patch":
        patch_type = negotiate.patch_type(request.headers.get("Content-Type", ""))
        query.check_write(params, "patch", apply=patch_type is PatchType.APPLY)
        content = await body.read(request, limit=exchange.body_limit)
        written = await verbs.patch(context, content, patch_type=patch_type, force=query.boolean(params, "force"))
    else:
        query.check_write(params, context.verb)
        kind = context.spec.gvk
        if negotiate.body_type(request.headers.get("Content-Type", "")) != negotiate.JSON:
            verbs.enter(context)  # nobody without rights makes the server read YAML
        content, context.misread = await body.read_object(request, kind=kind, limit=exchange.body_limit)
        write = verbs.create if context.verb == "create" else verbs.update
        written = await write(context, content)
    return await _written(verbs, exchange, written, accepted)


async def _delete(verbs: Verbs, exchange: Exchange) -> web.Response:
    context, params = exchange.context, exchange.query
    accepted = negotiate.accept(exchange.request.headers.get("Accept", ""))
    exchange.reply.media_type = accepted.media_type
    if exchange.request.can_read_body:
        verbs.enter(context)
    options = await body.read_delete_options(exchange.request, limit=exchange.body_limit)
    if options is None:
        options = query.delete_options(params)
    query.check_delete(options)
    if context.verb == "delete":
        written = await verbs.delete(context, options)
    else:
        written = await verbs.deletecollection(context, query.list_options(params), options)
    plain = negotiate.Accepted(accepted.media_type)
    return await _written(verbs, exchange, written, plain)


async def _written(verbs: Verbs, exchange: Exchange, written: Written, accepted: negotiate.Accepted) -> web.Response:
    content = written.body
    if accepted.representation is not Representation.OBJECT:
        content = verbs.represent(
            exchange.context,
            content,
            representation=accepted.representation,
            include_object=query.include_object(exchange.query),
        )
    exchange.reply.warn(exchange.context.warnings)
    return await exchange.reply.json(_of_version(content, accepted), status=201 if written.created else 200)


def _of_version(content: bytes, accepted: negotiate.Accepted) -> bytes:
    """The same document under the meta.k8s.io version that the client named; both have one shape."""
    if accepted.representation is Representation.OBJECT or accepted.table_version == "v1":
        return content
    document = orjson.loads(content)
    return orjson.dumps({**document, "apiVersion": f"meta.k8s.io/{accepted.table_version}"})
