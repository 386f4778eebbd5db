"""Sockets for monitoring alone (`--listen-metrics-urls`)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import urlsplit

from actors import Actor
from etcdlite.http.protocol import HttpProtocol, Site

HANDSHAKE_SECONDS = 20.0


class HttpListener(Actor):
    """Serves a site at URLs. credentials: for those that begin with https.

    bound: told the URLs in use, ports filled in. Its start raises OSError, naming the URL that cannot be had."""

    def __init__(
        self,
        site: Site,
        urls: Sequence[str],
        *,
        credentials: ssl.SSLContext | None,
        bound: Callable[[Sequence[str]], None],
    ) -> None:
        self._site = site
        self._urls = urls
        self._credentials = credentials
        self._bound = bound
        self._servers: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()

    async def setup(self) -> None:
        self._bound([await self._listen(url) for url in self._urls])

    async def teardown(self) -> None:
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.close()

    async def _listen(self, url: str) -> str:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(self._site, self._run, self._connections),
                parts.hostname,
                parts.port or 0,
                ssl=self._credentials if secure else None,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if secure else None,
            )
        except OSError as error:
            raise OSError(f"cannot listen on {url}: {error.strerror or error}") from None
        self._servers.append(server)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}:{server.sockets[0].getsockname()[1]}"

    def _run(self, answer: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self.spawn(answer, name=name)


class _Connection(HttpProtocol):
    """Known to its listener for as long as it lasts."""

    def __init__(
        self,
        site: Site,
        start: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        among: set[_Connection],
    ) -> None:
        super().__init__(site, start)
        self._among = among

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._among.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._among.discard(self)
