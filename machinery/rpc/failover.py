"""One channel over several servers that serve the same: the members of an etcd cluster.

Calls go to one server for as long as it answers, so that what a client reads and the watch that it follows come from
the same member; one that is out of reach, or says that it cannot serve (a member without a quorum), is left for the
next in the list. What is asked again elsewhere is decided as clientv3 does (`client/v3/retry.go`): a call that only
reads, after any UNAVAILABLE; any other only when it is certain that it never left this process, for it may have been
carried out. Each server has a connection of its own, made when it is first needed, so that its certificate is checked
for its own name.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from actors import Clock
from machinery.rpc.api import Channel, Code, RpcError
from protos.pool import Method

log = logging.getLogger(__name__)

_NEVER_LEFT = ("failed to connect to all addresses", "errors resolving ", "DNS resolution failed")
_LEAVE = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


def never_left(error: RpcError) -> bool:
    """Whether a call certainly reached no server: gRPC found no connection to send it on."""
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
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        tried: set[str] = set()
        while True:
            server = self._servers[self._current]
            tried.add(server)
            try:
                return await self._channel(server).unary(method, request, timeout=timeout, metadata=metadata)
            except RpcError as error:
                if error.code not in _LEAVE:
                    raise
                self._leave(server, error)
                again = error.code is Code.UNAVAILABLE and (method.path in self._repeatable or never_left(error))
                if not again or self._servers[self._current] in tried:
                    raise
                if deadline is not None:
                    timeout = deadline - self._clock.monotonic()
                    if timeout <= 0:
                        raise

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None = None
    ) -> AsyncIterator[Any]:
        """Never begun anew elsewhere: who reads it knows where to go on, and opens another."""
        server = self._servers[self._current]
        replies = self._channel(server).stream(method, request, metadata=metadata)
        try:
            async for reply in replies:
                yield reply
        except RpcError as error:
            if error.code is Code.UNAVAILABLE:
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
            log.warning("server left server=%s next=%s error=%s", server, self._servers[self._current], error)
