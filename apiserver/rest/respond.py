"""Answers as HTTP: bytes of JSON, the same as YAML, compressed when it is worth it; errors as a Status."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable

import orjson
from aiohttp import web
from multidict import CIMultiDict

from apiserver.rest.negotiate import JSON, YAML, takes_gzip
from machinery.errors import ApiError

_COMPRESS_FROM = 128 * 1024
_INLINE_UP_TO = 512 * 1024
"""Compressing half a MiB at level 1 takes about 5 ms; what is larger goes off the loop."""

_NOT_FOUND = b"404 page not found\n"


class Reply:
    """One request's answer in the making: what the client takes, and headers that every answer has."""

    __slots__ = ("_gzip", "headers", "media_type", "pretty")

    def __init__(self, *, request_id: str, accept_encoding: str, pretty: bool) -> None:
        self._gzip = "gzip" in accept_encoding and takes_gzip(accept_encoding)
        self.headers: CIMultiDict[str] = CIMultiDict({"Audit-Id": request_id, "Cache-Control": "no-cache, private"})
        self.media_type = JSON
        self.pretty = pretty

    def warn(self, warnings: Iterable[str]) -> None:
        """Warnings of the answer, as RFC 7234 has them: code 299, agent `-`, quoted text."""
        for text in warnings:
            self.headers.add("Warning", f"299 - {quoted(text)}")

    async def json(self, body: bytes, *, status: int = 200) -> web.Response:
        """An object or list, in the media type that the client asked for."""
        if self.media_type == YAML:
            from machinery.manifest import dump

            body = dump(orjson.loads(body)).encode()
        elif self.pretty:
            body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2) + b"\n"
        return await self.bytes(body, self.media_type, status=status)

    async def bytes(self, body: bytes, content_type: str, *, status: int = 200) -> web.Response:
        """Any body, compressed when the client takes that and it is large."""
        if self._gzip and len(body) >= _COMPRESS_FROM:
            self.headers["Content-Encoding"] = "gzip"
            self.headers["Vary"] = "Accept-Encoding"
            if len(body) > _INLINE_UP_TO:
                body = await asyncio.to_thread(gzip.compress, body, 1)
            else:
                body = gzip.compress(body, 1)
        self.headers["Content-Type"] = content_type
        return web.Response(body=body, status=status, headers=self.headers)

    async def error(self, error: ApiError) -> web.Response:
        """The Status of an error; always JSON or YAML, whatever was asked for."""
        if error.retry_after:
            self.headers["Retry-After"] = str(error.retry_after)
        return await self.json(orjson.dumps(error.status()), status=error.code)

    def not_found(self) -> web.Response:
        """Nothing is at this path."""
        self.headers["Content-Type"] = "text/plain; charset=utf-8"
        self.headers["X-Content-Type-Options"] = "nosniff"
        return web.Response(body=_NOT_FOUND, status=404, headers=self.headers)


def quoted(text: str) -> str:
    """A quoted-string of a header: quotes and backslashes escaped, control characters gone."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
