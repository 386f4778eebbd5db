"""Serves service implementations over gRPC sockets.

server              one for all
  calls             runs every call as a task of its own
  listener          the sockets, and the connections on them

Stopped in reverse: nobody gets in any more, calls in flight have their grace, then what is left ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from actors import Actor, ChildSpec, Strategy, Supervisor
from machinery.rpc.api import MAX_MESSAGE_BYTES
from machinery.rpc.counts import CallCounts
from machinery.rpc.handshakes import Accepted, Handshakes
from machinery.rpc.http2.connection import Connection, Start
from machinery.rpc.http2.head import Handler
from protos.pool import service

BACKLOG = 1024


class GrpcServer(Supervisor):
    """Listens on `addresses` ("host:port", port 0 for any free one, or "unix:/path") and serves `services`.

    credentials: a server's `ssl.SSLContext`, as `machinery.pki.tls.reloading_server_credentials` makes it; None serves
    plain text.
    bound: called with the addresses in use, ports filled in, once the server accepts calls.
    counts: by path, what is counted of each method; filled in, and kept over a restart by who holds it.
    foreign: makes the protocol for clients that speak another one than HTTP/2, from a function that runs a coroutine
    as a task; None turns them away.
    max_message: bytes of the largest message that a client may send.
    grace: seconds that calls in flight get when the server stops; streams end at once.
    Its start raises OSError, naming the address, for one that cannot be listened on.
    """

    def __init__(
        self,
        services: Mapping[str, object],
        addresses: Sequence[str],
        *,
        credentials: ssl.SSLContext | None = None,
        bound: Callable[[Sequence[str]], None] = lambda addresses: None,
        counts: dict[str, CallCounts] | None = None,
        foreign: Callable[[Start], asyncio.Protocol] | None = None,
        max_message: int = MAX_MESSAGE_BYTES,
        grace: float = 0.5,
    ) -> None:
        counted = {} if counts is None else counts
        handlers = {
            method.path: Handler(
                method, getattr(implementation, method.name), counted.setdefault(method.path, CallCounts())
            )
            for name, implementation in services.items()
            for method in service(name).values()
            if hasattr(implementation, method.name)
        }
        calls: list[_Calls] = []

        def make_calls() -> _Calls:
            calls[:] = [_Calls()]
            return calls[0]

        def make_listener() -> _Listener:
            return _Listener(
                handlers,
                addresses,
                calls[0].start,
                credentials=credentials,
                bound=bound,
                foreign=foreign,
                max_message=max_message,
                grace=grace,
            )

        super().__init__(
            [ChildSpec("calls", make_calls), ChildSpec("listener", make_listener)], strategy=Strategy.ONE_FOR_ALL
        )


class _Calls(Actor):
    """Owns the tasks of the calls."""

    def start(self, call: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self.spawn(call, name=name)


class _Listener(Actor):
    """Owns the sockets and the connections."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        addresses: Sequence[str],
        start: Start,
        *,
        credentials: ssl.SSLContext | None,
        bound: Callable[[Sequence[str]], None],
        foreign: Callable[[Start], asyncio.Protocol] | None,
        max_message: int,
        grace: float,
    ) -> None:
        self._handlers = handlers
        self._addresses = addresses
        self._start = start
        self._credentials = credentials
        self._bound = bound
        self._foreign = foreign
        self._max_message = max_message
        self._grace = grace
        self._handshakes: Handshakes | None = None
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._lost = asyncio.Event()
        self._paths: list[str] = []

    async def setup(self) -> None:
        if self._credentials is not None:
            self._handshakes = Handshakes(self._credentials, self.clock)
        self._bound([await self._listen(address) for address in self._addresses])

    async def teardown(self) -> None:
        for server in self._servers:
            server.close()
        for path in self._paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        for connection in self._connections:
            connection.leave()
        calls = [exchange for each in self._connections for exchange in each.exchanges.values()]
        brief = [each.task for each in calls if each.task is not None and not each.handler.method.server_streaming]
        if brief:
            with contextlib.suppress(TimeoutError):
                async with self.clock.patience(self._grace):
                    await asyncio.wait(brief)
        left = [each.task for each in calls if each.task is not None and not each.task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=self._grace)
        for connection in tuple(self._connections):
            connection.close()
        # A secure one says goodbye first, and is lost when the other has said so too.
        with contextlib.suppress(TimeoutError):
            async with self.clock.patience(self._grace):
                while self._connections:
                    self._lost.clear()
                    await self._lost.wait()
        for connection in tuple(self._connections):
            connection.abort()

    async def _listen(self, address: str) -> str:
        loop = asyncio.get_running_loop()
        if address.startswith("unix:"):
            path = address.removeprefix("unix:")
            try:
                server = await loop.create_unix_server(self._protocol, path, backlog=BACKLOG)
            except OSError as error:
                raise _cannot_listen(address, error) from None
            self._servers.append(server)
            self._paths.append(path)
            return address
        host, _, port = address.rpartition(":")
        try:
            sockets = _bind(host.strip("[]"), int(port))
        except OSError as error:
            raise _cannot_listen(address, error) from None
        for each in sockets:
            self._servers.append(await loop.create_server(self._protocol, sock=each))
        return f"{host}:{sockets[0].getsockname()[1]}"

    def _protocol(self) -> asyncio.Protocol:
        if self._handshakes is not None:
            return Accepted(partial(self._handshake, self._handshakes))
        connection = self._connection()
        self._connections.add(connection)
        return connection

    def _connection(self) -> Connection:
        return Connection(
            self._handlers,
            self._start,
            self._lose,
            max_message=self._max_message,
            foreign=None if self._foreign is None else partial(self._foreign, self._start),
        )

    def _lose(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._lost.set()

    def _handshake(self, handshakes: Handshakes, transport: asyncio.Transport) -> None:
        self.spawn(self._secure(handshakes, transport), name="handshake")

    async def _secure(self, handshakes: Handshakes, transport: asyncio.Transport) -> None:
        connection = self._connection()
        secured = await handshakes.secure(transport, connection)
        if secured is not None and not connection.closed:
            self._connections.add(connection)
            connection.connection_made(secured)


def _bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of a host, all on one port. Raises OSError."""
    if host in ("", "::") and socket.has_dualstack_ipv6():
        return [socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)]
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, name in dict.fromkeys((family, address[0]) for family, _, _, _, address in found):
        chosen = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(socket.create_server((name, chosen), family=family, backlog=BACKLOG))
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                for each in sockets:
                    each.close()
                raise
            absent = error  # a name may have an address of a family that this machine does not speak
    if absent is not None and not sockets:
        raise absent
    return sockets


def _cannot_listen(address: str, error: OSError) -> OSError:
    return OSError(f"cannot listen on {address}: {error.strerror or error}")
