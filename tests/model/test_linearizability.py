"""Histories of many concurrent clients of one server that is killed again and again; and proof that the checks see.

`LINEARIZABILITY=20` records that many histories; the suite records one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinery.rpc import RpcError
from tests.model.linearizability import Event, Operation, Violation, check_register, check_revisions
from tests.support.etcd import EtcdClient, EtcdliteProcess, EtcdProcess, StoreProcess, etcd_binary, pb

HISTORIES = int(os.environ.get("LINEARIZABILITY", "1"))
CLIENTS = 10
KEYS = (b"a", b"b", b"c")
KILLS = 2
BETWEEN_KILLS = 250
"""Answers to all clients together from one kill to the next."""


# ---- recording ----------------------------------------------------------------------------------------------------


class Recorder:
    """Clients of one server, and what they asked and were told."""

    def __init__(self, process: StoreProcess, seed: int) -> None:
        self.process = process
        self.operations: list[Operation] = []
        self.random = random.Random(seed)
        self.answered = 0
        self.enough = asyncio.Condition()
        self.serving = asyncio.Event()
        self.ended = False
        self.written = 0
        self.followed: list[Event] = []

    async def run(self) -> list[Event]:
        """Record; returns the store's own history at the end."""
        self.process.start()
        self.serving.set()
        clients = [asyncio.create_task(self._client(random.Random(self.random.random()))) for _ in range(CLIENTS)]
        follower = asyncio.create_task(self._follow())
        for number in range(KILLS + 1):
            async with self.enough:
                await self.enough.wait_for(lambda wanted=(number + 1) * BETWEEN_KILLS: self.answered >= wanted)  # type: ignore[misc]
            if number < KILLS:
                self.serving.clear()
                await asyncio.to_thread(self.process.kill)
                await asyncio.to_thread(self.process.start)
                self.serving.set()
        self.ended = True
        await asyncio.gather(*clients)
        events = await self._history()
        async with self.enough:
            await self.enough.wait_for(lambda: self.followed[-1].revision >= events[-1].revision)
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        return events

    async def _client(self, chance: random.Random) -> None:
        while not self.ended:
            store = self.process.client()
            known: dict[bytes, bytes | None] = {}
            with contextlib.suppress(RpcError):
                while not self.ended:
                    await self._call(store, chance, known)
            await store.channel.close()
            await self.serving.wait()

    async def _follow(self) -> None:
        """Watch all the time, and after a kill from where it broke off."""
        while True:
            await self.serving.wait()
            store = self.process.client()
            with contextlib.suppress(RpcError):
                create = pb.WatchCreateRequest(key=b"\0", range_end=b"\0")
                create.start_revision = self.followed[-1].revision + 1 if self.followed else 1
                async for response in store.watches.Watch(_forever(pb.WatchRequest(create_request=create))):
                    self.followed += map(_event, response.events)
                    async with self.enough:
                        self.enough.notify_all()
            await store.channel.close()

    async def _call(self, store: EtcdClient, chance: random.Random, known: dict[bytes, bytes | None]) -> None:
        kind = chance.choice(("put", "get", "get", "swap", "swap", "delete"))
        key = chance.choice(KEYS)
        value = expected = None
        if kind in ("put", "swap"):
            self.written += 1
            value = b"%d" % self.written
            expected = known.get(key) if kind == "swap" else None
        called = Operation(kind, key, time.perf_counter(), value=value, expected=expected)
        try:
            told = await _ask(store, called)
        except RpcError:
            self.operations.append(called)
            raise
        self.operations.append(dataclasses.replace(called, returned=time.perf_counter(), **told))
        if "found" in told:
            known[key] = told["found"]
        elif told.get("swapped", True):
            known[key] = value
        self.answered += 1
        async with self.enough:
            self.enough.notify_all()

    async def _history(self) -> list[Event]:
        store = self.process.client()
        newest = await store.revision()
        events: list[Event] = []
        async with store.watching() as watch:
            await watch.create(b"\0", b"\0", start_revision=1)
            while not events or events[-1].revision < newest:
                events += map(_event, (await watch.next()).events)
        await store.channel.close()
        return events


