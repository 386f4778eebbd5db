"""Holds a client of several etcd members to one cluster.

Members of different clusters hold different data, and a list of URLs may name such by mistake: as long as the first one
answers, nobody notices. So a member is asked for its cluster before anything else is asked of it, again after each time
it was lost. Whoever answers first decides which cluster it is. A member of another one is told in the log and left, as
one that cannot be reached.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from machinery.rpc.api import Channel, Code, RpcError
from machinery.rpc.failover import NOT_ASKED
from machinery.rpc.stub import Stub
from protos.pool import Method, messages

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
"""How long a member may take to tell its cluster, unless the call itself has less time."""
_LOST = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.INTERNAL)


@dataclass(slots=True)
class ClusterId:
    """What the members of one client agree on. value: 0 before the first has answered. url: of that one."""

    value: int = 0
    url: str = ""


class SameClusterChannel:
    """A channel to one member, which refuses it while it is of another cluster than `expected`."""

    def __init__(self, channel: Channel, url: str, expected: ClusterId) -> None:
        self._channel = channel
        self._url = url
        self._expected = expected
        self._known = False

    async def unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
    ) -> Any:
        try:
            await self._know(timeout)
            return await self._channel.unary(method, request, timeout=timeout, metadata=metadata)
        except RpcError as error:
            self._lose(error)
            raise

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None = None
    ) -> AsyncIterator[Any]:
        replies: AsyncIterator[Any] | None = None
        try:
            await self._know(None)
            replies = self._channel.stream(method, request, metadata=metadata)
            async for reply in replies:
                yield reply
        except RpcError as error:
            self._lose(error)
            raise
        finally:
            if replies is not None:
                await replies.aclose()  # type: ignore[attr-defined]  # a generator

    async def close(self) -> None:
        await self._channel.close()

    def _lose(self, error: RpcError) -> None:
        if error.code in _LOST:
            self._known = False  # another may be there next time

    async def _know(self, timeout: float | None) -> None:
        """Ask for its cluster unless that is known. Raises RpcError."""
        if self._known:
            return
        within = ASK_SECONDS if timeout is None else min(timeout, ASK_SECONDS)
        request = messages("etcdserverpb").StatusRequest()
        try:
            reply = await Stub(self._channel, "etcdserverpb.Maintenance").Status(request, timeout=within)
        except RpcError as error:
            if error.code in _LOST:
                raise
            self._known = True  # it tells us nothing; what is asked of it will show what it makes of us
            return
        found, expected = reply.header.cluster_id, self._expected
        if not expected.value:
            expected.value, expected.url = found, self._url
        if found != expected.value:
            log.error(
                "etcd member refused, it is of another cluster url=%s cluster=%x expected=%x as_of=%s",
                *(self._url, found, expected.value, expected.url),
            )
            raise RpcError(
                Code.UNAVAILABLE,
                f"{NOT_ASKED}{self._url} is of cluster {found:x}, but {expected.url} of cluster {expected.value:x}",
            )
        self._known = True
