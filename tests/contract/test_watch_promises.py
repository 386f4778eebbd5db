"""What a watch promises, under the names of etcd's robustness tests: one test for each, on every store.

Writers write while the watches are there: single puts, transactions of several keys, deletions of ranges; and watches
begin before, in the middle and in the past.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.answers import comparable
from tests.support.etcd import EtcdClient, WatchSession, etcd_version, pb

REVISIONS = 60
P, D, F = pb.PutRequest, pb.DeleteRangeRequest, pb.WatchCreateRequest


async def write(
    store: EtcdClient, prefix: bytes, *, revisions: int = REVISIONS, seed: int = 1
) -> dict[int, list[bytes]]:
    """Change keys in so many revisions; for each, the keys that it changed, in its order."""
    chance = random.Random(seed)
    taken: dict[int, list[bytes]] = {}
    while len(taken) < revisions:
        keys = [b"%b%02d" % (prefix, number) for number in chance.sample(range(12), 5)]
        value = b"%d" % len(taken)
        kind = chance.randrange(3)
        if kind == 0:
            reply, changed = await store.put(keys[0], value), keys[:1]
        elif kind == 1:
            reply = await store.txn(success=[*(P(key=key, value=value) for key in keys[:4]), D(key=keys[4])])
            changed = keys if reply.responses[4].response_delete_range.deleted else keys[:4]
        else:
            reply = await store.delete(min(keys), max(keys), prev_kv=True)
            changed = [kv.key for kv in reply.prev_kvs]
        if changed:
            taken[reply.header.revision] = changed
    return taken


async def hear(watch: WatchSession, last: int) -> list[Any]:
    """The responses with events, up to the one with the event of revision `last`."""
    responses: list[Any] = []
    while not responses or responses[-1].events[-1].kv.mod_revision < last:
        response = await watch.next()
        if response.events:
            responses.append(response)
    return responses


def events_of(responses: list[Any]) -> list[Any]:
    return [event for response in responses for event in response.events]


async def watched(store: EtcdClient, prefix: bytes, *, live: bool) -> tuple[dict[int, list[bytes]], list[Any]]:
    """What was written, and the responses of a watch to it. live: it was there before; else it begins in the past, and
    half of the writes come after."""
    base = await store.revision()
    taken = {} if live else await write(store, prefix, revisions=REVISIONS // 2)
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff", start_revision=base + 1, prev_kv=True)
        taken |= await write(store, prefix, revisions=REVISIONS // 2, seed=2)
        return taken, await hear(watch, max(taken))


both_ways = pytest.mark.parametrize("live", [True, False], ids=["live", "from the past"])


@both_ways
async def test_ordered(store: EtcdClient, prefix: bytes, live: bool) -> None:
    """Events come in the order of their revisions, and inside one in the order of the transaction."""
    taken, responses = await watched(store, prefix, live=live)
    events = [(event.kv.mod_revision, event.kv.key) for event in events_of(responses)]
    place = {(revision, key): (revision, at) for revision, keys in taken.items() for at, key in enumerate(keys)}
    assert events == sorted(events, key=lambda event: place[event])


@both_ways
async def test_unique(store: EtcdClient, prefix: bytes, live: bool) -> None:
    """No event comes twice on one watch, also where its history ends and the news begin."""
    _, responses = await watched(store, prefix, live=live)
    events = [(event.kv.mod_revision, event.kv.key) for event in events_of(responses)]
    assert len(events) == len(set(events))


@both_ways
async def test_reliable(store: EtcdClient, prefix: bytes, live: bool) -> None:
    """No event is left out, and each tells what the key became and what it was."""
    taken, responses = await watched(store, prefix, live=live)
    events = events_of(responses)
    assert {(event.kv.mod_revision, event.kv.key) for event in events} == {
        (revision, key) for revision, keys in taken.items() for key in keys
    }
    for event in events:
        after = await store.get(event.kv.key, revision=event.kv.mod_revision)
        before = await store.get(event.kv.key, revision=event.kv.mod_revision - 1)
        assert list(after.kvs) == ([] if event.type else [event.kv])
        assert list(before.kvs) == ([event.prev_kv] if event.HasField("prev_kv") else [])


@both_ways
async def test_atomic(store: EtcdClient, prefix: bytes, live: bool) -> None:
    """All events of a revision come in one response."""
    _, responses = await watched(store, prefix, live=live)
    ends = [(response.events[0].kv.mod_revision, response.events[-1].kv.mod_revision) for response in responses]
    for (_, before), (after, _) in itertools.pairwise(ends):
        assert before < after
    assert all(response.header.revision >= end for response, (_, end) in zip(responses, ends, strict=True))


async def test_atomic_where_history_is_long(store: EtcdClient, prefix: bytes) -> None:
    """Also where it is read in pieces, which end anywhere."""
    base = await store.revision()
    for number in range(200):
        await store.txn(success=[P(key=b"%b%d" % (prefix, key), value=b"%d" % number) for key in range(7)])
    async with store.watching() as watch:
        await watch.create(prefix, prefix + b"\xff", start_revision=base + 1)
        responses = await hear(watch, base + 200)
    whole = [[event.kv.mod_revision for event in response.events] for response in responses]
    assert [revision for revisions in whole for revision in revisions] == sorted([*range(base + 1, base + 201)] * 7)
    assert all(revisions.count(revisions[0]) == revisions.count(revisions[-1]) == 7 for revisions in whole)


async def test_resumable(store: EtcdClient, prefix: bytes) -> None:
    """A watch that broke anywhere, and goes on after the revision it heard, misses nothing and hears nothing twice."""
    _, responses = await watched(store, prefix, live=True)
    events = events_of(responses)
    for broke in range(0, len(events) - 1, 7):
        resumed = events[broke].kv.mod_revision + 1
        rest = [comparable(event) for event in events if event.kv.mod_revision >= resumed]
        if rest:
            async with store.watching() as watch:
                await watch.create(prefix, prefix + b"\xff", start_revision=resumed, prev_kv=True)
                heard = events_of(await hear(watch, events[-1].kv.mod_revision))
            assert [comparable(event) for event in heard] == rest


async def test_not_resumable_where_history_is_gone(store: EtcdClient, prefix: bytes) -> None:
    """It is then told so, with the first revision that can be had; never given a part."""
    taken = list(await write(store, prefix))
    middle = taken[len(taken) // 2]
    await store.compact(middle)
    async with store.watching() as watch:
        created = await watch.create(prefix, prefix + b"\xff", start_revision=taken[0], watch_id=7)
        assert created.created and not created.canceled
        lost = await watch.next()
        assert (lost.watch_id, lost.canceled, lost.compact_revision, len(lost.events)) == (7, True, middle, 0)
        await watch.create(prefix, prefix + b"\xff", start_revision=lost.compact_revision + 1)
        heard = events_of(await hear(watch, taken[-1]))
        assert {event.kv.mod_revision for event in heard} == set(taken[len(taken) // 2 + 1 :])


async def test_bookmarkable(store: EtcdClient, prefix: bytes, request: pytest.FixtureRequest) -> None:
    """A progress notification comes after every event up to its revision, with many watches and many writers."""
    if request.node.callspec.params["store"] == "etcd" and etcd_version() < (3, 5, 8):
        pytest.skip("etcd before 3.5.8 answers progress requests ahead of events")
    base = await store.revision()
    await write(store, prefix, revisions=100, seed=9)
    async with store.watching() as watch:

        async def ask() -> Any:
            watch.request_progress()
            with contextlib.suppress(TimeoutError):  # etcd is silent while a watch is behind
                return await watch.next(within=0.3)

        for number in range(4):
            start = 0 if number % 2 else base + 1
            create = F(
                key=b"%b%02d" % (prefix, 3 * number),
                range_end=b"%b%02d" % (prefix, 3 * number + 3),
                start_revision=start,
            )
            watch.requests.put_nowait(pb.WatchRequest(create_request=create))
        writers = asyncio.gather(*(write(store, prefix, revisions=20, seed=seed) for seed in range(3)))
        heard = bookmarks = 0
        late: list[tuple[int, int]] = []
        while not writers.done() or bookmarks < 5:
            response = await ask()
            if response is None or response.created:
                continue
            if response.events:
                revision = response.events[0].kv.mod_revision
                late += [(revision, heard)] if revision <= heard else []
            else:
                assert response.watch_id == -1
                heard = max(heard, response.header.revision)
                bookmarks += 1
            await asyncio.sleep(0)
        await writers
        assert not late, "an event came after the bookmark of its revision"
        newest = await store.revision()
        while heard < newest:
            response = await ask()
            heard = max(heard, 0 if response is None or response.events else response.header.revision)


async def test_bookmarks_wait_their_turn(store: EtcdClient, prefix: bytes, request: pytest.FixtureRequest) -> None:
    """A client that does not read yet finds the events first, and the bookmark asked for after them behind them."""
    if request.node.callspec.params["store"] == "etcd" and etcd_version() < (3, 5, 8):
        pytest.skip("etcd before 3.5.8 answers progress requests ahead of events")
    requests: asyncio.Queue[Any] = asyncio.Queue()

    async def send() -> AsyncIterator[Any]:
        while True:
            yield await requests.get()

    requests.put_nowait(pb.WatchRequest(create_request=F(key=prefix, range_end=prefix + b"\xff")))
    async with contextlib.aclosing(store.watches.Watch(send())) as replies, asyncio.timeout(10):
        assert (await anext(replies)).created
        newest = max(await write(store, prefix))
        requests.put_nowait(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))
        await store.get(prefix)  # the request is on its way
        for _ in range(20):
            await asyncio.sleep(0)
        heard = 0
        while True:
            response = await anext(replies)
            if not response.events:
                break
            heard = response.events[-1].kv.mod_revision
        assert (response.watch_id, response.header.revision, heard) == (-1, newest, newest)
