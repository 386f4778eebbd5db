"""Watch: one body for the specification, etcdlite and etcd."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tests.support.etcd import EtcdClient, WatchSession, etcd_version, pb

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


async def test_history_that_has_only_just_happened(store: EtcdClient, prefix: bytes) -> None:
    """The newest revision is past for who starts there, and the next one is not."""
    for number in range(1, 4):
        newest = (await store.put(prefix + b"k", b"%d" % number)).header.revision
        async with store.watching() as watch, store.watching() as next_watch:
            await watch.create(prefix + b"k", start_revision=newest)
            await next_watch.create(prefix + b"k", start_revision=newest + 1)
            assert brief(await watch.events(1)) == [("PUT", b"k", newest)]
            await store.put(prefix + b"k")
            for each in (watch, next_watch):
                assert brief(await each.events(1)) == [("PUT", b"k", newest + 1)]


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


async def test_headers_of_events(store: EtcdClient, prefix: bytes) -> None:
    """History comes with the newest revision of the store, however many responses it takes; news with their own."""
    base = await store.revision()
    for number in range(150):
        await store.put(prefix + b"k", b"%d" % number)
    newest = (await store.put(prefix + b"other")).header.revision
    async with store.watching() as watch:
        await watch.create(prefix + b"k", start_revision=base + 1)
        heard = base
        while heard < base + 150:
            response = await watch.next()
            assert response.header.revision == newest
            heard = response.events[-1].kv.mod_revision
        for _ in range(3):
            written = (await store.put(prefix + b"k")).header.revision
            await store.put(prefix + b"other")
            assert (await watch.next()).header.revision == written


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


async def test_ids_are_chosen_and_used_again(store: EtcdClient, prefix: bytes) -> None:
    """The server counts up and leaves out what is taken; an id is free once its watch was cancelled."""
    async with store.watching() as watch:
        assert (await watch.create(prefix, watch_id=1)).watch_id == 1
        assert [(await watch.create(prefix)).watch_id for _ in range(3)] == [0, 2, 3]
        watch.cancel(0)
        assert (await watch.next()).canceled
        assert (await watch.create(prefix)).watch_id == 4, "it does not go back"
        watch.cancel(1)
        assert (await watch.next()).canceled
        assert (await watch.create(prefix, watch_id=1)).watch_id == 1
        assert (await watch.create(prefix, watch_id=-5)).watch_id == -5
        refused = await watch.create(prefix, watch_id=-5)
        assert (refused.watch_id, refused.created, refused.canceled) == (-1, True, True)


async def test_cancelling_what_is_not_there_says_nothing(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        for watch_id in (0, 7, -1):
            watch.cancel(watch_id)
        await watch.create(prefix + b"k")
        watch.cancel(0)
        assert (await watch.next()).canceled
        watch.cancel(0)
        assert (await watch.create(prefix + b"k", watch_id=9)).watch_id == 9, "nothing came before it"


@pytest.mark.parametrize("revision", [-1, -(2**63)])
async def test_negative_revisions_are_refused(
    store: EtcdClient, prefix: bytes, revision: int, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["store"] == "etcd" and etcd_version() < (3, 5):
        pytest.skip("etcd 3.4 names the id that was asked for")
    async with store.watching() as watch:
        refused = await watch.create(prefix, start_revision=revision, watch_id=3)
        assert (refused.watch_id, refused.created, refused.canceled, refused.compact_revision) == (-1, True, True, 0)
        assert refused.cancel_reason == "etcdserver: mvcc: required revision has been compacted"
        assert (await watch.create(prefix, watch_id=3)).watch_id == 3


async def test_a_watch_that_lost_its_history_keeps_its_id_until_cancelled(store: EtcdClient, prefix: bytes) -> None:
    """As etcd has it: the header names no revision, and no reason is given beside the compacted revision."""
    base = await store.revision()
    for _ in range(3):
        await store.put(prefix + b"k")
    await store.compact(base + 3)
    async with store.watching() as watch:
        await watch.create(prefix + b"k", start_revision=base + 1, watch_id=4)
        lost = await watch.next()
        assert (lost.watch_id, lost.canceled, lost.created, lost.compact_revision) == (4, True, False, base + 3)
        assert (lost.header.revision, lost.cancel_reason) == (0, "")
        refused = await watch.create(prefix + b"k", watch_id=4)
        assert refused.cancel_reason == "mvcc: duplicate watch ID provided on the WatchStream"
        watch.cancel(4)
        canceled = await watch.next()
        assert (canceled.watch_id, canceled.canceled, canceled.compact_revision) == (4, True, 0)
        assert (await watch.create(prefix + b"k", watch_id=4)).watch_id == 4


async def test_everything_and_everything_from_a_key_on(store: EtcdClient, prefix: bytes) -> None:
    """An empty key is the lowest, and watching a key whose name begins another's does not hear of that."""
    async with store.watching() as watch:
        for watch_id, (key, end) in enumerate(
            ((b"", b"\0"), (prefix + b"b", b"\0"), (prefix + b"b", b""), (b"", b"")), 1
        ):
            assert (await watch.create(key, end, watch_id=watch_id)).created
        heard: dict[int, list[bytes]] = {1: [], 2: [], 3: [], 4: []}
        last = 0
        for name in (b"a", b"b", b"b0", b"c"):
            last = (await store.put(prefix + name)).header.revision
        while sum(len(names) for names in heard.values()) < 8:
            response = await watch.next()
            heard[response.watch_id] += [event.kv.key.removeprefix(prefix) for event in response.events]
            assert response.header.revision <= last
    assert heard == {1: [b"a", b"b", b"b0", b"c"], 2: [b"b", b"b0", b"c"], 3: [b"b"], 4: []}


