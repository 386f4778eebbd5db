"""A file that fails under a running store: what is told, what goes on, and what is there afterwards."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors import RestartLimit, System, SystemClock, VirtualClock
from actors.runner import CRASHED, serve
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.errors import StoreError, Unavailable
from etcdlite.lease.lessor import RETRY_INTERVAL
from etcdlite.model import SHIFT
from etcdlite.store.log import Size
from etcdlite.store.mvcc import Mvcc
from etcdlite.store.points import Point
from machinery.rpc import Code, LocalChannel, RpcError
from tests.support.etcd import EtcdClient, pb
from tests.support.faults import Faults, full, held, held_by, serving, sqlite_error

NOSPACE = (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded")
CORRUPT = (Code.DATA_LOSS, "etcdserver: corrupt cluster")
DEACTIVATE = 2


async def refused(call: Any) -> tuple[Code, str]:
    """How a call ended, which must be an error."""
    with pytest.raises(RpcError) as raised:
        await call
    return raised.value.code, raised.value.message


async def alarms(store: EtcdClient) -> list[int]:
    return [each.alarm for each in (await store.maintenance.Alarm(pb.AlarmRequest())).alarms]


async def disarm(store: EtcdClient) -> None:
    """As `etcdctl alarm disarm`."""
    for alarm in (await store.maintenance.Alarm(pb.AlarmRequest())).alarms:
        request = pb.AlarmRequest(action=DEACTIVATE, alarm=alarm.alarm, memberID=alarm.memberID)
        await store.maintenance.Alarm(request)


async def errors(store: EtcdClient) -> list[str]:
    return list((await store.maintenance.Status(pb.StatusRequest())).errors)


async def grant(store: EtcdClient, ttl: int, **fields: Any) -> int:
    return int((await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl, **fields))).ID)


async def revoke(store: EtcdClient, lease: int) -> Any:
    return await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))


async def time_to_live(store: EtcdClient, lease: int) -> Any:
    return await store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=lease, keys=True))


def file_of(app: EtcdLite) -> Path:
    path = app._parts.store.path
    assert path is not None
    return path


def as_on_disk(app: EtcdLite, directory: Path) -> None:
    """What the running store holds is what one would that starts from a copy of its files now."""
    copy = directory / f"copy-{len(list(directory.iterdir()))}"
    copy.mkdir()
    for name in ("store.db", "store.db-wal"):
        shutil.copy(file_of(app).parent / name, copy / name)
    assert held(app._parts.store.state) == held_by(copy / "store.db")


def limit_pages(app: EtcdLite, count: int) -> None:
    """Have SQLite find the disk full at this size of the file."""
    file = app._parts.store._file
    assert file is not None
    file._writer.execute(f"PRAGMA max_page_count={count}").fetchall()


@pytest.mark.parametrize("how", ["pages", "injected"])
async def test_a_full_disk_takes_back_what_it_refuses_and_nothing_else(how: str, tmp_path: Path) -> None:
    faults = Faults()
    config = Config(data_dir=str(tmp_path / "data"))
    async with serving(config, faults=faults) as (store, app), store.watching() as watch:
        lease, other = await grant(store, 100), await grant(store, 100)
        await store.put(b"k", b"1")
        await store.put(b"leased", b"1", lease=lease)
        await store.put(b"gone", b"1")
        await watch.create(b"", b"\0", start_revision=2)
        assert len(await watch.events(3)) == 3
        revision = await store.revision()

        if how == "pages":
            limit_pages(app, 1)  # no less than it has
        else:
            faults.error = full
        outcomes = await asyncio.gather(
            refused(store.put(b"k", bytes(100_000))),
            refused(store.put(b"leased", bytes(100_000), lease=other)),
            refused(store.txn(success=[pb.PutRequest(key=b"new", value=bytes(100_000))])),
            refused(store.delete(b"gone")),
            refused(grant(store, 50, ID=7)),
            refused(revoke(store, lease)),
        )
        assert set(outcomes) == {NOSPACE}
        as_on_disk(app, tmp_path)
        assert await alarms(store) == [1]
        assert await errors(store) == [f"memberID:{app._parts.store.header.member_id} alarm:NOSPACE "]
        assert await store.revision() == revision
        assert [kv.key for kv in (await store.get(b"\0", b"\0")).kvs] == [b"gone", b"k", b"leased"]
        assert list((await time_to_live(store, lease)).keys) == [b"leased"]
        assert (await time_to_live(store, 7)).TTL == -1
        faults.error = full
        assert await refused(store.delete(b"gone")) == NOSPACE, "it was tried"
        faults.error = None
        limit_pages(app, 1_000_000)
        assert await refused(store.put(b"k")) == NOSPACE, "the alarm stands until it is disarmed"
        assert (await store.delete(b"gone")).deleted == 1
        await disarm(store)
        assert (await store.put(b"k", b"2")).header.revision == revision + 2
        events = await watch.events(2)
        assert [(event.type, event.kv.key, event.kv.mod_revision) for event in events] == [
            (1, b"gone", revision + 1),
            (0, b"k", revision + 2),
        ]
        assert await alarms(store) == []
    async with serving(config) as (store, _):
        assert [(kv.key, kv.value) for kv in (await store.get(b"\0", b"\0")).kvs] == [(b"k", b"2"), (b"leased", b"1")]
        assert list((await time_to_live(store, lease)).keys) == [b"leased"]
        assert await alarms(store) == []


async def test_the_alarm_of_a_full_disk_is_written_once_it_can_be(tmp_path: Path) -> None:
    faults = Faults()
    config = Config(data_dir=str(tmp_path))
    async with serving(config, faults=faults) as (store, _):
        await store.put(b"k", b"1")
        faults.error = full
        assert await refused(store.put(b"k", b"2")) == NOSPACE
        faults.error = None
        await store.delete(b"k")
    async with serving(config) as (store, _):
        assert await alarms(store) == [1]
        assert await refused(store.put(b"k")) == NOSPACE


async def test_a_disarm_that_cannot_be_written_leaves_the_alarm(tmp_path: Path) -> None:
    faults = Faults()
    async with serving(Config(data_dir=str(tmp_path)), faults=faults) as (store, _):
        faults.error = full
        assert await refused(store.put(b"k")) == NOSPACE
        assert await refused(disarm(store)) == NOSPACE
        assert await alarms(store) == [1]


async def test_writes_stop_before_the_disk_is_so_full_that_nothing_can_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etcdlite.store.place import Place

    async with serving(Config(data_dir=str(tmp_path))) as (store, app):
        await asyncio.gather(*(store.put(b"k%d" % number, bytes(10_000)) for number in range(10)))
        monkeypatch.setattr(Place, "room", lambda place, size: False)
        await store.put(b"seen", bytes(70_000))  # the disk is looked at after so many bytes
        assert app._parts.store.size == Size(app._parts.store.size.total, app._parts.store.size.used, room=False)
        assert await refused(store.put(b"k1")) == NOSPACE
        assert await refused(grant(store, 10)) == NOSPACE
        assert await alarms(store) == [1]
        last = (await store.delete(b"k", b"l")).header.revision
        await store.compact(last, physical=True)
        monkeypatch.undo()
        await disarm(store)
        await store.put(b"k1")


@pytest.mark.parametrize("seed", range(int(os.environ.get("FAULT_SEEDS", "6"))))
async def test_whatever_fails_memory_is_what_the_file_holds(seed: int, tmp_path: Path) -> None:
    """Random histories of everything that writes, many at once, with commits that fail in between."""
    chance = random.Random(seed)
    faults = Faults()
    clock = VirtualClock()
    config = Config(data_dir=str(tmp_path / "data"), cache_bytes=chance.choice([0, 1 << 20]))
    async with serving(config, faults=faults, clock=clock) as (store, app):
        state = app._parts.store.state
        known: dict[bytes, bytes] = {}
        surprises: list[RpcError] = []

        async def step() -> None:
            key = b"k%d" % chance.randrange(6)
            lease = chance.choice([0, *range(1, 5)])
            kind = chance.randrange(9)
            nonlocal surprises
            try:
                if kind < 3:
                    value = b"%d" % chance.randrange(1000)
                    await store.put(key, value, lease=lease)
                elif kind == 3:
                    await store.delete(key)
                elif kind == 4:
                    puts = [pb.PutRequest(key=key, value=b"t", lease=lease), pb.DeleteRangeRequest(key=b"k0")]
                    await store.txn(success=puts if key != b"k0" else puts[:1])
                elif kind == 5:
                    await grant(store, 1000, ID=chance.randrange(1, 5))
                elif kind == 6:
                    await revoke(store, chance.randrange(1, 5))
                elif kind == 7:
                    await store.compact(max(state.visible - chance.randrange(4), 1), physical=True)
                else:
                    await disarm(store)
            except RpcError as error:
                surprises += [error] if error.code is Code.INTERNAL else []

        async with store.watching() as watch:
            await watch.create(b"", b"\0")
            for _ in range(12):
                faults.error = chance.choice([None, None, full, lambda: OSError(errno.EIO, "I/O error")])
                faults.point = chance.choice([Point.COMMIT_BEGINS, Point.COMMIT_WRITTEN])
                steps = [asyncio.ensure_future(step()) for _ in range(chance.randrange(1, 12))]
                while not all(each.done() for each in steps):
                    await asyncio.sleep(0.001)
                    if faults.met and chance.random() < 0.2:
                        faults.error = None
                    await clock.advance(seconds=1)  # a sweep that was refused is tried again
                faults.error = None
                as_on_disk(app, tmp_path)
            await disarm(store)
            await store.put(b"last", b"1")
            seen: list[Any] = []
            while not seen or seen[-1].kv.key != b"last":
                seen += (await watch.next()).events
            for event in seen:
                if event.type:
                    del known[event.kv.key]
                else:
                    known[event.kv.key] = event.kv.value
        assert surprises == []
        assert known == {kv.key: kv.value for kv in (await store.get(b"\0", b"\0")).kvs}
        revisions = [event.kv.mod_revision for event in seen]
        assert sorted(set(revisions)) == list(range(2, state.revision + 1)), "no revision is left out or told twice"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(lambda: sqlite_error(sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"), "disk I/O error", id="i/o"),
        pytest.param(lambda: sqlite_error(sqlite3.SQLITE_READONLY, "readonly database"), "readonly", id="read-only"),
        pytest.param(lambda: OSError(errno.EROFS, "Read-only file system"), "Read-only file system", id="system"),
    ],
)
async def test_a_file_that_cannot_be_written_refuses_writes_until_it_can(
    error: Callable[[], Exception], told: str, tmp_path: Path
) -> None:
    faults = Faults()
    async with serving(Config(data_dir=str(tmp_path)), faults=faults) as (store, app), store.watching() as watch:
        await store.put(b"k", b"1")
        await watch.create(b"k")
        faults.error = error
        for _ in range(2):
            code, message = await refused(store.put(b"k", b"2"))
            assert code is Code.UNAVAILABLE
            assert message.startswith(f"etcdlite: {file_of(app)}: ") and told in message
        assert (await errors(store)) == [message]
        assert (await store.get(b"k")).kvs[0].value == b"1"
        assert await alarms(store) == []
        faults.error = None
        assert (await store.put(b"k", b"3")).header.revision == 3
        assert await errors(store) == []
        assert [event.kv.value for event in await watch.events(1)] == [b"3"]


async def test_what_is_no_fault_of_the_file_starts_the_store_again(tmp_path: Path) -> None:
    faults = Faults()
    async with serving(Config(data_dir=str(tmp_path)), faults=faults) as (store, app), store.watching() as watch:
        await store.put(b"k", b"acknowledged")
        await watch.create(b"k")
        faults.error = lambda: sqlite3.IntegrityError("UNIQUE constraint failed: log.position")
        assert await refused(store.put(b"k", b"lost")) == (Unavailable.CODE, Unavailable.TEXT)
        faults.error = None
        assert watch.ended is not None
        with pytest.raises(RpcError):
            await asyncio.wait_for(watch.ended, 5)
        await asyncio.wait_for(app.ready(), 5)
        reply = await store.get(b"k")
        assert (reply.kvs[0].value, reply.header.revision) == (b"acknowledged", 2)
        assert (await store.put(b"k", b"on")).header.revision == 3


def _delete_all(directory: Path) -> None:
    shutil.rmtree(directory)


def _replace(directory: Path) -> None:
    (directory / "store.db").rename(directory / "old")
    shutil.copy(directory / "old", directory / "store.db")


def _delete_log(directory: Path) -> None:
    (directory / "store.db-wal").unlink()


def _delete_lock(directory: Path) -> None:
    (directory / "LOCK").unlink()


def _move_directory(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))


@pytest.mark.parametrize("away", [_delete_all, _replace, _delete_log, _delete_lock, _move_directory])
async def test_nothing_is_acknowledged_that_goes_to_a_deleted_file(
    away: Callable[[Path], None], tmp_path: Path
) -> None:
    directory = tmp_path / "data"
    async with serving(Config(data_dir=str(directory))) as (store, app):
        await store.put(b"k", b"1")
        away(directory)
        code, message = await refused(store.put(b"k", b"2"))
        assert code is Code.UNAVAILABLE and "deleted or replaced while in use" in message
        assert await refused(store.delete(b"k")) == (code, message)
        assert (await store.get(b"k")).kvs[0].value == b"1"
        assert await errors(store) == [message]
        assert app._parts.store.state.revision == 2
        assert await refused(store.maintenance.Defragment(pb.DefragmentRequest())) == (code, message)
        assert await refused(store.maintenance.HashKV(pb.HashKVRequest())) == (code, message)
        # A snapshot is a stream, and clients ask again and again for a stream that is UNAVAILABLE.
        snapshot = store.maintenance.Snapshot(pb.SnapshotRequest())
        assert await refused(anext(aiter(snapshot))) == (Code.UNKNOWN, message)


async def test_a_store_that_starts_again_makes_no_empty_one_of_a_deleted_one(tmp_path: Path) -> None:
    faults = Faults()
    directory = tmp_path / "data"
    app = EtcdLite(Config(data_dir=str(directory)), clock=(clock := VirtualClock()), reach=faults)
    async with System(app.spec(), clock=clock) as system:
        await app.ready()
        store = EtcdClient(LocalChannel(app.services()))
        await store.put(b"k")
        shutil.rmtree(directory)
        faults.point = Point.COMMIT_BEGINS
        faults.error = lambda: ValueError("a defect")
        assert (await refused(store.put(b"k")))[0] is Code.UNAVAILABLE
        ended = asyncio.ensure_future(system.wait())
        while not ended.done():
            await clock.advance(seconds=1)
        with pytest.raises(RestartLimit, match="gone, although it was served until now"):
            await ended
        assert (await refused(store.get(b"k")))[0] is Code.UNAVAILABLE
        assert not directory.exists()


async def test_a_store_in_memory_that_crashed_is_not_followed_by_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(state: Mvcc, key: bytes) -> list[int]:
        raise ValueError("a defect")

    monkeypatch.setattr(Mvcc, "sweep", sweep)
    app = EtcdLite(Config(), clock=(clock := VirtualClock()))
    async with System(app.spec(), clock=clock) as system:
        await app.ready()
        store = EtcdClient(LocalChannel(app.services()))
        await store.put(b"k")
        await store.put(b"k")
        await store.compact(3)
        ended = asyncio.ensure_future(system.wait())
        while not ended.done():
            await clock.advance(seconds=1)
        with pytest.raises(RestartLimit, match="all it held is lost"):
            await ended
        assert (await refused(store.get(b"k")))[0] is Code.UNAVAILABLE


async def test_a_moved_file_that_is_put_back_is_written_again(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    async with serving(Config(data_dir=str(directory))) as (store, _):
        await store.put(b"k", b"1")
        _move_directory(directory)
        with pytest.raises(RpcError, match=r"deleted or replaced while in use"):
            async for _ in store.maintenance.Snapshot(pb.SnapshotRequest()):
                pass
        assert (await refused(store.put(b"k", b"2")))[0] is Code.UNAVAILABLE
        (tmp_path / "elsewhere").rename(directory)
        await store.put(b"k", b"3")
    async with serving(Config(data_dir=str(directory))) as (store, _):
        assert (await store.get(b"k")).kvs[0].value == b"3"


async def test_a_compaction_that_is_not_durable_has_not_happened(tmp_path: Path) -> None:
    faults = Faults()
    clock = VirtualClock()
    async with serving(Config(data_dir=str(tmp_path)), faults=faults, clock=clock) as (store, app):
        for number in range(5):
            await store.put(b"k", b"%d" % number)
        faults.error = full
        assert await refused(store.compact(4)) == NOSPACE
        assert (await store.get(b"k", revision=2)).count == 1
        faults.error = None
        faults.point = Point.COMMIT_BEGINS
        await store.compact(4)
        faults.error = full
        sweep = asyncio.ensure_future(store.compact(5, physical=True))
        assert await refused(sweep) == NOSPACE
        faults.error = None
        waiting = asyncio.ensure_future(app._parts.store.compactor.swept(4))
        while not waiting.done():
            await clock.advance(seconds=1)
        assert len(list(app._parts.store.state.index.positions())) == 3
        as_on_disk(app, tmp_path)


async def test_a_lease_that_cannot_end_is_tried_again_and_never_in_a_loop(tmp_path: Path) -> None:
    faults = Faults()
    clock = VirtualClock()
    async with serving(Config(data_dir=str(tmp_path)), faults=faults, clock=clock) as (store, app):
        lease = await grant(store, 10)
        await store.put(b"k", lease=lease)
        faults.error = full
        await clock.advance(seconds=11)
        assert (await store.get(b"k")).count == 1
        assert faults.met == 1
        await clock.advance(seconds=RETRY_INTERVAL + 0.1)
        assert faults.met == 2
        faults.error = None
        await clock.advance(seconds=RETRY_INTERVAL + 0.1)
        assert (await store.get(b"k")).count == 0
        assert (await time_to_live(store, lease)).TTL == -1
        assert app._parts.store.state.leases.next_deadline() is None


async def test_users_go_back_with_the_commit_that_held_them(tmp_path: Path) -> None:
    from machinery.rpc import Stub

    faults = Faults()
    async with serving(Config(data_dir=str(tmp_path)), faults=faults) as (store, app):
        auth = Stub(store.channel, "etcdserverpb.Auth")
        await auth.UserAdd(pb.AuthUserAddRequest(name="ann", options={"no_password": True}))
        before = list(app._parts.store.auth.entries())
        faults.error = full
        call = auth.UserAdd(pb.AuthUserAddRequest(name="bob", options={"no_password": True}))
        assert await refused(call) == NOSPACE
        faults.error = None
        assert list(app._parts.store.auth.entries()) == before
        assert list((await auth.UserList(pb.AuthUserListRequest())).users) == ["ann"]


async def test_nobody_waits_for_a_store_that_has_ended(tmp_path: Path) -> None:
    async with serving(Config(data_dir=str(tmp_path))) as (store, app):
        await store.put(b"k")
        running = app._parts.store
        waiting = asyncio.ensure_future(running.compactor.swept(99))
        await asyncio.sleep(0)
    for call in (waiting, running.compactor.swept(99), running.committer.flush(), running.put(pb.PutRequest(key=b"k"))):
        with pytest.raises(StoreError) as raised:
            await asyncio.wait_for(call, 5)
        assert raised.value.message == Unavailable.TEXT
    with pytest.raises(Unavailable):
        await asyncio.wait_for(running.defragment(), 5)


async def test_a_disk_that_fills_during_the_start_is_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    faults = Faults()
    faults.error = full
    config = Config(data_dir=str(tmp_path))
    app = EtcdLite(config, clock=SystemClock(), reach=faults)
    assert await serve(app.spec(), name="etcdlite") == CRASHED
    (line,) = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert f"{tmp_path}: the disk is full; make room there and start again" in line.getMessage()
    assert line.exc_info is None
    faults.error = None
    async with serving(config) as (store, _):
        assert (await store.put(b"k")).header.revision == 2


# ---- damage that a reader meets --------------------------------------------------------------------------------------


def tear(file: Path, *, where: bytes) -> None:
    """Overwrite the pages of a database that hold some bytes."""
    size = 4096
    content = bytearray(file.read_bytes())
    at = content.find(where)
    assert at > size
    while at >= 0:
        start = at // size * size
        content[start : start + size] = b"\xa5" * size
        at = content.find(where)
    with file.open("r+b") as out:
        out.write(content)


async def test_a_damaged_page_raises_the_alarm_and_memory_is_read_on(tmp_path: Path) -> None:
    config = Config(data_dir=str(tmp_path), cache_bytes=40_000)
    async with serving(config) as (store, _):
        for number in range(100):
            await store.put(b"k%02d" % number, b"%02d" % number * 1000)
    async with serving(config) as (store, app):
        await store.put(b"fresh", b"1")
        tear(file_of(app), where=b"11" * 100)
        assert await refused(store.get(b"k11")) == CORRUPT
        member = app._parts.store.header.member_id
        assert await errors(store) == [f"memberID:{member} alarm:CORRUPT "]
        assert await alarms(store) == [2]
        assert (await store.get(b"fresh")).kvs[0].value == b"1", "memory has it"
        assert (await store.get(b"k", b"l", count_only=True)).count == 100
        for call in (
            store.put(b"k"),
            store.delete(b"k"),
            store.txn(success=[pb.DeleteRangeRequest(key=b"k")]),
            store.compact(3),
            grant(store, 10),
            revoke(store, 1),
        ):
            assert await refused(call) == CORRUPT
        assert (await store.txn(success=[pb.RangeRequest(key=b"fresh")])).responses[0].response_range.count == 1
        await disarm(store)
        await store.put(b"k", b"1")


async def test_a_missing_row_is_damage_and_no_endless_search(tmp_path: Path) -> None:
    async with serving(Config(data_dir=str(tmp_path), cache_bytes=0)) as (store, app):
        await store.put(b"k", b"1")
        await store.put(b"k", b"2")
        with sqlite3.connect(file_of(app)) as meddler:
            meddler.execute("DELETE FROM log WHERE position >> 24 = 2")
        meddler.close()
        assert await asyncio.wait_for(refused(store.get(b"k", revision=2)), 5) == CORRUPT
        assert (await store.get(b"k")).kvs[0].value == b"2"
        async with store.watching() as watch:
            await watch.create(b"k", start_revision=2)
            assert watch.ended is not None
            assert await refused(asyncio.wait_for(watch.ended, 5)) == CORRUPT


async def test_a_row_that_a_compaction_took_meanwhile_is_no_damage(tmp_path: Path) -> None:
    """Two readers looked into the index before the sweep, and read after it."""
    async with serving(Config(data_dir=str(tmp_path), cache_bytes=0)) as (store, app):
        await store.put(b"k", b"1")
        await store.put(b"k", b"2")
        before = [position for position in app._parts.store.state.index.positions() if position >> SHIFT == 2]
        await store.compact(3, physical=True)
        load = app._parts.store.loader.load
        assert [await load(before), await load(before)] == [set(before), set(before)]
        assert await alarms(store) == []
        with pytest.raises(StoreError, match="corrupt"):
            await load(before, frozenset(before))
        assert await alarms(store) == [2], "who finds it in the index still"
