"""Leases: one body for the specification, etcdlite and etcd; what time does to them, and what a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from machinery.rpc import Code, RpcError
from tests.support.etcd import EtcdClient, EtcdliteProcess, EtcdProcess, etcd_binary, pb

ALIVE, TOLD, REVOKE = pb.LeaseKeepAliveRequest, pb.LeaseTimeToLiveRequest, pb.LeaseRevokeRequest


async def grant(store: EtcdClient, ttl: int = 60) -> int:
    return int((await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl))).ID)


async def told(store: EtcdClient, lease: int) -> Any:
    return await store.leases.LeaseTimeToLive(TOLD(ID=lease, keys=True))


class KeepAlive:
    """One LeaseKeepAlive stream."""

    def __init__(self, store: EtcdClient) -> None:
        self._requests: asyncio.Queue[int | None] = asyncio.Queue()
        self._replies = store.leases.LeaseKeepAlive(self._send())

    async def _send(self) -> AsyncIterator[Any]:
        while (lease := await self._requests.get()) is not None:
            yield ALIVE(ID=lease)

    async def __call__(self, lease: int) -> Any:
        self._requests.put_nowait(lease)
        async with asyncio.timeout(5):
            return await anext(self._replies)

    async def end(self) -> int:
        """Close our side; how many more replies came before the server's end."""
        self._requests.put_nowait(None)
        async with asyncio.timeout(5):
            return len([reply async for reply in self._replies])


@contextlib.asynccontextmanager
async def keep_alive(store: EtcdClient) -> AsyncIterator[KeepAlive]:
    stream = KeepAlive(store)
    try:
        yield stream
    finally:
        await stream._replies.aclose()


async def test_many_leases_on_one_stream(store: EtcdClient) -> None:
    leases = [await grant(store, ttl) for ttl in (30, 60, 90)]
    async with keep_alive(store) as alive:
        for lease, ttl in (*zip(leases, (30, 60, 90), strict=True), (424242, 0), (leases[0], 30), (0, 0), (-7, 0)):
            reply = await alive(lease)
            assert (lease, ttl) == (reply.ID, reply.TTL)
            assert reply.header.revision == await store.revision()
        await store.leases.LeaseRevoke(REVOKE(ID=leases[1]))
        assert (await alive(leases[1])).TTL == 0
        assert await alive.end() == 0


async def test_a_key_hangs_on_one_lease_at_most(store: EtcdClient, prefix: bytes) -> None:
    first, second = await grant(store), await grant(store)
    await store.put(prefix + b"k", lease=first)
    await store.put(prefix + b"k", lease=second)
    assert (list((await told(store, first)).keys), list((await told(store, second)).keys)) == ([], [prefix + b"k"])
    await store.leases.LeaseRevoke(REVOKE(ID=first))
    assert (await store.get(prefix + b"k")).kvs[0].lease == second
    await store.put(prefix + b"k")
    await store.leases.LeaseRevoke(REVOKE(ID=second))
    assert (await store.get(prefix + b"k")).kvs[0].version == 3


async def test_the_keys_of_a_lease_go_in_one_revision(store: EtcdClient, prefix: bytes) -> None:
    lease = await grant(store)
    names = [b"%b%02d" % (prefix, number) for number in (7, 3, 9, 1)]
    await store.txn(success=[pb.PutRequest(key=name, lease=lease) for name in names])
    await store.put(prefix + b"other")
    base = await store.revision()
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff", prev_kv=True)
        revoked = await store.leases.LeaseRevoke(REVOKE(ID=lease))
        response = await watch.next()
    assert revoked.header.revision == base + 1
    assert [event.kv.key for event in response.events] == sorted(names), "in the order of the keys"
    assert {event.kv.mod_revision for event in response.events} == {base + 1}
    assert {event.prev_kv.lease for event in response.events} == {lease}


async def test_revoking_a_lease_without_keys_takes_no_revision(store: EtcdClient) -> None:
    lease, base = await grant(store), await store.revision()
    assert (await store.leases.LeaseRevoke(REVOKE(ID=lease))).header.revision == base
    with pytest.raises(RpcError) as raised:
        await store.leases.LeaseRevoke(REVOKE(ID=lease))
    assert (raised.value.code, raised.value.message) == (Code.NOT_FOUND, "etcdserver: requested lease not found")


async def test_ids_that_the_server_chooses(store: EtcdClient) -> None:
    leases = [await grant(store) for _ in range(20)]
    assert len(set(leases)) == 20 and min(leases) > 0
    listed = [lease.ID for lease in (await store.leases.LeaseLeases(pb.LeaseLeasesRequest())).leases]
    assert set(leases) <= set(listed)


async def test_time_takes_a_lease_and_its_keys(
    store: EtcdClient, prefix: bytes, request: pytest.FixtureRequest
) -> None:
    """In one revision; what is renewed or moved meanwhile stays."""
    if request.node.callspec.params["store"] not in ("grpc", "etcd"):
        return  # time does not run in the specification; in process it is a virtual clock's, in the unit tests
    short, renewed = await grant(store, 1), await grant(store, 1)
    assert (await told(store, short)).grantedTTL == 2, "the shortest there is"
    await store.put(prefix + b"a", lease=short)
    await store.put(prefix + b"b", lease=short)
    await store.put(prefix + b"moved", lease=short)
    await store.put(prefix + b"moved", lease=renewed)
    async with store.watching() as watch, keep_alive(store) as alive:
        await watch.create(prefix, prefix + b"\xff")

        async def renew() -> None:
            while True:
                assert (await alive(renewed)).TTL == 2
                await asyncio.sleep(0.3)

        renewing = asyncio.create_task(renew())
        response = await watch.next(within=15)
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing
    assert [event.kv.key for event in response.events] == [prefix + b"a", prefix + b"b"]
    gone = await told(store, short)
    assert (gone.TTL, gone.grantedTTL, list(gone.keys)) == (-1, 0, [])
    with pytest.raises(RpcError, match="requested lease not found"):
        await store.put(prefix + b"late", lease=short)
    assert (await store.get(prefix + b"moved")).count == 1


@pytest.mark.e2e
@pytest.mark.parametrize("kind", ["etcdlite", "etcd"])
async def test_leases_and_their_keys_survive_a_kill(kind: str, tmp_path: Path) -> None:
    if kind == "etcd" and etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    process = EtcdliteProcess(tmp_path) if kind == "etcdlite" else EtcdProcess(tmp_path)
    process.start()
    try:
        store = process.client()
        lease, other, ended = await grant(store, 500), await grant(store, 400), await grant(store, 300)
        for key, holder in ((b"a", lease), (b"b", lease), (b"moved", lease), (b"moved", other), (b"c", ended)):
            await store.put(key, lease=holder)
        await store.put(b"b", b"free")
        await store.leases.LeaseRevoke(REVOKE(ID=ended))
        await store.channel.close()
        process.kill()
        process.start()
        store = process.client()
        listed = await store.leases.LeaseLeases(pb.LeaseLeasesRequest())
        assert [each.ID for each in listed.leases] == [other, lease]
        kept = await told(store, lease)
        assert (kept.grantedTTL, list(kept.keys), 490 <= kept.TTL <= 500) == (500, [b"a"], True)
        assert list((await told(store, other)).keys) == [b"moved"]
        assert (await told(store, ended)).TTL == -1
        await store.leases.LeaseRevoke(REVOKE(ID=lease))
        assert [kv.key for kv in (await store.get(b"a", b"z")).kvs] == [b"b", b"moved"]
        await store.channel.close()
    finally:
        process.kill()
