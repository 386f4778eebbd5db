"""Services whose behaviour hangs on time or on the store's coming and going: locks, health, reflection, monitoring."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors import System, SystemClock, VirtualClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.http.checks import PATIENCE, Checks
from etcdlite.http.protocol import BadRequest, HttpProtocol, Request, Response, parse
from etcdlite.parts import Parts
from etcdlite.snapshots import sweep
from machinery.rpc import LocalChannel, RpcError, Stub
from machinery.rpc.api import Code
from machinery.rpc.grpc_channel import GrpcChannel
from protos.pool import Method, messages
from tests.support.etcd import EtcdClient, pb

lockpb = messages("v3lockpb")
electionpb = messages("v3electionpb")
healthpb = messages("grpc.health.v1")


# ---- locks and elections end with their leases --------------------------------------------------------------------


@contextlib.asynccontextmanager
async def store_in_memory(clock: VirtualClock) -> AsyncIterator[EtcdClient]:
    app = EtcdLite(Config(), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        yield EtcdClient(LocalChannel(app.services(), clock=clock))


async def test_a_lock_is_lost_with_the_time_of_its_lease() -> None:
    clock = VirtualClock()
    async with store_in_memory(clock) as store:
        locks = Stub(store.channel, "v3lockpb.Lock")
        await locks.Lock(lockpb.LockRequest(name=b"mutex"))
        lease = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=600))
        waiting = asyncio.ensure_future(locks.Lock(lockpb.LockRequest(name=b"mutex", lease=lease.ID)))
        await clock.advance(seconds=59)
        assert not waiting.done()
        await clock.advance(seconds=2)
        assert waiting.done(), "the first holder's minute is over"
        assert waiting.result().key == b"mutex/%x" % lease.ID


async def test_a_leader_that_is_silent_is_followed() -> None:
    clock = VirtualClock()
    async with store_in_memory(clock) as store:
        elections = Stub(store.channel, "v3electionpb.Election")
        first = (await elections.Campaign(electionpb.CampaignRequest(name=b"e", value=b"one"))).leader
        lease = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=600))
        second = asyncio.ensure_future(
            elections.Campaign(electionpb.CampaignRequest(name=b"e", value=b"two", lease=lease.ID))
        )
        await clock.advance(seconds=61)
        assert second.done() and second.result().leader.key == b"e/%x" % lease.ID
        with pytest.raises(RpcError, match="election: not leader"):
            await elections.Proclaim(electionpb.ProclaimRequest(leader=first, value=b"still me"))


# ---- health -------------------------------------------------------------------------------------------------------


async def test_health_tells_changes_at_once() -> None:
    clock = VirtualClock()
    app = EtcdLite(Config(), clock=clock)
    health = Stub(LocalChannel(app.services(), clock=clock), "grpc.health.v1.Health")
    heard: list[int] = []

    async def watch() -> None:
        async for reply in health.Watch(healthpb.HealthCheckRequest(service="etcdserverpb.KV")):
            status_told = reply.status
            heard.append(status_told)

    watching = asyncio.ensure_future(watch())
    status = healthpb.HealthCheckResponse
    async with System(app.spec(), clock=clock):
        await app.ready()
        await clock.settle()
        assert heard[-1] == status.SERVING
        assert (await health.Check(healthpb.HealthCheckRequest())).status == status.SERVING
    await clock.settle()
    assert heard == [status.NOT_SERVING, status.SERVING, status.NOT_SERVING]
    watching.cancel()
    with pytest.raises(RpcError) as caught:
        await health.Check(healthpb.HealthCheckRequest(service="nobody"))
    assert (caught.value.code, caught.value.message) == (Code.NOT_FOUND, "unknown service")
    unknown = health.Watch(healthpb.HealthCheckRequest(service="nobody"))
    assert (await anext(unknown)).status == status.SERVICE_UNKNOWN
    await unknown.aclose()


# ---- reflection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_a_client_that_knows_nothing_learns_to_call(version: str) -> None:
    """It builds its messages from what reflection tells, in a pool of its own, and puts a key."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    clock = SystemClock()
    app = EtcdLite(Config(listen_client_urls=("http://127.0.0.1:0",)), clock=clock)
    reflection = messages(f"grpc.reflection.{version}")
    async with System(app.spec(), clock=clock):
        await app.ready()
        channel = GrpcChannel(app.client_urls[0].removeprefix("http://"))
        stub = Stub(channel, f"grpc.reflection.{version}.ServerReflection")

        async def ask(**question: Any) -> Any:
            async def requests() -> AsyncIterator[Any]:
                yield reflection.ServerReflectionRequest(**question)

            (reply,) = [each async for each in stub.ServerReflectionInfo(requests())]
            return reply

        listed = {each.name for each in (await ask(list_services="*")).list_services_response.service}
        assert listed == set(app.services())
        pool = descriptor_pool.DescriptorPool()
        told = (await ask(file_containing_symbol="etcdserverpb.KV")).file_descriptor_response.file_descriptor_proto
        files = {file.name: file for file in map(descriptor_pb2.FileDescriptorProto.FromString, told)}

        def add(name: str) -> None:
            file = files.pop(name, None)
            if file is not None:
                for needed in file.dependency:
                    add(needed)
                pool.Add(file)

        for name in list(files):
            add(name)
        put = pool.FindServiceByName("etcdserverpb.KV").FindMethodByName("Put")
        request, reply = (message_factory.GetMessageClass(each) for each in (put.input_type, put.output_type))
        method = Method("Put", "/etcdserverpb.KV/Put", request, reply, False, False)
        answer = await channel.unary(method, request(key=b"k", value=b"v"))
        assert answer.header.revision == 2
        by_name = await ask(file_by_filename="protos/etcd/kv.proto")
        assert len(by_name.file_descriptor_response.file_descriptor_proto) == 1
        for question, code in (
            ({"file_containing_symbol": "no.Such"}, Code.NOT_FOUND),
            ({"file_by_filename": "no.proto"}, Code.NOT_FOUND),
            ({"all_extension_numbers_of_type": "etcdserverpb.PutRequest"}, Code.NOT_FOUND),
            ({}, Code.INVALID_ARGUMENT),
        ):
            assert (await ask(**question)).error_response.error_code == code
        await channel.close()


