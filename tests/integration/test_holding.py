"""One cluster per store and prefix, over every kind of store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from machinery.rpc import Channel, Stub
from pilothouse import Cluster
from pilothouse import holding as module
from pilothouse.holding import StoreTaken
from protos.pool import messages

pb = messages("etcdserverpb")
PREFIX = "/held"


@asynccontextmanager
async def held(store: Channel, holder: str, prefix: str = PREFIX) -> AsyncIterator[Cluster]:
    cluster = Cluster(etcd=store, etcd_prefix=prefix, holder=holder, controllers=(), scheduler=False, agents=False)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


async def holders(store: Channel) -> list[bytes]:
    reply = await Stub(store, "etcdserverpb.KV").Range(pb.RangeRequest(key=b"/held/pilothouse/up"))
    return [kv.value for kv in reply.kvs]


async def test_a_second_cluster_on_the_same_keys_does_not_start(store: Channel) -> None:
    async with held(store, "one"):
        with pytest.raises(StoreTaken, match="one runs on the same keys"):
            async with held(store, "two"):
                pass
        assert await holders(store) == [b"one"]
        async with held(store, "two", prefix="/held-elsewhere"):
            pass
    assert await holders(store) == []
    async with held(store, "two"):
        assert await holders(store) == [b"two"]


async def test_the_next_life_of_who_was_killed_starts_at_once(store: Channel) -> None:
    lease = await Stub(store, "etcdserverpb.Lease").LeaseGrant(pb.LeaseGrantRequest(TTL=60))
    left = pb.PutRequest(key=b"/held/pilothouse/up", value=b"one", lease=lease.ID)
    await Stub(store, "etcdserverpb.KV").Put(left)
    with pytest.raises(StoreTaken):
        async with held(store, "two"):
            pass
    async with held(store, "one"):
        # The lease of the life before ends without an effect on this one.
        await Stub(store, "etcdserverpb.Lease").LeaseRevoke(pb.LeaseRevokeRequest(ID=lease.ID))
        assert await holders(store) == [b"one"]


async def test_a_lease_that_ran_out_is_taken_anew(store: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.05)
    async with held(store, "one"):
        found = await Stub(store, "etcdserverpb.KV").Range(pb.RangeRequest(key=b"/held/pilothouse/up"))
        session = Stub(store, "etcdserverpb.Watch").Watch(_from(found.header.revision + 1))
        await anext(session)
        await Stub(store, "etcdserverpb.Lease").LeaseRevoke(pb.LeaseRevokeRequest(ID=found.kvs[0].lease))
        async with asyncio.timeout(5):
            values = [event.kv.value for _ in range(2) for event in (await anext(session)).events]
        assert values == [b"", b"one"]
        await session.aclose()


async def _from(revision: int) -> AsyncIterator[object]:
    create = pb.WatchCreateRequest(key=b"/held/pilothouse/up", start_revision=revision)
    yield pb.WatchRequest(create_request=create)
    await asyncio.Event().wait()
