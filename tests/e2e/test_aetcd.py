"""aetcd, an etcd client that knows nothing of us, against `python -m etcdlite`; the same against a real etcd."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.etcd import EtcdliteProcess, EtcdProcess, etcd_binary

aetcd = pytest.importorskip("aetcd")

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["etcdlite", "etcd"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "etcd" and etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    process = EtcdliteProcess(tmp_path) if request.param == "etcdlite" else EtcdProcess(tmp_path)
    process.start()
    client = aetcd.Client(host="127.0.0.1", port=process.port, timeout=10)
    await client.connect()
    try:
        yield client
    finally:
        await client.close()
        process.kill()


async def test_keys(client: Any) -> None:
    assert await client.get(b"k") is None
    first = await client.put(b"k", b"1")
    second = await client.put(b"k", b"2", prev_kv=True)
    assert (second.prev_kv.value, second.header.revision) == (b"1", first.header.revision + 1)
    found = await client.get(b"k")
    assert (found.value, found.version, found.create_revision) == (b"2", 2, first.header.revision)
    for name in (b"p/b", b"p/a", b"q"):
        await client.put(name, name)
    assert [kv.key for kv in await client.get_prefix(b"p/", sort_order="descend")] == [b"p/b", b"p/a"]
    assert [kv.key for kv in await client.get_range(b"k", b"p/b")] == [b"k", b"p/a"]
    assert next((kv.key, kv.value) for kv in await client.get_all(keys_only=True)) == (b"k", b"")
    assert await client.replace(b"k", b"2", b"3") is True
    assert await client.replace(b"k", b"2", b"4") is False
    assert (await client.delete(b"k", prev_kv=True)).prev_kv.value == b"3"
    assert await client.delete(b"k") is None
    assert (await client.delete_prefix(b"p/")).deleted == 2
    await client.compact(6, physical=True)
    with pytest.raises(aetcd.ClientError, match="required revision has been compacted"):
        await client.compact(5)
    with pytest.raises(aetcd.InvalidArgumentError, match="key is not provided"):
        await client.put(b"", b"")


async def test_transactions(client: Any) -> None:
    t = client.transactions
    await client.put(b"a", b"1")
    done, told = await client.transaction(
        compare=[t.value(b"a") == b"1", t.version(b"a") > 0, t.create(b"b") == 0],
        success=[t.put(b"b", b"2"), t.get(b"b"), t.delete(b"a")],
        failure=[t.put(b"never", b"")],
    )
    assert done is True and len(told) == 3
    done, told = await client.transaction(compare=[t.version(b"b") > 1], success=[], failure=[t.get(b"b")])
    assert done is False and told[0][0][0] == b"2"
    with pytest.raises(aetcd.InvalidArgumentError, match="duplicate key given in txn request"):
        await client.transaction(compare=[], success=[t.put(b"c", b"1"), t.put(b"c", b"2")], failure=[])


async def test_watches(client: Any) -> None:
    await client.put(b"w/a", b"0")
    newest = (await client.put(b"w/a", b"1")).header.revision
    watch = await client.watch_prefix(b"w/", start_revision=newest - 1, prev_kv=True)
    puts = await client.watch(b"w/b", kind=aetcd.EventKind.PUT)
    heard: list[tuple[Any, bytes, bytes]] = []

    async def hear(count: int) -> None:
        async with asyncio.timeout(5):
            async for event in watch:
                heard.append((event.kind, event.kv.key, event.kv.value))
                if len(heard) >= count:
                    return

    await hear(2)
    await client.put(b"w/b", b"2")
    await client.delete(b"w/b")
    await hear(4)
    put, deleted = aetcd.EventKind.PUT, aetcd.EventKind.DELETE
    assert heard == [(put, b"w/a", b"0"), (put, b"w/a", b"1"), (put, b"w/b", b"2"), (deleted, b"w/b", b"")]
    async with asyncio.timeout(5):
        assert (await anext(aiter(puts))).kv.value == b"2"
    await watch.cancel()
    await puts.cancel()
    once = asyncio.create_task(client.watch_once(b"w/c", timeout=5, start_revision=newest + 3))
    await client.put(b"w/c", b"3")
    assert (await once).kv.value == b"3"


async def test_leases_and_locks(client: Any) -> None:
    lease = await client.lease(60)
    assert lease.ttl == 60
    await client.put(b"held", b"1", lease=lease)
    assert [key async for key in _each(await lease.keys())] == [b"held"]
    assert await lease.granted_ttl() == 60 and await lease.remaining_ttl() > 50
    assert (await lease.refresh()).TTL == 60
    with pytest.raises(aetcd.DuplicateLeaseError):
        await client.lease(60, lease_id=lease.id)
    await lease.revoke()
    assert await client.get(b"held") is None
    order: list[int] = []

    async def enter(number: int) -> None:
        async with client.lock(b"lock", ttl=20) as lock:
            assert await lock.is_acquired()
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    async with asyncio.timeout(10):
        await asyncio.gather(*(enter(number) for number in range(4)))
    assert sorted(order) == [0, 0, 1, 1, 2, 2, 3, 3] and order[::2] == order[1::2], "one after the other"


async def _each(items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def test_the_server(client: Any) -> None:
    status = await client.status()
    assert status.version.split(".")[0] == "3" and status.db_size > 0
    assert status.leader.id == next(iter([member async for member in client.members()])).id
    assert status.leader.client_urls[0].startswith("http://127.0.0.1:")
    assert [alarm async for alarm in client.list_alarms()] == []
    assert isinstance(await client.hash(), int)
    await client.defragment()
    saved = io.BytesIO()
    await client.snapshot(saved)
    assert len(saved.getvalue()) > 4096
