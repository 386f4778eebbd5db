"""A whole store in this process: time, restarts, failures, slow watchers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from actors import Clock, System, SystemClock, VirtualClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.errors import DatabaseError
from etcdlite.store import log as log_module
from etcdlite.store.export import Export
from etcdlite.store.log import Batch, Log, Size
from etcdlite.watch import hub as hub_module
from machinery.rpc import Code, LocalChannel, RpcError
from tests.support.etcd import EtcdClient, pb


@contextlib.asynccontextmanager
async def running(
    config: Config | None = None, *, clock: Clock | None = None, seed: Export | None = None
) -> AsyncIterator[tuple[EtcdClient, EtcdLite]]:
    clock = clock or SystemClock()
    app = EtcdLite(config or Config(), clock=clock, seed=seed)
    async with System(app.spec(), clock=clock):
        await app.ready()
        yield EtcdClient(LocalChannel(app.services())), app


async def grant(store: EtcdClient, ttl: int) -> int:
    return int((await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl))).ID)


async def time_to_live(store: EtcdClient, lease: int) -> int:
    return int((await store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=lease))).TTL)


async def until(condition: Callable[[], bool]) -> None:
    """Let everyone run until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # the tests look at state from outside: there is no event to wait for
            await asyncio.sleep(0)


async def test_calls_before_the_start_are_unavailable() -> None:
    app = EtcdLite(Config(), clock=SystemClock())
    with pytest.raises(RpcError) as raised:
        await EtcdClient(LocalChannel(app.services())).put(b"k")
    assert raised.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "file"])
async def test_an_expired_lease_takes_its_keys_in_one_revision(durable: bool, tmp_path: Path) -> None:
    clock = VirtualClock()
    async with running(Config(data_dir=str(tmp_path) if durable else None), clock=clock) as (store, _):
        short, long = await grant(store, 10), await grant(store, 30)
        await store.put(b"a", lease=short)
        await store.put(b"b", lease=short)
        await store.put(b"c", lease=long)
        await clock.advance(seconds=8)

        async def once() -> Any:
            yield pb.LeaseKeepAliveRequest(ID=short)

        assert [reply.TTL async for reply in store.leases.LeaseKeepAlive(once())] == [10]
        await clock.advance(seconds=9)
        assert (await store.get(b"a", b"z")).count == 3
        before = await store.revision()
        await clock.advance(seconds=2)
        assert [kv.key for kv in (await store.get(b"a", b"z")).kvs] == [b"c"]
        assert await store.revision() == before + 1
        assert await time_to_live(store, short) == -1


async def test_everything_survives_an_ordered_restart(tmp_path: Path) -> None:
    config = Config(data_dir=str(tmp_path))
    clock = VirtualClock()
    async with running(config, clock=clock) as (store, _):
        lease = await grant(store, 100)
        await store.put(b"leased", b"1", lease=lease)
        await store.put(b"k", b"1")
        await store.put(b"k", b"2")
        await store.delete(b"gone")
        await store.put(b"gone", b"1")
        await store.delete(b"gone")
        await store.compact(4)
        await clock.advance(seconds=40)
        members = (await store.get(b"k")).header
    await clock.advance(seconds=1000)  # time does not run for a lease while the store is down
    async with running(config, clock=clock) as (store, _):
        reply = await store.get(b"\0", b"\0")
        assert [(kv.key, kv.value, kv.version, kv.mod_revision) for kv in reply.kvs] == [
            (b"k", b"2", 2, 4),
            (b"leased", b"1", 1, 2),
        ]
        assert reply.header == members
        assert await time_to_live(store, lease) == 60
        assert (await store.get(b"gone", revision=5)).count == 1
        with pytest.raises(RpcError, match="compacted"):
            await store.get(b"k", revision=3)
        await store.compact(6, physical=True)
    async with running(config, clock=clock) as (store, _):
        assert await store.revision() == 6, "the revision outlives the change that took it"
        assert (await store.put(b"gone", b"2")).header.revision == 7
        await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))
        assert (await store.get(b"leased")).count == 0


async def test_writes_of_one_moment_share_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    commit = Log.commit

    def counted(self: Log, batch: Batch) -> Size:
        commits.append(len(batch.changes))
        return commit(self, batch)

    async with running(Config(data_dir=str(tmp_path))) as (store, _):
        monkeypatch.setattr(Log, "commit", counted)
        replies = await asyncio.gather(*(store.put(b"k%03d" % number) for number in range(100)))
        assert [reply.header.revision for reply in replies] == list(range(2, 102))
    assert sum(commits) == 100
    assert len([size for size in commits if size]) <= 3


