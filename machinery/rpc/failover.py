"""One channel over several servers that serve the same: the members of an etcd cluster.

Calls go to one server for as long as it answers, so that what a client reads and the watch that it follows come from
the same member; one that is out of reach, or says that it cannot serve (a member without a quorum), is left for the
next in the list. What is asked again elsewhere is decided as clientv3 does (`client/v3/retry.go`): a call that only
reads, after any UNAVAILABLE; any other only when it is certain that it never left this process, for it may have been
carried out. While servers answer that they cannot now, as they do when a leader is elected, what only reads is asked
anew for a short while.

Each server has a connection of its own, made when it is first needed, so that its certificate is checked for its own
name.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from actors import Clock
from machinery.rpc.api import Channel, Code, RpcError
from protos.pool import Method

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds from the first attempt in which a call that only reads begins another round through the servers."""
ROUND_SECONDS = (0.05, 0.5)
"""The wait before the second round, and the longest: each is twice the one before."""

NOT_ASKED = "not asked: "
"""How the message of an UNAVAILABLE begins when a channel refused to pass the call on."""
_NEVER_LEFT = ("failed to connect to all addresses", "errors resolving ", "DNS resolution failed", NOT_ASKED)
_LEAVE = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
_STREAM_LOST = (Code.UNAVAILABLE, Code.INTERNAL)
"""INTERNAL is gRPC's own word for a stream that was refused while its first request was on its way."""


def never_left(error: RpcError) -> bool:
    """Whether a call certainly reached no server: there was no connection to send it on, or none that may be used."""
    return error.code is Code.UNAVAILABLE and error.message.startswith(_NEVER_LEFT)


class FailoverChannel:
    """See the module.

    connect: by server, what makes a channel to it.
    repeatable: paths of the methods that only read.
    """

    def __init__(
        self, connect: Mapping[str, Callable[[], Channel]], *, repeatable: frozenset[str], clock: Clock
    ) -> None:
        if not connect:
            raise ValueError("a channel needs a server")
        self._connect = connect
        self._servers: Sequence[str] = list(connect)
        self._channels: dict[str, Channel] = {}
        self._current = 0
        self._answered: set[str] = set()
        """Servers that have answered since they were last left."""
        self._repeatable = repeatable
        self._clock = clock

    async def unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
    ) -> Any:
        begun, wait = self._clock.monotonic(), ROUND_SECONDS[0]
        deadline = None if timeout is None else begun + timeout
        tried: set[str] = set()
        said: RpcError | None = None  # by a server: it tells more than that another cannot be reached
        while True:
            server = self._servers[self._current]
            tried.add(server)
            try:
                reply = await self._channel(server).unary(method, request, timeout=timeout, metadata=metadata)
            except RpcError as error:
                if error.code not in _LEAVE:
                    raise
                self._leave(server, error)
                lost = never_left(error)
                said = said or (None if lost else error)
                if error.code is not Code.UNAVAILABLE or not (lost or method.path in self._repeatable):
                    raise
                if self._servers[self._current] in tried:
                    if said is None or self._clock.monotonic() - begun > PATIENCE:
                        raise (said or error) from None
                    await self._clock.sleep(wait)
                    wait = min(2 * wait, ROUND_SECONDS[1])
                    tried.clear()
                if deadline is not None:
                    timeout = deadline - self._clock.monotonic()
                    if timeout <= 0:
                        raise (said or error) from None
            else:
                self._answered.add(server)
                return reply

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None = None
    ) -> AsyncIterator[Any]:
        """Never begun anew elsewhere: who reads it knows where to go on, and opens another."""
        server = self._servers[self._current]
        replies = self._channel(server).stream(method, request, metadata=metadata)
        try:
            async for reply in replies:
                self._answered.add(server)
                yield reply
        except RpcError as error:
            if error.code in _STREAM_LOST:
                self._leave(server, error)
            raise
        finally:
            await replies.aclose()  # type: ignore[attr-defined]  # a generator

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    def _channel(self, server: str) -> Channel:
        channel = self._channels.get(server)
        if channel is None:
            channel = self._channels[server] = self._connect[server]()
        return channel

    def _leave(self, server: str, error: RpcError) -> None:
        """Go on with the next one, unless somebody has left that server before us."""
        if len(self._servers) > 1 and self._servers[self._current] == server:
            self._current = (self._current + 1) % len(self._servers)
            level = logging.WARNING if server in self._answered else logging.DEBUG
            self._answered.discard(server)
            log.log(level, "server left server=%s next=%s error=%s", server, self._servers[self._current], error)