async def test_previous_values_are_there_as_far_as_history_is(store: EtcdClient, prefix: bytes) -> None:
    """The value before the compacted revision is gone, and is not told; the event itself is."""
    base = await store.revision()
    for number in range(4):
        await store.put(prefix + b"k", b"%d" % number)
    await store.compact(base + 3, physical=True)
    async with store.watching() as watch:
        await watch.create(prefix + b"k", prev_kv=True, start_revision=base + 3)
        third, fourth = await watch.events(2)
        assert (third.kv.value, third.HasField("prev_kv")) == (b"2", False)
        assert (fourth.kv.value, fourth.prev_kv.value) == (b"3", b"2")
        await store.compact(base + 4, physical=True)
        await store.put(prefix + b"k", b"4")
        (fifth,) = await watch.events(1)
        assert fifth.prev_kv.value == b"3", "a live watch has it whatever is compacted"


@pytest.mark.parametrize("from_history", [False, True], ids=["live", "history"])
async def test_large_revisions_come_in_fragments(
    store: EtcdClient, prefix: bytes, from_history: bool, request: pytest.FixtureRequest
) -> None:
    """To who asks: all but the last say that more follows, each fits into a message, together they are the revision."""
    base = await store.revision()
    names, value = [prefix + b"%d" % number for number in range(6)], b"v" * 400_000

    async def change() -> None:
        for some in (names[:3], names[3:]):
            await store.txn(success=[pb.PutRequest(key=name, value=value) for name in some])
        await store.delete(prefix, prefix + b"\xff")

    async def hear(watch: WatchSession) -> list[Any]:
        responses = [await watch.next()]
        while responses[-1].fragment or responses[-1].events[-1].kv.mod_revision < base + 3:
            responses.append(await watch.next())
        return responses

    if from_history:
        await change()
    async with store.watching() as split, store.watching() as whole:
        for watch, fragment in ((split, True), (whole, False)):
            await watch.create(prefix, prefix + b"\xff", start_revision=base + 1, fragment=fragment, prev_kv=True)
        if not from_history:
            await change()
        parts, responses = await hear(split), await hear(whole)
    events = [event for response in responses for event in response.events]
    assert [event for part in parts for event in part.events] == events and len(events) == 12
    assert not any(response.fragment for response in responses)
    if request.node.callspec.params["store"] != "spec":  # which cuts nothing
        assert any(part.fragment for part in parts)
        assert all(part.ByteSize() < 2 * 1024 * 1024 for part in parts)


