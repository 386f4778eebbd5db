"""The one handler of every request: who, what, may it start, do it, answer.

    credentials -> user                identity.py, auth
    path and query -> resource, verb   paths.py, query.py, resource.py
    in flight?                         limits.py
    the verb                           verbs (authorization is its first step)
    bytes -> response                  negotiate.py, respond.py, stream.py

Whatever a verb raises as ApiError is answered as a Status; anything else is a bug of ours, logged with its traceback
and answered 500 without it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from uuid import uuid4

from aiohttp import web

from actors.clock import Clock
from apiserver.auth.api import Authenticator, Authorizer
from apiserver.documents.api import DocumentSource
from apiserver.documents.metrics import Metrics, Series
from apiserver.resources.lookup import Resources
from apiserver.rest import query, resource
from apiserver.rest.config import RestConfig
from apiserver.rest.identity import credentials_of
from apiserver.rest.limits import InFlight
from apiserver.rest.paths import ResourcePath, parse
from apiserver.rest.query import Query
from apiserver.rest.respond import Reply
from apiserver.rest.stream import Streams
from apiserver.verbs.api import Verbs
from apiserver.verbs.context import UserInfo
from machinery.errors import ApiError, BadRequest, InternalError, MethodNotAllowed, NotFound, Timeout
from machinery.objects import timefmt

log = logging.getLogger(__name__)

_HASHED = "/openapi/v3/"
"""Documents below it have addresses that name their content, in `?hash=`."""
_BROWSERS = ("curl/", "Wget/", "Mozilla/")
_VERBS = {"get": "GET", "list": "LIST", "watch": "WATCH", "create": "POST", "update": "PUT", "patch": "PATCH"}
_DOCUMENT = Series("GET", "", "", "", "", "")


@dataclass(frozen=True, slots=True)
class Served:
    """What a server is made of, as its REST edge needs it."""

    verbs: Verbs
    authenticator: Authenticator
    authorizer: Authorizer
    resources: Resources
    documents: DocumentSource
    metrics: Metrics
    clock: Clock


@dataclass(slots=True)
class Progress:
    """What is known of a request while it is served, for its count in the metrics."""

    series: Series = _DOCUMENT
    long_running: bool = False


class RestHandler:
    """Callable with an aiohttp request, as `web.Server` wants its handler."""

    def __init__(self, served: Served, config: RestConfig) -> None:
        self._served = served
        self._config = config
        self._in_flight = InFlight(max_reads=config.max_reads, max_writes=config.max_writes)
        self.streams = Streams()
        served.metrics.gauge(
            "apiserver_current_inflight_requests",
            "Requests being served, by kind.",
            lambda: {
                (("request_kind", "mutating"),): self._in_flight.current[0],
                (("request_kind", "readOnly"),): self._in_flight.current[1],
            },
        )
        served.metrics.gauge(
            "apiserver_longrunning_requests", "Watches and logs being streamed.", lambda: {(): len(self.streams)}
        )

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        started = self._served.clock.monotonic()
        headers = request.headers
        request_id = headers.get("Audit-ID") or str(uuid4())
        params = query.parse(request.rel_url.raw_query_string)
        asked = query.boolean(params, "pretty") if "pretty" in params else None
        reply = Reply(
            request_id=request_id,
            accept_encoding=headers.get("Accept-Encoding", ""),
            pretty=headers.get("User-Agent", "").startswith(_BROWSERS) if asked is None else asked,
        )
        progress = Progress()
        try:
            response = await self._serve(request, params, request_id, reply, progress)
        except ApiError as error:
            response = await reply.error(error)
        except Exception:
            log.exception("request failed request=%s method=%s path=%s", request_id, request.method, request.path)
            response = await reply.error(InternalError("the server met an error of its own; its log tells of it"))
        seconds = self._served.clock.monotonic() - started
        self._served.metrics.observe(progress.series, response.status, seconds, long_running=progress.long_running)
        return response

    async def _serve(
        self, request: web.BaseRequest, params: Query, request_id: str, reply: Reply, progress: Progress
    ) -> web.StreamResponse:
        user = await self._served.authenticator.authenticate(credentials_of(request))
        path = parse(request.rel_url.raw_path)
        if path is None:
            return await self._document(request, params, user, reply)
        spec = resource.find(self._served.resources, path)
        if spec is None:
            resource.refuse_unknown(self._served.authorizer, request, path, params, user)
            return reply.not_found()
        context = resource.context_of(request, spec, path, params, user, request_id)
        exchange = resource.Exchange(request, path, params, context, reply, self._config.max_body_bytes)
        progress.series = _series(request.method, path, context.verb)
        progress.long_running = exchange.long_running
        if exchange.long_running:
            return await resource.answer(self._served.verbs, self.streams, exchange)
        with self._in_flight.enter(context.verb, user):
            try:
                async with self._served.clock.timeout(self._allowed(params)):
                    return await resource.answer(self._served.verbs, self.streams, exchange)
            except TimeoutError:
                raise Timeout("Timeout: request did not complete within the allotted timeout") from None

    async def _document(self, request: web.BaseRequest, params: Query, user: UserInfo, reply: Reply) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        try:
            document = await self._served.documents.get(
                user,
                request.rel_url.raw_path_qs,
                accept=request.headers.get("Accept", ""),
                method=request.method.lower(),
            )
        except NotFound:
            return reply.not_found()
        if document.etag and request.rel_url.raw_path.startswith(_HASHED) and (hashed := query.first(params, "hash")):
            if hashed != document.etag:
                reply.headers["Location"] = f"{request.rel_url.raw_path}?hash={document.etag}"
                return web.Response(status=301, headers=reply.headers)
            # What is at this address never changes.
            expires = format_datetime(self._served.clock.now() + timedelta(days=365), usegmt=True)
            reply.headers.update(
                {"Cache-Control": "public, immutable", "Expires": expires, "ETag": f'"{document.etag}"'}
            )
        elif document.etag:
            reply.headers["ETag"] = f'"{document.etag}"'
            reply.headers["Cache-Control"] = "public"
        if document.vary:
            reply.headers["Vary"] = "Accept"
        if document.etag and request.headers.get("If-None-Match", "").strip('"') == document.etag:
            return web.Response(status=304, headers=reply.headers)
        return await reply.bytes(document.body, document.content_type, status=document.status)

    def _allowed(self, params: Query) -> float:
        """Seconds for a request: what the client says, at most what the server allows. Raises BadRequest."""
        text = query.first(params, "timeout")
        if not text:
            return self._config.request_seconds
        try:
            asked = timefmt.parse_duration(text)
        except ValueError as error:
            raise BadRequest(f"invalid timeout specified in the request URL - {error}") from error
        return min(asked, self._config.request_seconds) if asked > 0 else self._config.request_seconds


def _series(method: str, path: ResourcePath, verb: str) -> Series:
    """What the request is counted as; the verbs are HTTP's but for LIST and WATCH, as upstream."""
    what = path.resource
    scope = "resource" if path.name else "namespace" if path.namespace else "cluster"
    return Series(_VERBS.get(verb, method), what.group, what.version, what.resource, path.subresource, scope)
