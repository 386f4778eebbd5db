"""Watch: one body for the specification, etcdlite and etcd."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.etcd import EtcdClient, pb

F = pb.WatchCreateRequest
PUT, DELETE = 0, 1


def brief(events: Any) -> list[tuple[str, bytes, int]]:
    """(type, last part of the key, mod revision) of each event."""
    return [("DELETE" if e.type else "PUT", e.kv.key.rpartition(b"/")[2], e.kv.mod_revision) for e in events]


async def test_events_from_now_on(store: EtcdClient, prefix: bytes) -> None:
    await store.put(prefix + b"before", b"")
    base = await store.revision()
    async with store.watching() as watch:
        created = await watch.create(prefix, prefix + b"\xff")
        assert created.created and not created.canceled and created.header.revision == base
        await store.put(prefix + b"a", b"1")
        await store.put(prefix + b"a", b"2")
        await store.delete(prefix + b"a")
        await store.put(b"other-" + prefix, b"")
        events = await watch.events(3)
    assert brief(events) == [("PUT", b"a", base + 1), ("PUT", b"a", base + 2), ("DELETE", b"a", base + 3)]
    assert [(e.kv.value, e.kv.version, e.kv.create_revision) for e in events] == [
        (b"1", 1, base + 1),
        (b"2", 2, base + 1),
        (b"", 0, 0),
    ]
    assert not any(e.HasField("prev_kv") for e in events)


async def test_history_is_replayed_and_then_live(store: EtcdClient, prefix: bytes) -> None:
    base = await store.revision()
    for number in range(5):
        await store.put(prefix + b"k%d" % (number % 2), b"%d" % number)
    await store.delete(prefix, prefix + b"\xff")
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff", start_revision=base + 3)
        assert brief(await watch.events(5)) == [
            ("PUT", b"k0", base + 3),
            ("PUT", b"k1", base + 4),
            ("PUT", b"k0", base + 5),
            ("DELETE", b"k0", base + 6),
            ("DELETE", b"k1", base + 6),
        ]
        await store.put(prefix + b"live", b"")
        assert brief(await watch.events(1)) == [("PUT", b"live", base + 7)]


async def test_start_in_the_future(store: EtcdClient, prefix: bytes) -> None:
    base = await store.revision()
    async with store.watching() as watch:
        await watch.create(prefix + b"k", start_revision=base + 3)
        for number in range(4):
            await store.put(prefix + b"k", b"%d" % number)
        assert [e.kv.value for e in await watch.events(2)] == [b"2", b"3"]


async def test_many_watches_on_one_stream(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        ids = [
            (await watch.create(prefix + b"a")).watch_id,
            (await watch.create(prefix, prefix + b"\xff")).watch_id,
            (await watch.create(prefix + b"b", watch_id=77)).watch_id,
            (await watch.create(prefix + b"a", b"\0")).watch_id,
        ]
        assert ids[:3] == [0, 1, 77] and len(set(ids)) == 4
        await store.put(prefix + b"a", b"")
        heard = {(await watch.next()).watch_id for _ in range(3)}
        assert heard == {ids[0], ids[1], ids[3]}


async def test_watch_ids_must_be_unique(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        await watch.create(prefix, watch_id=5)
        refused = await watch.create(prefix, watch_id=5)
        assert (refused.watch_id, refused.created, refused.canceled) == (-1, True, True)
        assert refused.cancel_reason == "mvcc: duplicate watch ID provided on the WatchStream"


async def test_empty_ranges_are_refused(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        refused = await watch.create(prefix + b"z", prefix + b"a")
        assert (refused.watch_id, refused.canceled) == (-1, True)
        assert refused.cancel_reason == "mvcc: watcher range is empty"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param([F.NOPUT], ["DELETE"], id="no puts"),
        pytest.param([F.NODELETE], ["PUT"], id="no deletes"),
        pytest.param([], ["PUT", "DELETE"], id="all"),
    ],
)
@pytest.mark.parametrize("from_history", [False, True], ids=["live", "history"])
async def test_filters(
    store: EtcdClient, prefix: bytes, filters: list[int], expected: list[str], from_history: bool
) -> None:
    base = await store.revision()

    async def change() -> None:
        await store.put(prefix + b"k", b"")
        await store.delete(prefix + b"k")

    async with store.watching() as watch:
        if from_history:
            await change()
        await watch.create(prefix, prefix + b"\xff", filters=filters, start_revision=base + 1)
        if not from_history:
            await change()
        assert [kind for kind, _, _ in brief(await watch.events(len(expected)))] == expected


@pytest.mark.parametrize("from_history", [False, True], ids=["live", "history"])
async def test_previous_values(store: EtcdClient, prefix: bytes, from_history: bool) -> None:
    base = await store.revision()

    async def change() -> None:
        await store.put(prefix + b"k", b"1")
        await store.put(prefix + b"k", b"2")
        await store.delete(prefix + b"k")

    async with store.watching() as watch:
        if from_history:
            await change()
        await watch.create(prefix + b"k", prev_kv=True, start_revision=base + 1)
        if not from_history:
            await change()
        first, second, third = await watch.events(3)
    assert not first.HasField("prev_kv")
    assert (second.prev_kv.value, second.prev_kv.mod_revision) == (b"1", base + 1)
    assert (third.prev_kv.value, third.prev_kv.version) == (b"2", 2)


async def test_a_transaction_comes_whole(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff")
        await store.txn(success=[pb.PutRequest(key=prefix + b"%03d" % number) for number in range(100)])
        response = await watch.next()
        assert len(response.events) == 100
        assert {e.kv.mod_revision for e in response.events} == {response.header.revision}


async def test_cancel(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        created = await watch.create(prefix, prefix + b"\xff")
        await watch.create(prefix + b"k")
        watch.cancel(created.watch_id)
        canceled = await watch.next()
        assert (canceled.watch_id, canceled.canceled, canceled.compact_revision) == (created.watch_id, True, 0)
        await store.put(prefix + b"k", b"")
        assert (await watch.next()).watch_id != created.watch_id


async def test_compacted_history_cancels(store: EtcdClient, prefix: bytes) -> None:
    base = await store.revision()
    for number in range(4):
        await store.put(prefix + b"k", b"%d" % number)
    await store.compact(base + 3)
    async with store.watching() as watch:
        created = await watch.create(prefix + b"k", start_revision=base + 1)
        assert created.created and not created.canceled
        lost = await watch.next()
        assert (lost.watch_id, lost.canceled, lost.compact_revision) == (created.watch_id, True, base + 3)
        await watch.create(prefix + b"k", start_revision=base + 3)
        assert [e.kv.value for e in await watch.events(2)] == [b"2", b"3"]


async def test_manual_progress(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff")
        await store.put(prefix + b"k", b"")
        await watch.events(1)
        await store.put(b"elsewhere-" + prefix, b"")
        revision = await store.revision()
        watch.request_progress()
        progress = await watch.next()
        assert (list(progress.events), progress.watch_id, progress.header.revision) == ([], -1, revision)


async def test_lease_end_is_one_revision(store: EtcdClient, prefix: bytes) -> None:
    lease = (await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60))).ID
    for name in (b"b", b"a"):
        await store.put(prefix + name, b"", lease=lease)
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff")
        await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))
        response = await watch.next()
        assert [(e.type, e.kv.key[-1:]) for e in response.events] == [(DELETE, b"a"), (DELETE, b"b")]


async def test_a_watcher_hears_before_the_writer_returns(store: EtcdClient, prefix: bytes) -> None:
    """Held strictly in process; over a socket the event is on its way, which `next` waits for."""
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff")
        for number in range(20):
            reply = await store.put(prefix + b"k", b"%d" % number)
            response = await watch.next()
            assert response.events[-1].kv.mod_revision == reply.header.revision
