"""HTTP/1.1 as far as monitoring needs it: requests without a body, one after the other on a connection (RFC 9112).

Written here because it shares the sockets of gRPC, and because a scrape must not cost an import of a whole web server.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

MAX_HEAD = 16 * 1024
"""Bytes of a request."""
TEXT = "text/plain; charset=utf-8"

Start = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True)
class Request:
    """query: every value of every parameter; those without one have an empty one."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    body: str | bytes
    status: int = 200
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


Site = Callable[[Request], Awaitable[Response]]


class BadRequest(ValueError):
    """Not a request that is understood; status says how."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HttpProtocol(asyncio.Protocol):
    """One connection. site: answers requests. start: runs a coroutine as a task."""

    def __init__(self, site: Site, start: Start) -> None:
        self._site = site
        self._start = start
        self._transport: Any = None
        self._input = b""
        self._busy = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def eof_received(self) -> bool:
        self._ended = True
        return self._busy  # whoever asked and sends no more still gets the answer

    def data_received(self, data: bytes) -> None:
        self._input += data
        if not self._busy:
            self._next()
        elif len(self._input) > MAX_HEAD:
            self._transport.pause_reading()  # who asks on without waiting for an answer

    def _next(self) -> None:
        head, end, rest = self._input.partition(b"\r\n\r\n")
        if not end:
            if len(self._input) > MAX_HEAD:
                self._refuse(431)
            return
        self._input = rest
        try:
            request, keep = parse(head)
        except BadRequest as bad:
            self._refuse(bad.status)
            return
        self._busy = True
        self._start(self._answer(request, keep=keep), f"http {request.path}")

    async def _answer(self, request: Request, *, keep: bool) -> None:
        response = await self._site(request)
        self._busy = False
        keep = keep and not self._ended
        self._transport.write(encode(response, keep=keep, head_only=request.method == "HEAD"))
        if not keep:
            self._transport.close()
        elif not self._transport.is_closing():
            self._transport.resume_reading()
            if self._input:
                self._next()

    def pause_writing(self) -> None:
        self._transport.pause_reading()  # who takes no answers asks no more

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def _refuse(self, status: int) -> None:
        self._transport.write(encode(Response(f"{http.HTTPStatus(status).phrase}\n", status), keep=False))
        self._transport.close()


def parse(head: bytes) -> tuple[Request, bool]:
    """A request without its empty line, and whether the connection goes on after it. Raises BadRequest."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(400)
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400)
        fields[name.lower()] = value.strip()
    if fields.get("content-length", "0") != "0" or "transfer-encoding" in fields:
        raise BadRequest(413)
    try:
        target = urlsplit(words[1])
    except ValueError:
        raise BadRequest(400) from None
    options = fields.get("connection", "").lower()
    keep = "close" not in options and (words[2] != "HTTP/1.0" or "keep-alive" in options)
    return Request(words[0], target.path, parse_qs(target.query, keep_blank_values=True)), keep


def encode(response: Response, *, keep: bool, head_only: bool = False) -> bytes:
    """The bytes of an answer."""
    body = response.body.encode() if isinstance(response.body, str) else response.body
    lines = [
        f"HTTP/1.1 {response.status} {http.HTTPStatus(response.status).phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
        *(() if keep else ("Connection: close",)),
    ]
    return "\r\n".join((*lines, "", "")).encode() + (b"" if head_only else body)
