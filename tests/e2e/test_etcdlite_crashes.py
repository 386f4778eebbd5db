"""etcdlite killed at every named point and at random, under writers, watchers, leases, compactions and snapshots.

One history goes on over all the kills, on one data directory; what was told to clients on the way is held against what
the last server says.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from etcdlite.config import Config
from etcdlite.model import SHIFT
from etcdlite.store.check import check_file
from etcdlite.store.log import Log
from etcdlite.store.points import SERVING, Point
from etcdlite.store.recovery import recover
from etcdlite.tools.restore import restore
from machinery.rpc import Code, RpcError
from tests.support.etcd import EtcdClient, EtcdliteProcess, pb
from tests.support.faults import serving

pytestmark = pytest.mark.e2e

WRITERS = 8
LEASE_SECONDS = 3600


class CrashingProcess(EtcdliteProcess):
    """etcdlite that ends at a point; without one, it serves until it is killed."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.point: Point | None = None
        self.count = 1

    def command(self) -> list[str]:
        command = super().command()
        if self.point is None:
            return command
        module = "tests.support.crashing_etcdlite"
        return [sys.executable, "-m", module, self.point.value, str(self.count), *command[3:]]

    def _await(self, process: subprocess.Popen[str]) -> None:
        """It may come to its point before it serves: the sweep that was interrupted goes on."""
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("etcdlite ready ") or (self.point and process.wait() == -signal.SIGKILL), self.log


@dataclass
class History:
    """What clients were told, over every life of the server."""

    acknowledged: dict[bytes, int] = field(default_factory=dict)
    """Writer -> the last value that was acknowledged, 0 for a deletion."""
    unanswered: dict[bytes, set[int]] = field(default_factory=dict)
    """Writer -> the values that were sent since."""
    sent: dict[bytes, int] = field(default_factory=dict)
    """Writer -> how many writes it has sent."""
    events: list[Any] = field(default_factory=list)
    """Of one watch, resumed after each kill."""
    granted: set[int] = field(default_factory=set)
    revoked: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)
    """Leases whose revocation was not answered."""
    compacted: int = 0
    snapshots: list[bytes] = field(default_factory=list)
    """Whole ones."""

    @property
    def seen(self) -> int:
        """The newest revision that the watch has told."""
        return int(self.events[-1].kv.mod_revision) if self.events else 1


class Clients:
    """Everybody who uses one life of the server."""

    def __init__(self, store: EtcdClient, history: History, chance: random.Random) -> None:
        self._store = store
        self._history = history
        self._chance = chance

    async def until_it_is_gone(self) -> None:
        """Look what is left, then write, watch, grant, compact and copy, until every call fails."""
        await _until_gone(_holds(self._store, self._history))
        async with asyncio.TaskGroup() as everybody:
            for number in range(WRITERS):
                everybody.create_task(_until_gone(self._write(b"writer-%d" % number)))
            for work in (self._watch(), self._grant(), self._compact(), self._copy()):
                everybody.create_task(_until_gone(work))

    async def _write(self, key: bytes) -> None:
        history = self._history
        while True:
            history.sent[key] = history.sent.get(key, 0) + 1
            value = history.sent[key] if history.sent[key] % 7 else 0
            history.unanswered.setdefault(key, set()).add(value)
            names = (key, key + b"/twin")
            if value:
                await self._store.txn(success=[pb.PutRequest(key=name, value=b"%d" % value) for name in names])
            else:
                await self._store.txn(success=[pb.DeleteRangeRequest(key=name) for name in names])
            history.acknowledged[key] = value
            history.unanswered[key].clear()

    async def _watch(self) -> None:
        history = self._history
        async with self._store.watching() as watch:
            create = pb.WatchCreateRequest(key=b"\0", range_end=b"\0", start_revision=history.seen + 1)
            watch.requests.put_nowait(pb.WatchRequest(create_request=create))
            while True:
                response = asyncio.ensure_future(watch.responses.get())
                assert watch.ended is not None
                await asyncio.wait((response, watch.ended), return_when=asyncio.FIRST_COMPLETED)
                if not response.done():
                    response.cancel()
                    await watch.ended  # raises why
                assert not response.result().canceled, response.result()
                history.events += response.result().events

    async def _grant(self) -> None:
        history = self._history
        while True:
            lease = self._chance.randrange(1, 1 << 40)
            await self._store.leases.LeaseGrant(pb.LeaseGrantRequest(ID=lease, TTL=LEASE_SECONDS))
            await self._store.put(b"lease-%d" % lease, lease=lease)
            history.granted.add(lease)
            if len(history.granted) < 6:
                continue
            ending = self._chance.choice(sorted(history.granted))
            history.unsure.add(ending)
            history.granted.discard(ending)
            await self._store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=ending))
            history.unsure.discard(ending)
            history.revoked.add(ending)

    async def _compact(self) -> None:
        history = self._history
        while True:
            at = history.seen - 20  # what the watch will ask for stays
            if at > history.compacted:
                with contextlib.suppress(_Compacted):
                    await _told(self._store.compact(at, physical=True))
                history.compacted = at
            await self._store.get(b"writer-0")
            await asyncio.sleep(0)

    async def _copy(self) -> None:
        while True:
            stream = self._store.maintenance.Snapshot(pb.SnapshotRequest())
            blob = b"".join([part.blob async for part in stream])
            assert hashlib.sha256(blob[:-32]).digest() == blob[-32:]
            self._history.snapshots = [blob[:-32]]


