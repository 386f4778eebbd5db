"""Compactors on a virtual clock over etcdlite in memory: the history is bounded by exactly one of them per interval."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors import ChildSpec, Strategy, Supervisor, System, VirtualClock
from apiserver.storage.compactor import KEY, Compactor
from apiserver.storage.errors import Compacted
from apiserver.storage.etcd import EtcdClient
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from machinery.rpc import Code, LocalChannel, RpcError
from protos.pool import Method


class Counting:
    """A channel that counts compactions, and can be cut off."""

    def __init__(self, inner: LocalChannel) -> None:
        self._inner = inner
        self.compacted: list[int] = []
        self.down = False

    async def unary(self, method: Method, request: Any, *, timeout: Any, metadata: Any) -> Any:
        if self.down:
            raise RpcError(Code.UNAVAILABLE, "Socket closed")
        if method.path.endswith("/Compact"):
            self.compacted.append(request.revision)
        return await self._inner.unary(method, request, timeout=timeout, metadata=metadata)

    def stream(self, method: Method, request: Any, *, metadata: Any) -> AsyncIterator[Any]:
        return self._inner.stream(method, request, metadata=metadata)

    async def close(self) -> None:
        await self._inner.close()


@asynccontextmanager
async def running(clock: VirtualClock, count: int) -> AsyncIterator[list[Counting]]:
    store = EtcdLite(Config(), clock=clock)
    channels = [Counting(LocalChannel(store.services(), clock=clock)) for _ in range(count)]
    specs = [
        ChildSpec(f"c{number}", lambda channel=channel: Compactor(EtcdClient(channel, clock), 300.0))  # type: ignore[misc]
        for number, channel in enumerate(channels)
    ]
    root = ChildSpec("test", lambda: Supervisor([store.spec(), *specs], strategy=Strategy.REST_FOR_ONE))
    async with System(root, clock=clock):
        yield channels


async def test_history_older_than_the_interval_goes() -> None:
    clock = VirtualClock()
    async with running(clock, 1) as (channel,):
        client = EtcdClient(channel, clock)
        first = await client.create(b"k", b"1")
        assert first is not None
        await clock.advance(seconds=301)
        second = (await client.swap(b"k", b"2", expected=first)).revision
        assert (await client.page(b"k", b"l", revision=first)).items[0].value == b"1"
        await clock.advance(seconds=300)
        with pytest.raises(Compacted):
            await client.page(b"k", b"l", revision=first)
        assert (await client.page(b"k", b"l", revision=second)).items[0].value == b"2"
        assert len(channel.compacted) == 1


async def test_of_several_one_compacts_and_another_takes_over() -> None:
    clock = VirtualClock()
    async with running(clock, 3) as channels:
        for _ in range(5):
            await clock.advance(seconds=300)
        compactions = [len(each.compacted) for each in channels]
        assert sum(compactions) == 4, compactions  # the first turn has nothing older to discard
        busy = max(channels, key=lambda each: len(each.compacted))
        busy.down = True
        before = sum(compactions)
        for _ in range(3):
            await clock.advance(seconds=300)
        assert sum(len(each.compacted) for each in channels) - before == 3
        busy.down = False
        await clock.advance(seconds=300)
        assert sum(len(each.compacted) for each in channels) - before == 4


async def test_the_count_is_upstreams_key() -> None:
    clock = VirtualClock()
    async with running(clock, 1) as (channel,):
        await clock.advance(seconds=601)
        client = EtcdClient(channel, clock)
        reply = await client.kv.Range(client.pb.RangeRequest(key=KEY))
        assert (reply.kvs[0].key, reply.kvs[0].version) == (b"compact_rev_key", 2)
        assert int(reply.kvs[0].value) == channel.compacted[-1]