def _event(event: Any) -> Event:
    return Event(event.kv.mod_revision, event.kv.key, None if event.type else event.kv.value)


async def _forever(request: Any) -> AsyncIterator[Any]:
    """One request, and then nothing more."""
    yield request
    await asyncio.Event().wait()


async def _ask(store: EtcdClient, call: Operation) -> dict[str, Any]:
    """Make the call; what its answer says, as fields of the operation."""
    if call.kind == "get":
        reply = await store.get(call.key)
        found = reply.kvs[0] if reply.kvs else None
        told = {"found": found.value, "changed": found.mod_revision} if found else {"found": None, "changed": 0}
    elif call.kind == "put":
        reply, told = await store.put(call.key, call.value or b""), {}
    elif call.kind == "delete":
        reply = await store.delete(call.key)
        told = {"swapped": bool(reply.deleted)}
    else:
        if call.expected is None:
            compare = pb.Compare(key=call.key, target=pb.Compare.VERSION, version=0)
        else:
            compare = pb.Compare(key=call.key, target=pb.Compare.VALUE, value=call.expected)
        reply = await store.txn(compare=[compare], success=[pb.PutRequest(key=call.key, value=call.value)])
        told = {"swapped": reply.succeeded}
    return {**told, "revision": reply.header.revision}


@pytest.mark.e2e
@pytest.mark.timeout(120 * HISTORIES)
@pytest.mark.parametrize("seed", range(HISTORIES))
@pytest.mark.parametrize("kind", ["etcdlite", "etcd"])
async def test_histories_across_kills_are_linearizable(kind: str, seed: int, tmp_path: Path) -> None:
    if kind == "etcd" and etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    process = EtcdliteProcess(tmp_path) if kind == "etcdlite" else EtcdProcess(tmp_path)
    recorder = Recorder(process, seed)
    try:
        events = await recorder.run()
    finally:
        process.kill()
    assert sum(not operation.known for operation in recorder.operations) >= KILLS, "the kills hit calls in flight"
    assert {operation.kind for operation in recorder.operations if operation.known and operation.swapped} == {
        "put",
        "get",
        "swap",
        "delete",
    }
    check_revisions(recorder.operations, events)
    check_register(recorder.operations)
    assert recorder.followed == events, "a watch across the kills heard all that is, and nothing that is not"


# ---- do the checks see? ---------------------------------------------------------------------------------------------


def simulated(
    seed: int, *, calls: int = 60, unanswered: float = 0.1, pace: float = 4
) -> tuple[list[Operation], list[Event]]:
    """A history of a store that is right, its calls overlapping: each takes effect at some time while it runs.

    unanswered: the part of the changes whose answer is lost. pace: how many begin in the time that one takes."""
    chance = random.Random(seed)
    plans = []
    for number in range(calls):
        start = chance.random() * calls / pace
        plans.append((start + chance.random(), start, start + 1 + chance.random() * 2, number))
    operations, events = [], []
    state: dict[bytes, tuple[bytes, int]] = {}
    revision = 1
    for _, called, returned, number in sorted(plans):
        kind, key = chance.choice(("put", "get", "get", "swap", "delete")), chance.choice(KEYS[:2])
        found, changed = state.get(key, (None, 0))
        value = b"%d" % number if kind in ("put", "swap") else None
        expected = chance.choice((found, b"none")) if kind == "swap" else None
        swapped = {"swap": found == expected, "delete": found is not None}.get(kind, True)
        if kind != "get" and swapped:
            revision += 1
            events.append(Event(revision, key, value))
            if value is None:
                del state[key]
            else:
                state[key] = value, revision
        if kind != "get" and chance.random() < unanswered:
            operations.append(Operation(kind, key, called, value=value, expected=expected))  # its answer was lost
            continue
        read = {"found": found, "changed": changed} if kind == "get" else {}
        operations.append(
            Operation(kind, key, called, returned, value, expected, swapped=swapped, revision=revision, **read)
        )
    return operations, events


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_what_is_right_passes(seed: int) -> None:
    operations, events = simulated(seed)
    check_revisions(operations, events)
    check_register(operations)