async def test_reads_see_only_what_is_durable(tmp_path: Path) -> None:
    """What a crash could take back is not shown: a read beside an unfinished write sees the state before."""
    async with running(Config(data_dir=str(tmp_path))) as (store, _):
        await store.put(b"k", b"1")
        writing = asyncio.ensure_future(store.put(b"k", b"2"))
        await asyncio.sleep(0)
        beside = await store.get(b"k")
        assert not writing.done()
        assert (beside.kvs[0].value, beside.header.revision) == (b"1", 2)
        conflicting = await store.txn(compare=[pb.Compare(key=b"k", target=pb.Compare.VALUE, value=b"1")])
        assert not conflicting.succeeded and conflicting.header.revision == 3
        assert writing.done(), "what a transaction saw is durable when it answers"
        assert (await store.get(b"k")).kvs[0].value == b"2"


async def test_a_slow_watcher_falls_behind_and_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_QUEUED_BYTES", 20_000)
    async with running() as (store, app):
        go = asyncio.Event()

        async def requests() -> AsyncIterator[Any]:
            create = pb.WatchCreateRequest(key=b"k", range_end=b"l", prev_kv=True)
            yield pb.WatchRequest(create_request=create)
            await asyncio.Event().wait()

        revisions: list[int] = []

        async def read() -> None:
            async for response in store.watches.Watch(requests()):
                if response.created:
                    await go.wait()  # a client that takes nothing for a while
                revisions.extend(event.kv.mod_revision for event in response.events)

        reader = asyncio.create_task(read())
        await until(lambda: len(app._parts.store.hub.groups) == 1)
        for number in range(3000):
            await store.put(b"k%d" % (number % 10), bytes(100))
        assert len(app._parts.store.hub.groups) == 0, "it was put behind"
        assert 20_000 <= app._parts.store.hub.held < 21_000
        go.set()
        await until(lambda: len(revisions) >= 3000)
        await store.put(b"k", b"live again")
        await asyncio.sleep(0)
        assert revisions == list(range(2, 3003))
        assert app._parts.store.hub.held == 0
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader


async def test_a_watch_in_process_hears_before_the_writer_goes_on() -> None:
    async with running() as (store, _), store.watching() as watch:
        await watch.create(b"k")
        for _ in range(10):
            revision = (await store.put(b"k")).header.revision
            assert watch.responses.get_nowait().events[0].kv.mod_revision == revision


async def test_progress_is_notified_to_quiet_watches() -> None:
    clock = VirtualClock()
    async with running(clock=clock) as (store, _), store.watching() as watch:
        quiet = await watch.create(b"a", progress_notify=True)
        busy = await watch.create(b"b", progress_notify=True)
        await store.put(b"b")
        assert (await watch.next()).watch_id == busy.watch_id
        await clock.advance(minutes=10, seconds=1)
        progress = await watch.next()
        assert (progress.watch_id, list(progress.events), progress.header.revision) == (quiet.watch_id, [], 2)
        await clock.advance(minutes=10)
        assert {(await watch.next()).watch_id for _ in range(2)} == {quiet.watch_id, busy.watch_id}


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "file"])
async def test_quota(durable: bool, tmp_path: Path) -> None:
    config = Config(data_dir=str(tmp_path) if durable else None, quota_backend_bytes=200_000)
    async with running(config) as (store, _):
        await asyncio.gather(*(store.put(b"k%d" % number, bytes(40_000)) for number in range(4)))
        with pytest.raises(RpcError) as raised:
            await store.put(b"k5", bytes(40_000))
        assert (raised.value.code, raised.value.message) == (
            Code.RESOURCE_EXHAUSTED,
            "etcdserver: mvcc: database space exceeded",
        )
        with pytest.raises(RpcError, match="space exceeded"):
            await store.put(b"small")
        (alarm,) = (await store.maintenance.Alarm(pb.AlarmRequest())).alarms
        assert alarm.alarm == 1
        assert list((await store.maintenance.Status(pb.StatusRequest())).errors)
        deleted = await store.delete(b"k", b"l")
        assert deleted.deleted > 0, "what makes room is allowed"
        await store.compact(deleted.header.revision, physical=True)
        await store.maintenance.Defragment(pb.DefragmentRequest())
        await store.maintenance.Alarm(pb.AlarmRequest(action=2, alarm=1, memberID=alarm.memberID))
        await store.put(b"small")


