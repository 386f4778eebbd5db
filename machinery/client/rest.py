"""`RestClient`: the API over REST, as any Kubernetes server speaks it.

The same calls and errors as `grpc.ApiClient`; importing it imports aiohttp. One connection pool per client.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from machinery.client.api import DeleteOptions, Object, Page, PatchType, Representation, WatchEvent
from machinery.client.target import Target
from machinery.errors import ApiError, ServiceUnavailable, Timeout, from_status
from machinery.objects.gvk import GVR
from machinery.pki.tls import client_context

_NO_OPTIONS = DeleteOptions()
_JSON = "application/json"
_ACCEPT = {
    Representation.OBJECT: _JSON,
    Representation.TABLE: f"{_JSON};as=Table;v=v1;g=meta.k8s.io,{_JSON}",
    Representation.METADATA: f"{_JSON};as=PartialObjectMetadata;v=v1;g=meta.k8s.io,{_JSON}",
}
_ACCEPT_LIST = {
    **_ACCEPT,
    Representation.METADATA: f"{_JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,{_JSON}",
}
_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    406: "NotAcceptable", 409: "Conflict", 410: "Expired", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType",
    422: "Invalid", 429: "TooManyRequests", 501: "NotImplemented", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip
_PIECEWISE_FROM = 512 * 1024
_WATCH_LINE = 8 * 1024 * 1024
"""The longest event: an object may be 3 MiB, and bookkeeping and escapes come on top."""


class RestClient:
    """`machinery.client.api.Client` over HTTP.

    server: the base URL. context: TLS for https. token: a bearer token. timeout: seconds for requests other than
    watches and logs; None waits. headers: sent with every request (impersonation).
    """

    def __init__(
        self,
        server: str,
        *,
        context: ssl.SSLContext | None = None,
        server_name: str = "",
        token: str = "",
        user_agent: str = "pilot",
        timeout: float | None = 60.0,
        proxy: str = "",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._server = server.rstrip("/")
        self._context = context
        self._server_name = server_name or None
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._proxy = proxy or None
        self._headers = [("User-Agent", user_agent), *headers]
        if token:
            self._headers.append(("Authorization", f"Bearer {token}"))
        self._session: aiohttp.ClientSession | None = None
        self._warnings: list[str] = []

    @classmethod
    def to(cls, target: Target, *, user_agent: str = "pilot", timeout: float | None = 60.0) -> RestClient:
        """A client of a kubeconfig's cluster. Raises TlsError for certificates that cannot be used."""
        context = None
        if target.server.startswith("https:"):
            context = client_context(
                ca=target.ca, certificate=target.certificate, key=target.key, verify=not target.insecure
            )
        headers = [("Impersonate-User", target.impersonate)] if target.impersonate else []
        headers += [("Impersonate-Group", group) for group in target.impersonate_groups]
        return cls(
            target.server,
            context=context,
            server_name=target.server_name,
            token=target.token,
            user_agent=user_agent,
            timeout=timeout,
            proxy=target.proxy,
            headers=headers,
        )

    async def get(
        self,
        resource: GVR,
        name: str,
        *,
        namespace: str = "",
        subresource: str = "",
        representation: Representation = Representation.OBJECT,
    ) -> Object:
        url = path_of(resource, namespace, name, subresource)
        return await self._object("GET", url, accept=_ACCEPT[representation])

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
        query = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "resourceVersionMatch": resource_version_match,
            "limit": str(limit or ""),
            "continue": continue_token,
        }
        document = await self._object("GET", path_of(resource, namespace), query=query)
        metadata = document.get("metadata") or {}
        kind = str(document.get("kind", "")).removesuffix("List")
        # Items of a list of built-in kinds come without what the list itself says.
        about = {"apiVersion": document.get("apiVersion", ""), "kind": kind}
        return Page(
            [item if "kind" in item else {**about, **item} for item in document.get("items") or ()],
            str(metadata.get("resourceVersion", "")),
            str(metadata.get("continue", "")),
            metadata.get("remainingItemCount"),
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
        query = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "limit": str(limit or ""),
            "continue": continue_token,
        }
        url = path_of(resource, namespace)
        return await self._object("GET", url, query=query, accept=_ACCEPT_LIST[representation])

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
        query = {
            "watch": "true",
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true" if allow_bookmarks else "",
            "timeoutSeconds": str(timeout_seconds or ""),
        }
        if send_initial_events is not None:
            query["sendInitialEvents"] = "true" if send_initial_events else "false"
            query["resourceVersionMatch"] = "NotOlderThan"
        url = path_of(resource, namespace)
        async with self._request("GET", url, query=query, accept=_ACCEPT[representation], endless=True) as response:
            async for line in _lines(response):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise from_status(event["object"])
                yield WatchEvent(event["type"], event["object"])

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
        where = namespace or str((obj.get("metadata") or {}).get("namespace") or "")
        query = _write_query(dry_run, field_manager, field_validation)
        url = path_of(resource, where, name if subresource else "", subresource)
        return await self._object("POST", url, query=query, body=orjson.dumps(obj))

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
        metadata = obj.get("metadata") or {}
        where, which = namespace or str(metadata.get("namespace") or ""), name or str(metadata.get("name") or "")
        query = _write_query(dry_run, field_manager, field_validation)
        return await self._object(
            "PUT", path_of(resource, where, which, subresource), query=query, body=orjson.dumps(obj)
        )

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
        query = _write_query(dry_run, field_manager, field_validation)
        if force:
            query["force"] = "true"
        return await self._object(
            "PATCH",
            path_of(resource, namespace, name, subresource),
            query=query,
            body=patch if isinstance(patch, bytes) else orjson.dumps(patch),
            content_type=patch_type.value,
        )

    async def delete(
        self, resource: GVR, name: str, *, namespace: str = "", options: DeleteOptions = _NO_OPTIONS
    ) -> Object:
        return await self._object("DELETE", path_of(resource, namespace, name), body=orjson.dumps(options.document()))

    async def delete_collection(
        self,
        resource: GVR,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        options: DeleteOptions = _NO_OPTIONS,
    ) -> Object:
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        return await self._object(
            "DELETE", path_of(resource, namespace), query=query, body=orjson.dumps(options.document())
        )

    async def logs(self, namespace: str, name: str, options: Mapping[str, str | int | bool]) -> AsyncIterator[bytes]:
        query = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in options.items()}
        url = path_of(GVR("", "v1", "pods"), namespace, name, "log")
        async with self._request("GET", url, query=query, accept="*/*", endless=True) as response:
            async for chunk in response.content.iter_any():
                yield chunk

    async def document(self, path: str, *, accept: str = _JSON) -> bytes:
        async with self._request("GET", path, accept=accept) as response:
            return await response.read()

    def take_warnings(self) -> Sequence[str]:
        taken, self._warnings = self._warnings, []
        return taken

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _object(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> Object:
        async with self._request(
            method, url, query=query, body=body, content_type=content_type, accept=accept
        ) as response:
            document: Object = orjson.loads(await response.read())
            return document

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
        endless: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response of success. Raises ApiError for any other, and ServiceUnavailable when there is none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers, connector=aiohttp.TCPConnector(ssl=self._context or True, limit=0)
            )
        extra = {"Accept": accept}
        if body is not None:
            extra["Content-Type"] = content_type
        try:
            async with self._session.request(
                method,
                self._server + url,
                params={key: value for key, value in (query or {}).items() if value},
                # aiohttp warns of large bytes, because writing them takes long; a file it writes in pieces.
                data=body if body is None or len(body) < _PIECEWISE_FROM else io.BytesIO(body),
                headers=extra,
                timeout=aiohttp.ClientTimeout(total=None) if endless else self._timeout,
                server_hostname=self._server_name,
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                self._warnings += warnings_of(response.headers.getall("Warning", ()))
                if response.status >= 300:
                    raise _error_of(response.status, await response.read())
                yield response
        except aiohttp.ClientError as error:
            raise ServiceUnavailable(f"{self._server} does not answer: {error}") from error
        except TimeoutError as error:
            raise Timeout(f"{self._server} did not answer in {self._timeout.total:g} seconds") from error


def path_of(resource: GVR, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The URL path of a resource, an object of it or a subresource, percent-encoded."""
    parts = ["/apis", resource.group, resource.version] if resource.group else ["/api", resource.version]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(resource.resource)
    if name:
        parts.append(quote(name, safe=":"))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def warnings_of(headers: Sequence[str]) -> list[str]:
    """The texts of `Warning` headers (RFC 7234): `299 - "text"`, quoting undone; other codes are left out."""
    found = []
    for header in headers:
        code, _, rest = header.partition(" ")
        _, _, text = rest.partition(" ")
        if code == "299" and len(text) > 1 and text[0] == '"':
            inner = text[1 : text.rindex('"')]
            found.append(inner.replace('\\"', '"').replace("\\\\", "\\"))
    return found


def _write_query(dry_run: bool, field_manager: str, field_validation: str) -> dict[str, str]:
    return {
        "dryRun": "All" if dry_run else "",
        "fieldManager": field_manager,
        "fieldValidation": field_validation,
    }


def _error_of(code: int, body: bytes) -> ApiError:
    """The exception for an answer: its Status when it is one, else by its code, with the text as the message."""
    try:
        status: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return from_status({"code": code, **status})
    text = body[:512].decode(errors="replace").strip()
    message = "the server could not find the requested resource" if code == 404 else text or f"HTTP {code}"
    return from_status({"code": code, "reason": _REASONS.get(code, "InternalError"), "message": message})


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines of an endless body, however long. Raises ServiceUnavailable for one that passes every bound."""
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
        for line in whole:
            if line:
                yield line
        if len(rest) > _WATCH_LINE:
            raise ServiceUnavailable(f"a watch event is longer than {_WATCH_LINE} bytes")