class _Compacted(Exception):
    """A compaction was refused: the one before was durable, and not answered."""


async def _told(call: Any) -> Any:
    try:
        return await call
    except RpcError as error:
        if "compacted" in error.message:
            raise _Compacted from error
        raise


async def _until_gone(work: Any) -> None:
    """Run until the server ends: nothing else may be told by then."""
    try:
        await work
    except RpcError as error:
        if error.code not in (Code.UNAVAILABLE, Code.CANCELLED, Code.UNKNOWN, Code.INTERNAL):
            raise


@contextlib.asynccontextmanager
async def client_of(process: CrashingProcess) -> AsyncIterator[EtcdClient]:
    store = process.client()
    try:
        yield store
    finally:
        await store.channel.close()


async def live(process: CrashingProcess, history: History, chance: random.Random, *, kill_at: int = 0) -> None:
    """One life of the server. kill_at: after so many more events, unless it ends by itself."""
    await asyncio.to_thread(process.start)
    if not process.running:
        return
    async with client_of(process) as store:
        clients = asyncio.ensure_future(Clients(store, history, chance).until_it_is_gone())
        try:
            async with asyncio.timeout(30):
                if kill_at:
                    wanted = len(history.events) + kill_at
                    while len(history.events) < wanted:  # noqa: ASYNC110  # the watch above fills it
                        await asyncio.sleep(0)
                    process.kill()
                await clients
        finally:
            clients.cancel()
            process.kill()


async def test_nothing_is_lost_or_halved_at_any_point(tmp_path: Path) -> None:
    chance = random.Random(7)
    history = History()
    process = CrashingProcess(tmp_path)
    for point in SERVING:
        process.point, process.count = point, chance.randrange(1, 12)
        await live(process, history, chance)
    process.point = None
    for _ in range(3):
        await live(process, history, chance, kill_at=chance.randrange(1, 400))
    await asyncio.to_thread(process.start)
    try:
        async with client_of(process) as store:
            await _holds(store, history)
            await _tells(store, history)
    finally:
        process.kill()
    _is_whole(process.data_dir / "store.db")
    (snapshot,) = history.snapshots
    (tmp_path / "snapshot.db").write_bytes(snapshot)
    _is_whole(tmp_path / "snapshot.db")


async def _holds(store: EtcdClient, history: History) -> None:
    """The server holds what was acknowledged."""
    found = await store.get(b"\0", b"\0")
    leases = {each.ID for each in (await store.leases.LeaseLeases(pb.LeaseLeasesRequest())).leases}
    times = {
        lease: await store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=lease, keys=True))
        for lease in history.granted
    }
    values = {kv.key: int(kv.value or 0) for kv in found.kvs}
    for key, acknowledged in history.acknowledged.items():
        value = values.get(key, 0)
        assert values.get(key + b"/twin", 0) == value, "a half"
        # What came after may have been committed and not answered.
        assert value in {acknowledged, *history.unanswered[key]}, f"{key!r}: {acknowledged} was acknowledged"
    assert history.granted <= leases
    assert not history.revoked & leases
    for lease, left in times.items():
        assert (left.grantedTTL, list(left.keys)) == (LEASE_SECONDS, [b"lease-%d" % lease])
    if history.compacted > 1:  # revision 0 is the newest
        with pytest.raises(RpcError, match="compacted"):
            await store.get(b"writer-0", revision=history.compacted - 1)