@pytest.mark.parametrize(
    ("mode", "retention", "hours", "compacted"),
    [
        pytest.param("periodic", "1h", 1.2, True, id="an hour, after more than one"),
        pytest.param("periodic", "1h", 0.8, False, id="an hour, after less"),
        pytest.param("revision", "5", 0.1, True, id="five revisions"),
        pytest.param("revision", "500", 0.1, False, id="more revisions than there are"),
    ],
)
async def test_automatic_compaction(mode: Any, retention: str, hours: float, compacted: bool) -> None:
    clock = VirtualClock()
    config = Config(auto_compaction_mode=mode, auto_compaction_retention=retention)
    async with running(config, clock=clock) as (store, _):
        for number in range(20):
            await store.put(b"k", b"%d" % number)
        await clock.advance(minutes=6)
        await clock.advance(hours=hours)
        if compacted:
            with pytest.raises(RpcError, match="compacted"):
                await store.get(b"k", revision=3)
        else:
            assert (await store.get(b"k", revision=3)).kvs[0].value == b"1"
        assert (await store.get(b"k")).kvs[0].value == b"19"


async def test_compaction_frees_memory_and_file(tmp_path: Path) -> None:
    async with running(Config(data_dir=str(tmp_path))) as (store, app):
        for _ in range(20):
            await asyncio.gather(*(store.put(b"k%d" % number, bytes(2000)) for number in range(50)))
        full = (await store.maintenance.Status(pb.StatusRequest())).dbSize
        await store.compact(await store.revision(), physical=True)
        await store.maintenance.Defragment(pb.DefragmentRequest())
        status = await store.maintenance.Status(pb.StatusRequest())
        assert status.dbSize < full / 5
        assert len(list(app._parts.store.state.index.positions())) == 50
        assert (await store.get(b"k", b"l")).count == 50


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "file"])
async def test_an_export_starts_an_equal_store(durable: bool, tmp_path: Path) -> None:
    async with running(Config(data_dir=str(tmp_path) if durable else None, cache_bytes=0)) as (store, app):
        lease = await grant(store, 50)
        for number in range(10):
            await store.put(b"k%d" % (number % 3), b"%d" % number, lease=lease)
        await store.compact(5)
        seed = await app.export()
        original = await store.get(b"\0", b"\0")
        await store.put(b"k0", b"after")
    async with running(seed=seed) as (store, _):
        copy = await store.get(b"\0", b"\0")
        assert list(copy.kvs) == list(original.kvs) and copy.header.revision == original.header.revision
        assert (await store.get(b"k1", revision=6)).count == 1
        with pytest.raises(RpcError, match="compacted"):
            await store.get(b"k1", revision=4)
        await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))
        assert (await store.get(b"\0", b"\0")).count == 0


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "file"])
async def test_a_snapshot_is_a_database(durable: bool, tmp_path: Path) -> None:
    async with running(Config(data_dir=str(tmp_path / "one") if durable else None)) as (store, _):
        for number in range(50):
            await store.put(b"k%d" % number, bytes(2000))
        blob = b"".join([part.blob async for part in store.maintenance.Snapshot(pb.SnapshotRequest())])
        hashed = (await store.maintenance.HashKV(pb.HashKVRequest())).hash
    other = tmp_path / "two"
    other.mkdir()
    (other / log_module.FILE).write_bytes(blob[:-32])
    async with running(Config(data_dir=str(other))) as (store, _):
        assert (await store.get(b"k", b"l", count_only=True)).count == 50
        assert (await store.maintenance.HashKV(pb.HashKVRequest())).hash == hashed


async def test_a_data_directory_serves_one_store(tmp_path: Path) -> None:
    async with running(Config(data_dir=str(tmp_path))):
        with pytest.raises(DatabaseError, match="in use by another process"):
            Log.open(str(tmp_path))


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = Log.open(str(tmp_path))
    file.commit(Batch(settings={"format": 99}))
    file.close()
    with pytest.raises(DatabaseError, match="newer version"):
        Log.open(str(tmp_path))


async def test_health() -> None:
    from machinery.rpc import Stub
    from protos.pool import messages

    health = messages("grpc.health.v1")
    async with running() as (store, _):
        check = Stub(store.channel, "grpc.health.v1.Health").Check
        assert (await check(health.HealthCheckRequest())).status == 1
        assert (await check(health.HealthCheckRequest(service="etcdserverpb.KV"))).status == 1
        with pytest.raises(RpcError) as raised:
            await check(health.HealthCheckRequest(service="other"))
        assert raised.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    ("config", "text"),
    [
        pytest.param(Config(listen_client_urls=("tcp://x:1",)), "must begin with", id="scheme"),
        pytest.param(Config(listen_client_urls=("http://x",)), "host and a port", id="port"),
        pytest.param(Config(listen_client_urls=("https://x:1",)), "cert-file", id="certificate"),
        pytest.param(Config(client_cert_auth=True), "trusted-ca-file", id="authority"),
    ],
)
def test_contradictions_are_refused(config: Config, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        EtcdLite(config, clock=SystemClock())