async def test_progress_is_not_told_without_a_watch(store: EtcdClient, prefix: bytes) -> None:
    async with store.watching() as watch:
        watch.request_progress()
        created = await watch.create(prefix)
        if not created.created:
            created = await watch.next()  # etcd 3.4 answers
        assert created.created
        watch.request_progress()
        assert (await watch.next()).watch_id == -1


async def test_progress_is_not_told_to_a_watch_that_begins_later(
    store: EtcdClient, prefix: bytes, request: pytest.FixtureRequest
) -> None:
    """It would set a client back that takes it for where to resume."""
    if request.node.callspec.params["store"] == "etcd" and etcd_version() < (3, 5, 8):
        pytest.skip("etcd before 3.5.8 tells of revisions before the watch begins")
    base = await store.revision()
    async with store.watching() as watch:
        await watch.create(prefix, watch_id=1)
        await watch.create(prefix, watch_id=2, start_revision=base + 3)
        watch.request_progress()
        watch.cancel(2)
        assert (await watch.next()).canceled
        watch.request_progress()
        assert (await watch.next()).watch_id == -1


async def test_a_key_deleted_and_made_anew_in_one_revision(
    store: EtcdClient, prefix: bytes, request: pytest.FixtureRequest
) -> None:
    """Which a transaction may do that deletes everything from a key on: two events, and the key is a new one."""
    base = (await store.put(prefix + b"k", b"old")).header.revision
    both = [("DELETE", b"k", base + 1), ("PUT", b"k", base + 1), ("PUT", b"k", base + 2)]

    async def check(watch: WatchSession) -> None:
        events = await watch.events(3)
        assert brief(events) == both
        assert [event.prev_kv.value for event in events] == [b"old", b"", b"new"]
        assert not events[1].HasField("prev_kv")
        assert [(event.kv.create_revision, event.kv.version) for event in events[1:]] == [(base + 1, 1), (base + 1, 2)]

    async with store.watching() as live, store.watching() as late:
        await live.create(prefix, prefix + b"\xff", prev_kv=True)
        await store.txn(
            success=[pb.DeleteRangeRequest(key=prefix, range_end=b"\0"), pb.PutRequest(key=prefix + b"k", value=b"new")]
        )
        await store.put(prefix + b"k", b"newer")
        await check(live)
        await late.create(prefix, prefix + b"\xff", prev_kv=True, start_revision=base + 1)
        await check(late)
    if request.node.callspec.params["store"] == "etcd":
        return  # to read that revision ends etcd 3.5.30
    assert [kv.value for kv in (await store.get(prefix + b"k", revision=base + 1)).kvs] == [b"new"]
    await store.compact(base + 1, physical=True)
    assert [kv.value for kv in (await store.get(prefix + b"k", revision=base + 1)).kvs] == [b"new"]
    assert (await store.get(prefix + b"k")).kvs[0].create_revision == base + 1


async def test_a_client_that_says_no_more_hears_on(store: EtcdClient, prefix: bytes) -> None:
    """Closing the sending side ends no watch."""

    async def requests() -> Any:
        yield pb.WatchRequest(create_request=F(key=prefix + b"k"))

    base = await store.revision()
    async with contextlib.aclosing(store.watches.Watch(requests())) as replies:
        assert (await anext(replies)).created
        for number in range(3):
            await store.put(prefix + b"k", b"%d" % number)
            assert brief((await anext(replies)).events) == [("PUT", b"k", base + number + 1)]