async def _tells(store: EtcdClient, history: History) -> None:
    """The watch tells the rest, and with it every revision, once."""
    found = await store.get(b"\0", b"\0")
    async with store.watching() as watch:
        await watch.create(b"\0", b"\0", start_revision=history.seen + 1)
        while history.seen < found.header.revision:
            history.events += (await watch.next()).events
    revisions = [event.kv.mod_revision for event in history.events]
    assert revisions == sorted(revisions)
    assert sorted(set(revisions)) == list(range(2, found.header.revision + 1)), "a hole"
    assert len({(event.kv.mod_revision, event.kv.key) for event in history.events}) == len(revisions), "told twice"
    replayed: dict[bytes, Any] = {}
    for event in history.events:
        if event.type:
            del replayed[event.kv.key]
        else:
            replayed[event.kv.key] = event.kv
    assert replayed == {kv.key: kv for kv in found.kvs}
    assert set(history.acknowledged) == {b"writer-%d" % number for number in range(WRITERS)}
    assert len(history.granted) > 3 and history.revoked and history.compacted


def _is_whole(path: Path) -> None:
    assert check_file(path) == []
    with contextlib.closing(Log(path)) as log:
        recover(log, cache_bytes=0, now=0.0)


async def test_an_interrupted_sweep_is_taken_up_again(tmp_path: Path) -> None:
    process = CrashingProcess(tmp_path)
    process.point, process.count = Point.SWEEP_STEP, 3
    await asyncio.to_thread(process.start)
    async with client_of(process) as store:
        for _ in range(3):
            await asyncio.gather(*(store.put(b"k%04d" % number, bytes(10)) for number in range(1000)))
        with pytest.raises(RpcError):
            await store.compact(3001, physical=True)
    process.kill()
    assert _rows(process.data_dir) > 1000, "it was interrupted"
    process.point = None
    await asyncio.to_thread(process.start)
    try:
        async with client_of(process) as store, asyncio.timeout(20):
            with pytest.raises(RpcError, match="compacted"):
                await store.get(b"k0000", revision=3000)
            while await asyncio.to_thread(_rows, process.data_dir) > 1000:
                await store.get(b"k0000")
            assert (await store.get(b"k", b"l", count_only=True)).count == 1000
    finally:
        process.kill()
    assert _rows(process.data_dir) == 1000


def _rows(data_dir: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{data_dir}/store.db?mode=ro", uri=True)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM log WHERE position >> {SHIFT} > 1").fetchone()
        return int(count)


@pytest.mark.parametrize("tool", ["etcdlite", "etcdctl"])
async def test_a_snapshot_that_breaks_off_leaves_no_file_that_looks_whole(tool: str, tmp_path: Path) -> None:
    if tool == "etcdctl" and shutil.which("etcdctl") is None:
        pytest.skip("etcdctl is not installed (apt-get install etcd-client)")
    process = CrashingProcess(tmp_path)
    process.point, process.count = Point.SNAPSHOT_SENDS, 20
    await asyncio.to_thread(process.start)
    try:
        async with client_of(process) as store:
            await asyncio.gather(*(store.put(b"k%d" % number, random.randbytes(100_000)) for number in range(30)))
        target = tmp_path / "snapshot.db"
        command = ["etcdctl"] if tool == "etcdctl" else [sys.executable, "-m", "etcdlite"]
        command += [f"--endpoints={process.address}"] if tool == "etcdctl" else []
        command += ["snapshot", "save", str(target)]
        command += [] if tool == "etcdctl" else [f"--endpoints={process.address}"]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        process.kill()
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    assert not target.exists()
    process.point = None
    await asyncio.to_thread(process.start)
    process.kill()
    assert [path.name for path in process.data_dir.iterdir() if path.name.startswith("snapshot-")] == [], "swept"


@pytest.mark.parametrize("point", [Point.RESTORE_COPIED, Point.RESTORE_BUILT])
async def test_a_restore_that_breaks_off_leaves_no_directory_that_starts(point: Point, tmp_path: Path) -> None:
    async with serving(Config(data_dir=str(tmp_path / "old"))) as (store, _):
        await store.put(b"k", b"1")
        blobs = [part.blob async for part in store.maintenance.Snapshot(pb.SnapshotRequest())]
    snapshot, target = tmp_path / "snapshot.db", tmp_path / "new"
    snapshot.write_bytes(b"".join(blobs))
    broken_off = (
        "import pathlib; from etcdlite.store.points import Point; from etcdlite.tools.restore import restore;"
        "from tests.support.crashing_etcdlite import Killer;"
        f"restore(pathlib.Path({str(snapshot)!r}), pathlib.Path({str(target)!r}), bump=1000, trust=False,"
        f" reach=Killer(Point({point.value!r}), 1))"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", broken_off], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert await asyncio.to_thread(restore, snapshot, target, bump=1000, trust=False) == 1002
    async with serving(Config(data_dir=str(target))) as (store, _):
        assert (await store.get(b"k")).kvs[0].value == b"1"
        with pytest.raises(RpcError, match="compacted"):
            await store.get(b"k", revision=2)
