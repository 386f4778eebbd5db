"""A channel that shows a renewed certificate without a restart.

What client-go does for the certificate files of a kubeconfig: they are looked at again while the process runs, and
what connects after that shows the new certificate. client-go closes every connection at that moment; here a call goes
on with the certificate that it began with, the next call shows the new one, and the old connection is closed when its
last call ends. Watches end within the hour by the server's rule, so nothing is interrupted and nothing stays for long.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actors import Clock
from machinery.pki.tls import TlsError
from machinery.rpc.api import Channel
from protos.pool import Method

LOOK_SECONDS = 10.0
"""How old a certificate may be that is not the one in the files: kubelet looks as often."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Connection:
    channel: Channel
    calls: int = 0
    retired: bool = False


class RenewingChannel:
    """A Channel over a succession of channels.

    connect: makes one that shows what the files hold now. Raises TlsError when that cannot be used: the channel that
        is there goes on, and the files are looked at again later.
    version: tells whether the files changed, by its value; asked at the first call after LOOK_SECONDS, so it is cheap.

    Raises what `connect` raises.
    """

    def __init__(self, connect: Callable[[], Channel], version: Callable[[], object], *, clock: Clock) -> None:
        self._connect = connect
        self._version = version
        self._clock = clock
        self._seen = version()
        self._next_look = clock.monotonic() + LOOK_SECONDS
        self._connections = [_Connection(connect())]  # the last one is for new calls

    async def unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
    ) -> Any:
        async with self._call() as channel:
            return await channel.unary(method, request, timeout=timeout, metadata=metadata)

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None = None
    ) -> AsyncIterator[Any]:
        async with (
            self._call() as channel,
            contextlib.aclosing(channel.stream(method, request, metadata=metadata)) as replies,  # type: ignore[type-var]  # a generator
        ):
            async for reply in replies:
                yield reply

    async def close(self) -> None:
        for connection in self._connections:
            await connection.channel.close()

    @contextlib.asynccontextmanager
    async def _call(self) -> AsyncIterator[Channel]:
        if self._clock.monotonic() >= self._next_look:
            await self._look()
        connection = self._connections[-1]
        connection.calls += 1
        try:
            yield connection.channel
        finally:
            connection.calls -= 1
            await self._release(connection)

    async def _look(self) -> None:
        self._next_look = self._clock.monotonic() + LOOK_SECONDS
        version = self._version()
        if version == self._seen:
            return
        try:
            fresh = self._connect()
        except TlsError as error:
            # Half-written, or wrong: what is shown stays good until somebody puts it right.
            log.warning("renewed certificate not taken error=%s", error)
            return
        self._seen = version
        old = self._connections[-1]
        old.retired = True
        self._connections.append(_Connection(fresh))
        log.info("client certificate renewed")
        await self._release(old)

    async def _release(self, connection: _Connection) -> None:
        if connection.retired and not connection.calls:
            self._connections.remove(connection)
            await connection.channel.close()
