"""What keeps a store as it is over months: no statement scans, nothing grows with what is gone."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from actors import SystemClock, VirtualClock
from etcdlite.config import Config
from etcdlite.keyrange import KeyRange
from etcdlite.store import compaction as compaction_module
from etcdlite.store import log as log_module
from etcdlite.store import schema
from etcdlite.store.mvcc import Mvcc
from etcdlite.store.place import FILE
from etcdlite.watch import hub as hub_module
from tests.support.etcd import EtcdClient, pb
from tests.unit.etcdlite.test_app import grant, running, until

NO_TABLE = re.compile(r"PRAGMA|BEGIN|COMMIT|ROLLBACK|VACUUM|CREATE|ALTER|EXPLAIN|--", re.IGNORECASE)
"""Statements that read no table, or that copy the whole file because they are to."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that any connection of a store executes, with its values."""
    found: list[str] = []
    connect = schema.connect

    def traced(path: Path, **options: Any) -> sqlite3.Connection:
        connection = connect(path, **options)
        connection.set_trace_callback(found.append)
        return connection

    monkeypatch.setattr(schema, "connect", traced)
    return found


async def everything(store: EtcdClient) -> None:
    """Something of each kind that a store is asked for."""
    lease = await grant(store, 100)
    for number in range(300):
        await store.put(b"k%02d" % (number % 40), bytes(3000), lease=lease if number % 7 == 0 else 0)
    await store.txn(success=[pb.PutRequest(key=b"k00"), pb.DeleteRangeRequest(key=b"k01", range_end=b"k03")])
    await store.get(b"k", b"l", revision=20)
    async with store.watching() as session:
        await session.create(b"k", b"l", start_revision=2, prev_kv=True)
        while (await session.next()).header.revision < 280:
            pass
    await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))
    await store.compact(200, physical=True)
    await store.get(b"k", b"l", revision=250)
    await store.maintenance.HashKV(pb.HashKVRequest())
    await store.maintenance.Alarm(
        pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=pb.AlarmType["NOSPACE"].number)
    )
    await store.maintenance.Alarm(pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE, alarm=1))
    await store.maintenance.Defragment(pb.DefragmentRequest())
    assert [reply async for reply in store.maintenance.Snapshot(pb.SnapshotRequest())]


async def test_no_statement_scans_a_table(tmp_path: Path, statements: list[str]) -> None:
    """Whatever runs beside writers finds its rows by their keys. Only the start reads tables from end to end: it
    brings everything that is kept in memory from there."""
    config = Config(data_dir=str(tmp_path), cache_bytes=50_000)
    async with running(config) as (store, _):
        statements.clear()
        await everything(store)
        ran = sorted({re.sub(r"\d{3,}|X'[0-9a-fA-F]*'", "1", text): text for text in statements}.values())
        database = next(tmp_path.rglob(FILE))
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            plans = {
                text: [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
                for text in ran
                if not NO_TABLE.match(text)
            }
    assert any(text.startswith("SELECT") for text in plans)
    assert any(text.startswith("DELETE FROM log") for text in plans)
    scans = {text[:200]: plan for text, plan in plans.items() if any("SCAN" in detail for detail in plan)}
    assert scans == {}


async def test_the_file_stays_as_large_as_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A soak in small: the same keys written over and over with history of twenty seconds; one write in ten deletes.
    `benchmarks.soak` is the long one."""
    monkeypatch.setattr(compaction_module, "FREE_BYTES", 256 * 1024)
    monkeypatch.setattr(log_module, "CHECKPOINT_BYTES", 256 * 1024)
    monkeypatch.setattr("etcdlite.store.committer.CHECKPOINT_BYTES", 256 * 1024)
    clock, choose = VirtualClock(), Random(3)
    config = Config(data_dir=str(tmp_path), auto_compaction_retention="20s")
    async with running(config, clock=clock) as (store, app):
        sizes: list[int] = []
        held: list[int] = []

        async def write(number: int) -> None:
            key = b"k%03d" % choose.randrange(100)
            await (store.delete(key) if choose.random() < 0.1 else store.put(key, bytes(choose.randrange(1000))))

        for _ in range(16):
            for _ in range(4):
                await asyncio.gather(*(write(number) for number in range(50)))
            await clock.advance(seconds=5)
            running_store = app._parts.store
            await until(lambda store=running_store: not store.compactor._wanted.is_set())  # type: ignore[misc]
            database = next(tmp_path.rglob(FILE))
            sizes.append(sum(path.stat().st_size for path in database.parent.glob(FILE + "*")))
            held.append(sum(1 for _ in running_store.state.index.positions()))
        # 1,000 changes are kept, of half a kilobyte each
        assert max(held[6:]) < 1_500
        assert max(sizes[10:]) < 1.3 * max(sizes[4:10])
        assert max(sizes) < 3 * 1024 * 1024


async def test_nothing_stays_in_memory_of_keys_that_are_gone() -> None:
    async with running() as (store, app):
        for number in range(500):
            await store.put(b"k%03d" % number, b"v")
        await store.delete(b"k", b"l")
        await store.put(b"other")
        await store.compact(await store.revision(), physical=True)
        state: Mvcc = app._parts.store.state
        assert [key for key, _ in state.index.items()] == [b"other"]
        assert len(state.records) == 1
        assert not state.index.stale
        assert state.index.count(KeyRange(b"", None), 1 << 60) == 1


async def test_streams_that_nobody_reads_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds what it stopped at; all together never more than is allowed, and each gets everything in the end."""
    monkeypatch.setattr(hub_module, "MAX_HELD_BYTES", 40_000)
    monkeypatch.setattr(hub_module, "MAX_QUEUED_BYTES", 16_000)
    async with running(clock=SystemClock()) as (store, app):
        go = asyncio.Event()
        counts: list[int] = []

        async def requests() -> AsyncIterator[Any]:
            yield pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"k", range_end=b"l"))
            await asyncio.Event().wait()

        async def read(place: int) -> None:
            async for response in store.watches.Watch(requests()):
                if response.created:
                    await go.wait()
                counts[place] += len(response.events)

        readers = []
        hub = app._parts.store.hub
        for place in range(30):
            counts.append(0)
            readers.append(asyncio.create_task(read(place)))
            await until(lambda place=place: len(app._parts.watches) == place + 1)  # type: ignore[misc]
            await until(lambda: all(stream.load[0] for stream in app._parts.watches))
            for number in range(10):  # each stalls where the others have not
                await store.put(b"k%d" % number, bytes(500))
            assert hub.held < 40_000 + 30 * 600, "the bound, and an event for each"
        go.set()
        await until(lambda: counts == [10 * (30 - place) for place in range(30)])
        assert hub.held == 0
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
