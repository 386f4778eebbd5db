"""The REST listener, as an actor: it holds the port from setup to teardown and handles no message.

What it serves with is made elsewhere. Its certificate can be renewed while it runs: `renew` changes what the next
connections see.

Importing this module imports aiohttp, which takes a quarter of a second: do so when there is REST to serve.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import Any

from aiohttp import web

from actors import Actor
from apiserver.rest.config import RestConfig
from apiserver.rest.handler import RestHandler, Served
from apiserver.rest.http_log import HttpLog
from machinery.pki.tls import load_chain, server_context

_LINE = 64 * 1024
"""Longest request line and header: continue tokens and selectors travel in the first, tokens in the second."""


class RestServer(Actor):
    """One per address.

    listener: a bound socket, for who must know the port before the server starts, and keep it when it is restarted;
        without one the configured address is bound. It stays open after a stop: its maker closes it.
    Setup raises OSError when the port is taken and TlsError for an unusable certificate.
    """

    def __init__(self, config: RestConfig, served: Served, *, listener: socket.socket | None = None) -> None:
        self._config = config
        self._listener = listener
        self._handler = RestHandler(served, config)
        self._context: ssl.SSLContext | None = None
        self._runner: web.ServerRunner | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port that is listened on, once setup is over."""
        return self._port

    async def setup(self) -> None:
        config = self._config
        loop = asyncio.get_running_loop()
        if config.certificate:
            self._context = server_context(certificate=config.certificate, key=config.key, client_ca=config.client_ca)

        def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return web.BaseRequest(
                message, payload, protocol, writer, task, loop, client_max_size=config.max_body_bytes
            )

        server = web.Server(
            self._handler,
            request_factory=make_request,
            handler_cancellation=True,
            access_log=None,
            logger=HttpLog(logging.getLogger(__name__)),
            auto_decompress=False,  # upstream takes no compressed bodies
            keepalive_timeout=config.idle_seconds,
            max_line_size=_LINE,
            max_field_size=_LINE,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=config.shutdown_seconds)
        await self._runner.setup()
        site: web.BaseSite
        if self._listener is not None:
            site = web.SockSite(self._runner, self._listener.dup(), ssl_context=self._context, backlog=1024)
        else:
            site = web.TCPSite(
                self._runner, config.host, config.port, ssl_context=self._context, backlog=1024, reuse_address=True
            )
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.log.info("serving REST address=%s port=%d", config.host, self._port)

    async def handle(self, message: object) -> None:
        raise TypeError(f"the REST server takes no messages, got {message!r}")

    async def teardown(self) -> None:
        self._handler.streams.end()
        if self._runner is None or self._runner.server is None:
            return
        left = [connection.transport for connection in self._runner.server.connections]
        await self._runner.cleanup()
        # A TLS connection stays half open until its client agrees to the end; nobody waits for that here.
        for transport in left:
            if transport is not None:
                with contextlib.suppress(AttributeError):  # Python 3.11.2's says so of one that is closed already
                    transport.abort()
        await asyncio.sleep(0)

    def renew(self, *, certificate: bytes, key: bytes) -> None:
        """Show another certificate from the next connection on. Raises TlsError."""
        if self._context is not None:
            load_chain(self._context, certificate=certificate, key=key)


def bind(host: str, port: int) -> socket.socket:
    """A bound socket for `RestServer`. Raises OSError when the address is in use or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