Spoil = Callable[[list[Operation], list[Event]], Iterator[tuple[list[Operation], list[Event]]]]


def alone(write: Operation, operations: list[Operation]) -> bool:
    """Whether no other change of the key could have come after this one, and before its answer."""
    return not any(
        other is not write
        and other.key == write.key
        and other.kind != "get"
        and other.called <= write.returned
        and other.returned >= write.called
        for other in operations
    )


def stale_read(operations: list[Operation], events: list[Event]) -> Iterator[tuple[list[Operation], list[Event]]]:
    """A read that began after a write returned shows what was before it, and says so in its revision too."""
    for write in operations:
        if write.kind == "put" and write.known and alone(write, operations):
            before = [event for event in events if event.key == write.key and event.revision < write.revision]
            value = before[-1].value if before else None
            read = Operation("get", write.key, write.returned + 0.001, write.returned + 0.002, found=value,
                             revision=write.revision - 1, changed=before[-1].revision if value else 0)  # fmt: skip
            yield [*operations, read], events


def lost_write(operations: list[Operation], events: list[Event]) -> Iterator[tuple[list[Operation], list[Event]]]:
    """An acknowledged write is gone after a kill: the history does not have it, and a last read does not show it."""
    end = max(operation.returned for operation in operations if operation.known)
    for write in operations:
        later = [event for event in events if event.key == write.key and event.revision > write.revision]
        if write.kind == "put" and write.known and not later and alone(write, operations):
            before = [event for event in events if event.key == write.key and event.revision < write.revision]
            value = before[-1].value if before else None
            read = Operation("get", write.key, end + 1, end + 2, found=value, revision=events[-1].revision,
                             changed=before[-1].revision if value else 0)  # fmt: skip
            gone = [event for event in events if event.revision != write.revision]
            yield [*operations, read], gone


def double_apply(operations: list[Operation], events: list[Event]) -> Iterator[tuple[list[Operation], list[Event]]]:
    """A put happens once more at the end, over what came after it, and a read shows it."""
    end = max(operation.returned for operation in operations if operation.known)
    revision = events[-1].revision
    for write in operations:
        over = [other for other in operations if other.kind == "put" and other.known and other.key == write.key
                and other.called > write.returned]  # fmt: skip
        if write.kind == "put" and write.known and over:
            read = Operation(
                "get", write.key, end + 1, end + 2, found=write.value, revision=revision + 1, changed=revision + 1
            )
            yield [*operations, read], [*events, Event(revision + 1, write.key, write.value)]


def two_swaps(operations: list[Operation], events: list[Event]) -> Iterator[tuple[list[Operation], list[Event]]]:
    """Two swaps of one value both succeed."""
    end = max(operation.returned for operation in operations if operation.known)
    revision = events[-1].revision
    held = {event.key: event.value for event in events}
    for key, value in held.items():
        swaps = [
            Operation("swap", key, end + 1, end + 2, b"new-%d" % turn, value, revision=revision + turn)
            for turn in (1, 2)
        ]
        yield [*operations, *swaps], [*events, *(Event(swap.revision, key, swap.value) for swap in swaps)]


@pytest.mark.parametrize("spoil", [stale_read, lost_write, double_apply], ids=lambda spoil: spoil.__name__)
def test_the_rule_of_revisions_sees(spoil: Spoil) -> None:
    spoilt = 0
    for seed in range(40):
        for operations, events in spoil(*simulated(seed, unanswered=0.02, pace=0.5)):
            spoilt += 1
            with pytest.raises(Violation):
                check_revisions(operations, events)
    assert spoilt > 10


@pytest.mark.parametrize("spoil", [stale_read, lost_write, double_apply, two_swaps], ids=lambda spoil: spoil.__name__)
def test_the_search_sees(spoil: Spoil) -> None:
    """With an answer to every call: one without could explain much."""
    spoilt = 0
    for seed in range(40):
        for operations, _ in spoil(*simulated(seed, unanswered=0, pace=0.5)):
            spoilt += 1
            with pytest.raises(Violation):
                check_register(operations)
    assert spoilt > 10
