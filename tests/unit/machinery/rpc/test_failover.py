"""Servers are scripted: what each answers next, so that which call goes where, and how often, is exact."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import pytest

from actors import VirtualClock
from machinery.rpc import Code, RpcError
from machinery.rpc.failover import FailoverChannel, never_left
from protos.pool import Method, service

READ, WRITE = service("etcdserverpb.KV")["Range"], service("etcdserverpb.KV")["Txn"]
WATCH = service("etcdserverpb.Watch")["Watch"]

REFUSED = RpcError(Code.UNAVAILABLE, "failed to connect to all addresses; last error: Connection refused")
UNKNOWN_HOST = RpcError(Code.UNAVAILABLE, "errors resolving nosuch:2379: not found")
CLOSED = RpcError(Code.UNAVAILABLE, "Socket closed")
NO_QUORUM = RpcError(Code.UNAVAILABLE, "etcdserver: request timed out")
COMPACTED = RpcError(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")
CHANGED = RpcError(Code.UNAVAILABLE, "etcdserver: leader changed")
LATE = RpcError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")


class Server:
    """fails: what it answers all the time, None for success. once: what it answers first."""

    def __init__(self, name: str, fails: RpcError | None, clock: VirtualClock) -> None:
        self.name = name
        self.fails = fails
        self.asked: list[float | None] = []
        self.takes = 0.0
        self.once: list[RpcError] = []
        self.closed = False
        self._clock = clock

    async def unary(
        self, method: Method, request: Any, *, timeout: float | None, metadata: Mapping[str, str | bytes] | None
    ) -> Any:
        self.asked.append(timeout)
        if self.takes:
            await self._clock.advance(seconds=self.takes)
        if self.once:
            raise self.once.pop(0)
        if self.fails is not None:
            raise self.fails
        return self.name

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None
    ) -> AsyncIterator[Any]:
        yield self.name
        if self.fails is not None:
            raise self.fails

    async def close(self) -> None:
        self.closed = True


class Members:
    """A channel over scripted servers a, b, c."""

    def __init__(self, *fails: RpcError | None) -> None:
        self.clock = clock = VirtualClock()
        self.servers = {name: Server(name, error, clock) for name, error in zip("abc", fails, strict=False)}
        self.connected: list[str] = []
        self.channel = FailoverChannel(
            {name: partial(self._connect, name) for name in self.servers},
            repeatable=frozenset({READ.path}),
            clock=clock,
        )

    def _connect(self, name: str) -> Server:
        self.connected.append(name)
        return self.servers[name]

    async def call(self, method: Method, timeout: float | None = None) -> str:
        return str(await self.channel.unary(method, None, timeout=timeout))

    @property
    def asked(self) -> str:
        return "".join(name * len(server.asked) for name, server in self.servers.items())


async def test_calls_stay_with_the_one_that_answers() -> None:
    members = Members(None, None, None)
    assert [await members.call(READ), await members.call(WRITE)] == ["a", "a"]
    assert members.connected == ["a"]


@pytest.mark.parametrize("error", [REFUSED, UNKNOWN_HOST, CLOSED, NO_QUORUM])
async def test_a_read_is_asked_of_the_next(error: RpcError) -> None:
    members = Members(error, error, None)
    assert await members.call(READ) == "c"
    assert await members.call(READ) == "c"
    assert members.asked == "abcc"


@pytest.mark.parametrize("error", [REFUSED, UNKNOWN_HOST])
async def test_a_write_is_sent_elsewhere_when_it_never_left(error: RpcError) -> None:
    members = Members(error, error, None)
    assert await members.call(WRITE) == "c"


@pytest.mark.parametrize("error", [CLOSED, NO_QUORUM, LATE])
async def test_a_write_that_was_sent_is_not_sent_again(error: RpcError) -> None:
    members = Members(error, None)
    with pytest.raises(RpcError) as caught:
        await members.call(WRITE)
    assert caught.value is error and members.asked == "a"
    assert await members.call(WRITE) == "b"  # but the next call goes elsewhere


async def test_an_answer_is_an_answer() -> None:
    members = Members(COMPACTED, None)
    for _ in range(2):
        with pytest.raises(RpcError, match="compacted"):
            await members.call(READ)
    assert members.asked == "aa"


async def test_none_answers_and_each_is_asked_once() -> None:
    members = Members(REFUSED, NO_QUORUM, REFUSED)
    members.servers["b"].takes = 7.0
    with pytest.raises(RpcError) as caught:
        await members.call(READ)
    assert caught.value is NO_QUORUM  # what a server says tells more than that another is gone
    assert members.asked == "abc"
    members.servers["a"].fails = None
    assert await members.call(READ) == "a"


async def test_none_can_be_reached_and_no_time_is_lost() -> None:
    members = Members(REFUSED, REFUSED, REFUSED)
    with pytest.raises(RpcError, match="failed to connect"):
        await members.call(READ)
    assert members.asked == "abc"


async def test_a_read_waits_for_an_election() -> None:
    members = Members(None, None, REFUSED)
    members.servers["a"].once = [CHANGED, CHANGED]
    members.servers["b"].once = [CHANGED, CHANGED]
    reading = asyncio.ensure_future(members.call(READ))
    await members.clock.settle()
    assert members.asked == "abc"
    await members.clock.advance(seconds=1)
    assert await reading == "a"
    assert members.asked == "aaabbcc"


async def test_an_election_that_does_not_end_is_told() -> None:
    members = Members(CHANGED, CHANGED, REFUSED)
    reading = asyncio.ensure_future(members.call(READ, timeout=30.0))
    await members.clock.advance(seconds=4)
    assert not reading.done()
    await members.clock.advance(seconds=2)
    with pytest.raises(RpcError, match="leader changed"):
        await reading


async def test_the_time_is_for_all_attempts_together() -> None:
    members = Members(NO_QUORUM, NO_QUORUM, None)
    members.servers["a"].takes = 6.0
    members.servers["b"].takes = 6.0
    with pytest.raises(RpcError, match="request timed out"):
        await members.call(READ, timeout=10.0)
    assert members.servers["a"].asked == [10.0]
    assert members.servers["b"].asked == [4.0]
    assert not members.servers["c"].asked


async def test_a_stream_that_breaks_is_opened_elsewhere_by_its_reader() -> None:
    members = Members(CLOSED, None)
    broken = members.channel.stream(WATCH, None)
    assert await anext(broken) == "a"
    with pytest.raises(RpcError, match="Socket closed"):
        await anext(broken)
    assert [reply async for reply in members.channel.stream(WATCH, None)] == ["b"]
    assert await members.call(READ) == "b"  # reads go where the stream is


async def test_closing_closes_what_was_connected() -> None:
    members = Members(REFUSED, None, None)
    await members.call(READ)
    await members.channel.close()
    assert [server.closed for server in members.servers.values()] == [True, True, False]


@pytest.mark.parametrize(("error", "so"), [(REFUSED, True), (UNKNOWN_HOST, True), (CLOSED, False), (LATE, False)])
def test_never_left(error: RpcError, so: bool) -> None:
    assert never_left(error) is so