# ---- monitoring ---------------------------------------------------------------------------------------------------


def fetch(url: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, data=None)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status), str(reply.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_paths_and_answers_are_etcds() -> None:
    clock = SystemClock()
    app = EtcdLite(Config(listen_client_urls=("http://127.0.0.1:0",)), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        (url,) = app.client_urls

        async def get(path: str, method: str = "GET") -> tuple[int, str]:
            return await asyncio.to_thread(fetch, url + path, method)

        assert await get("/health") == (200, '{"health":"true","reason":""}')
        assert await get("/health?serializable=true") == (200, '{"health":"true","reason":""}')
        assert await get("/livez") == (200, "ok\n")
        told = "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n"
        assert await get("/readyz?verbose") == (200, told)
        only = "[+]serializable_read ok\n[+]non_learner ok\nok\n"
        assert await get("/readyz?verbose&exclude=linearizable_read&exclude=data_corruption") == (200, only)
        assert await get("/readyz/non_learner?verbose") == (200, "[+]non_learner ok\nok\n")
        assert json.loads((await get("/version"))[1])["etcdcluster"] == "3.5.0"
        assert await get("/livez/nothing") == (404, "404 page not found\n")
        assert await get("/debug/vars") == (404, "404 page not found\n")
        assert await get("/health", "POST") == (405, "Method Not Allowed\n")
        assert await get("/health", "HEAD") == (200, "")
        channel = GrpcChannel(url.removeprefix("http://"))
        alarm = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=pb.AlarmType["CORRUPT"].number)
        await EtcdClient(channel).maintenance.Alarm(alarm)
        assert await get("/health") == (503, '{"health":"false","reason":"ALARM CORRUPT"}\n')
        assert (await get("/health?exclude=CORRUPT"))[0] == 200
        status, reason = await get("/readyz")
        assert status == 503 and reason.startswith("[-]data_corruption failed: alarm activated: CORRUPT\n")
        assert await get("/livez") == (200, "ok\n")
        await channel.close()


async def test_a_store_that_does_not_answer_is_not_ready() -> None:
    clock = VirtualClock()
    parts = Parts()
    checks = Checks(parts, clock=clock)
    good, lines = await checks.run("readyz", ["data_corruption", "linearizable_read"])
    assert (good, lines) == (
        False,
        ["[+]data_corruption ok", "[-]linearizable_read failed: etcdserver: server stopped"],
    )
    app = EtcdLite(Config(), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        (store,) = [app._parts.store]
        checks = Checks(app._parts, clock=clock)
        assert await checks.health(excluded=(), serializable=False) == ""

        async def never() -> None:
            await asyncio.get_running_loop().create_future()

        store.committer.flush = never  # type: ignore[method-assign]  # a disk that hangs
        asked = asyncio.ensure_future(checks.health(excluded=(), serializable=False))
        await clock.advance(seconds=PATIENCE - 1)
        assert not asked.done()
        await clock.advance(seconds=2)
        assert asked.result() == "RANGE ERROR:etcdserver: request timed out"
        assert await checks.health(excluded=(), serializable=True) == ""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /", 400),
        (b"GET / HTTP/2", 400),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\nname : x", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", 413),
        (b"GET http://[ HTTP/1.1", 400),
    ],
)
def test_requests_that_are_none(head: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(head)
    assert caught.value.status == status


def test_requests() -> None:
    request, keep = parse(b"GET /a?x&y=1&y=2 HTTP/1.1\r\nHost: h")
    assert request == Request("GET", "/a", {"x": [""], "y": ["1", "2"]}) and keep
    assert not parse(b"GET / HTTP/1.1\r\nConnection: close")[1]
    assert not parse(b"GET / HTTP/1.0")[1]
    assert parse(b"GET / HTTP/1.0\r\nConnection: keep-alive")[1]


async def test_pipelined_and_split_requests_are_answered_in_order() -> None:
    class Transport(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            self.written = b""
            self.closed = self.paused = False

        def write(self, data: Any) -> None:
            self.written += data

        def close(self) -> None:
            self.closed = True

        def is_closing(self) -> bool:
            return self.closed

        def pause_reading(self) -> None:
            self.paused = True

        def resume_reading(self) -> None:
            self.paused = False

    async def site(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(request.path)

    transport = Transport()
    protocol = HttpProtocol(site, lambda answer, name: asyncio.ensure_future(answer))
    protocol.connection_made(transport)
    wire = b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\nConnection: close\r\n\r\n"
    for at in range(0, len(wire), 7):
        protocol.data_received(wire[at : at + 7])
    for _ in range(20):
        await asyncio.sleep(0)
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in transport.written.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"/1", b"/2", b"/3"] and transport.closed
    pushing = Transport()
    protocol = HttpProtocol(site, lambda answer, name: asyncio.ensure_future(answer))
    protocol.connection_made(pushing)
    protocol.data_received(b"GET /1 HTTP/1.1\r\n\r\n" * 1000)
    protocol.data_received(b"GET /2 HTTP/1.1\r\n\r\n")
    assert pushing.paused
    for _ in range(5000):
        await asyncio.sleep(0)
    assert pushing.written.count(b"HTTP/1.1 200 OK") == 1001
    assert not pushing.paused and pushing.written.endswith(b"/2")
    flooded = Transport()
    protocol = HttpProtocol(site, lambda answer, name: asyncio.ensure_future(answer))
    protocol.connection_made(flooded)
    protocol.data_received(b"x" * 20_000)
    assert flooded.written.startswith(b"HTTP/1.1 431 ") and flooded.closed


# ---- hashes and snapshots -----------------------------------------------------------------------------------------


async def test_a_hash_of_a_damaged_file_is_none(tmp_path: Path) -> None:
    clock = SystemClock()
    app = EtcdLite(Config(data_dir=str(tmp_path), cache_bytes=0), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        store = EtcdClient(LocalChannel(app.services()))
        for number in range(50):
            await store.put(b"k%d" % number, bytes(3000))
        await store.maintenance.Defragment(pb.DefragmentRequest())  # everything is in the file, and no more beside it
        with (tmp_path / "store.db").open("r+b") as file:
            file.seek(10 * 4096)
            file.write(b"\xff" * 4096 * 20)
        with pytest.raises(RpcError) as caught:
            await store.maintenance.HashKV(pb.HashKVRequest())
        assert caught.value.code is Code.DATA_LOSS
        told = await store.maintenance.Status(pb.StatusRequest())
        assert "alarm:CORRUPT" in told.errors[0]


async def test_a_snapshot_that_finds_no_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "snapshot-abc.tmp"))

    clock = SystemClock()
    app = EtcdLite(Config(data_dir=str(tmp_path)), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        monkeypatch.setattr(tempfile, "mkstemp", full)
        snapshot = Stub(LocalChannel(app.services()), "etcdserverpb.Maintenance").Snapshot(pb.SnapshotRequest())
        with pytest.raises(RpcError) as caught:
            await anext(snapshot)
        told = f"etcdlite: snapshot: {tmp_path}: No space left on device"
        assert (caught.value.code, caught.value.message) == (Code.UNKNOWN, told)


async def test_what_a_crash_left_of_a_snapshot_is_removed_at_the_start(tmp_path: Path) -> None:
    for name in ("snapshot-abc.tmp", "snapshot-abc.tmp-journal"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "snapshot.db").write_bytes(b"somebody's own")
    clock = SystemClock()
    app = EtcdLite(Config(data_dir=str(tmp_path)), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        names = {path.name for path in tmp_path.iterdir()}
        assert not {name for name in names if name.endswith((".tmp", ".tmp-journal"))} and "snapshot.db" in names
        snapshot = Stub(LocalChannel(app.services()), "etcdserverpb.Maintenance").Snapshot(pb.SnapshotRequest())
        assert (await anext(snapshot)).blob[:15] == b"SQLite format 3"
        assert not list(tmp_path.glob("snapshot-*")), "while it is sent it has no name"
        await snapshot.aclose()
    sweep(tmp_path)
    assert (tmp_path / "snapshot.db").exists()
