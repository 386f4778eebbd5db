"""`python -m etcdlite` and its tools as processes: backups while serving, stores from backups, flags, monitoring."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_etcdctl import make_certificates
from tests.support.etcd import EtcdClient, free_port, pb, real_etcd, start_etcdlite

pytestmark = pytest.mark.e2e


def tool(*arguments: str | Path, code: int = 0, environment: dict[str, str] | None = None) -> str:
    """What a tool printed on both streams; it ended with this code, and failed in one line."""
    done = subprocess.run(
        [sys.executable, "-m", "etcdlite", *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not code or done.stderr.startswith("etcdlite: ")
    return done.stdout + done.stderr


@contextlib.contextmanager
def serving(*arguments: str | Path) -> Iterator[str]:
    """A server; its address."""
    process, url = start_etcdlite(*map(str, arguments))
    try:
        yield url.removeprefix("http://")
    finally:
        process.terminate()
        assert process.wait(20) == 0
        assert process.stdout is not None
        process.stdout.close()


@contextlib.asynccontextmanager
async def client(address: str) -> Any:
    from machinery.rpc.grpc_channel import GrpcChannel

    channel = GrpcChannel(address)
    try:
        yield EtcdClient(channel)
    finally:
        await channel.close()


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_store_that_was_deleted_is_not_saved_and_the_cause_is_told(tmp_path: Path) -> None:
    """By etcdctl as well, which would not come back if it were told that the store is unavailable."""
    data, saved = tmp_path / "data", tmp_path / "saved.db"
    with serving("--data-dir", data) as address:
        shutil.move(data, tmp_path / "elsewhere")
        told = f"etcdlite: {data}/store.db: deleted or replaced while in use; stop the server and put it back\n"
        assert tool("snapshot", "save", saved, "--endpoints", address, code=1) == told
        assert tool("defrag", "--endpoints", address, code=1) == told
        if shutil.which("etcdctl"):
            for words in (["snapshot", "save", str(saved)], ["defrag"]):
                done = subprocess.run(
                    ["etcdctl", "--endpoints", address, *words],
                    env={**os.environ, "ETCDCTL_API": "3"},
                    capture_output=True,
                    text=True,
                    timeout=20,
                    check=False,
                )
                assert done.returncode and "deleted or replaced while in use" in done.stderr
        shutil.move(tmp_path / "elsewhere", data)
        assert "Snapshot saved" in tool("snapshot", "save", saved, "--endpoints", address)


async def test_a_snapshot_during_writes_is_a_consistent_prefix(tmp_path: Path) -> None:
    """Writers put twins in one transaction, one after the other; a snapshot has what was there at one moment."""
    saved = tmp_path / "saved.db"
    with serving("--data-dir", tmp_path / "data") as address:
        async with client(address) as store:
            written = [0] * 8
            enough = asyncio.Event()

            async def write(number: int) -> None:
                while True:
                    value = b"%d" % (written[number] + 1)
                    twins = [pb.PutRequest(key=b"%d/%s" % (number, each), value=value) for each in (b"a", b"b")]
                    await store.txn(success=twins)
                    written[number] += 1
                    if min(written) == 20:
                        enough.set()

            async with asyncio.TaskGroup() as group:
                writers = [group.create_task(write(number)) for number in range(8)]
                await enough.wait()
                before = list(written)
                told = await asyncio.to_thread(tool, "snapshot", "save", saved, "--endpoints", address)
                assert f"Snapshot saved at {saved}\n" in told
                after = list(written)
                for writer in writers:
                    writer.cancel()
    assert sum(after) > sum(before), "writers went on meanwhile"
    tool("snapshot", "restore", saved, "--data-dir", tmp_path / "restored", "--bump-revision", "0")
    with serving("--data-dir", tmp_path / "restored") as address:
        async with client(address) as store:
            kept = {kv.key: kv for kv in (await store.get(b"\0", b"\0")).kvs}
            newest = max(kv.mod_revision for kv in kept.values())
            assert await store.revision() == newest
            total = 0
            for number in range(8):
                twins = [kept[b"%d/%s" % (number, each)] for each in (b"a", b"b")]
                assert twins[0].value == twins[1].value and twins[0].mod_revision == twins[1].mod_revision
                value = int(twins[0].value)
                assert before[number] <= value <= after[number] + 1
                assert twins[0].version == value, "its history is whole"
                total += value
            assert newest == total + 1, "every revision up to the newest is there, and none after it"
    assert not list((tmp_path / "data").glob("snapshot-*")), "nothing is left beside the data"


async def test_a_restored_store_misleads_no_watcher(tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    with serving("--data-dir", tmp_path / "data") as address:
        async with client(address) as store:
            lease = await store.leases.LeaseGrant(pb.LeaseGrantRequest(ID=77, TTL=5000))
            await store.put(b"kept", b"1", lease=lease.ID)
            old = (await store.maintenance.Status(pb.StatusRequest())).header
            tool("snapshot", "save", saved, "--endpoints", f"http://{address}")
            lost = [(await store.put(b"lost", b"%d" % number)).header.revision for number in range(3)]
    told = tool("snapshot", "restore", saved, "--data-dir", tmp_path / "restored")
    assert "at revision 1000000002\n" in told and "next: python -m etcdlite --data-dir" in told
    with serving("--data-dir", tmp_path / "restored") as address:
        async with client(address) as store:
            for resumed in (old.revision, old.revision + 1, lost[-1] + 1):
                async with store.watching() as watch:
                    created = await watch.create(b"\0", b"\0", start_revision=resumed)
                    assert created.created
                    refused = await watch.next()
                    assert refused.canceled and refused.compact_revision == 1_000_000_002, resumed
            reply = await store.get(b"kept")
            assert reply.kvs[0].value == b"1" and reply.kvs[0].lease == 77
            assert reply.header.revision == 1_000_000_002
            assert (reply.header.cluster_id, reply.header.member_id) != (old.cluster_id, old.member_id)
            left = await store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=77, keys=True))
            assert 4990 < left.TTL <= 5000 and list(left.keys) == [b"kept"]
            async with store.watching() as watch:
                await watch.create(b"\0", b"\0", start_revision=reply.header.revision + 1)
                assert (await store.put(b"new")).header.revision == 1_000_000_003
                (event,) = await watch.events(1)
                assert event.kv.mod_revision == 1_000_000_003
    with serving("--data-dir", tmp_path / "restored") as address:
        async with client(address) as store:
            assert await store.revision() == 1_000_000_003


def test_what_a_snapshot_holds(tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    with serving() as address:
        asyncio.run(_put(address, 3))
        tool("snapshot", "save", saved, "--endpoints", address)
        hashed = asyncio.run(_hash(address))
    contents = json.loads(tool("snapshot", "status", saved, "-w", "json"))
    assert contents == {"hash": hashed, "revision": 4, "totalKey": 3, "totalSize": saved.stat().st_size - 32}
    simple = tool("snapshot", "status", saved).strip().split(", ")
    assert simple[:3] == [f"{hashed:x}", "4", "3"]
    assert tool("snapshot", "status", saved, "-w", "fields").splitlines()[1] == '"Revision" : 4'
    table = tool("snapshot", "status", saved, "-w", "table").splitlines()
    assert len({len(line) for line in table}) == 1 and "│ REVISION │ TOTAL KEYS │" in table[1]
    assert "whole; revision 4" in tool("check", saved)


async def _put(address: str, count: int) -> None:
    async with client(address) as store:
        for number in range(count):
            await store.put(b"k%d" % number)


async def _hash(address: str) -> int:
    async with client(address) as store:
        return int((await store.maintenance.HashKV(pb.HashKVRequest())).hash)


@pytest.mark.skipif(shutil.which("etcdctl") is None, reason="etcdctl is not installed (apt-get install etcd-client)")
def test_a_snapshot_of_a_real_etcd_is_named(tmp_path: Path) -> None:
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    theirs = tmp_path / "theirs.db"
    with real_etcd() as address:
        tool("snapshot", "save", theirs, "--endpoints", address)  # the protocol is the same
    assert "bbolt" in tool("snapshot", "restore", theirs, "--data-dir", tmp_path / "data", code=1)
    assert "etcdutl" in tool("snapshot", "status", theirs, code=1)


def test_compaction_and_defragmentation(tmp_path: Path) -> None:
    data = tmp_path / "data"

    async def churn(address: str) -> None:
        async with client(address) as store:
            for number in range(40):
                await store.put(b"k", b"%d" % number * 50_000)

    with serving("--data-dir", data) as address:
        asyncio.run(churn(address))
        assert tool("compact", "20", "--endpoints", address).startswith("compacted revision 20\n")
        assert "has been compacted" in tool("compact", "19", "--endpoints", address, code=1)
        assert "Finished defragmenting etcd member" in tool("defrag", "--endpoints", address)
        assert "in use by process" in tool("check", "--data-dir", data, code=1)
        whole = tool("check", "--endpoints", address)
        assert f"{address}: serving; revision 41" in whole


def test_an_alarm_is_told_by_a_check(tmp_path: Path) -> None:
    async def fill(address: str) -> None:
        from machinery.rpc import RpcError

        async with client(address) as store:
            with contextlib.suppress(RpcError):
                for number in range(100):
                    await store.put(b"%d" % number, b"x" * 50_000)

    with serving("--data-dir", tmp_path / "data", "--quota-backend-bytes", "1000000") as address:
        asyncio.run(fill(address))
        told = tool("check", "--endpoints", address, code=1)
        assert "alarm:NOSPACE" in told and "alarm disarm" in told
        assert fetch(f"http://{address}/health") == (503, '{"health":"false","reason":"ALARM NOSPACE"}\n')
        assert fetch(f"http://{address}/health?exclude=NOSPACE")[0] == 200
        assert fetch(f"http://{address}/readyz")[0] == 200


def test_monitoring_on_the_client_url_and_apart(tmp_path: Path) -> None:
    port = free_port()
    with serving("--listen-metrics-urls", f"http://127.0.0.1:{port}") as address:
        asyncio.run(_put(address, 3))
        for base in (f"http://{address}", f"http://127.0.0.1:{port}"):
            assert fetch(f"{base}/health") == (200, '{"health":"true","reason":""}')
            assert json.loads(fetch(f"{base}/version")[1])["etcdserver"].startswith("3.5.")
            assert fetch(f"{base}/livez?verbose") == (200, "[+]serializable_read ok\nok\n")
            status, text = fetch(f"{base}/metrics")
            assert status == 200
            assert "\netcd_mvcc_put_total 3\n" in text
            labels = 'grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_code="OK"'
            assert f"grpc_server_handled_total{{{labels}}} 3\n" in text
            assert "\nprocess_resident_memory_bytes " in text


def test_monitoring_and_tools_over_tls(tmp_path: Path) -> None:
    """One port for gRPC and for clients that would speak HTTP/2 as well, as curl and Prometheus do."""
    make_certificates(tmp_path)
    certificate = ("--cert-file", tmp_path / "server.pem", "--key-file", tmp_path / "server.key")
    process, url = start_etcdlite(*map(str, certificate), "--listen-client-urls", "https://127.0.0.1:0")
    try:
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.set_alpn_protocols(["h2", "http/1.1"])
        with urllib.request.urlopen(f"{url}/health", timeout=10, context=context) as reply:
            assert reply.read() == b'{"health":"true","reason":""}'
        trusted = ("--endpoints", url, "--cacert", tmp_path / "ca.pem")
        assert "serving; revision 1" in tool("check", *trusted)
        tool("snapshot", "save", tmp_path / "saved.db", *trusted)
        alone = ("check", "--command-timeout", "5", "--endpoints")
        assert "its certificate is of no authority in --cacert" in tool(*alone, url, code=1)
        assert "is it https://" in tool(*alone, url.removeprefix("https://"), code=1)
    finally:
        process.terminate()
        assert process.wait(20) == 0
        assert process.stdout is not None
        process.stdout.close()


def test_etcds_command_lines(tmp_path: Path) -> None:
    """What etcd is started with starts this: flags, environment and file, those that mean nothing here too."""
    port = free_port()
    (tmp_path / "conf.yaml").write_text(
        f"name: m1\ndata-dir: {tmp_path / 'unused'}\nsnapshot-count: 10000\nlog-level: warn\n"
        f"listen-client-urls: http://127.0.0.1:{port}\nadvertise-client-urls: http://etcd:2379\n"
        "client-transport-security:\n  client-cert-auth: false\npeer-transport-security:\n  auto-tls: true\n"
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "etcdlite", "--config-file", str(tmp_path / "conf.yaml")),
            *(f"--data-dir={tmp_path / 'data'}", "--initial-cluster", "m1=http://127.0.0.1:2380", "-pre-vote=true"),
            *("--initial-cluster-state=new", "--unsafe-no-fsync", "--quota-backend-bytes=-1"),
        ],
        env={**os.environ, "ETCD_HEARTBEAT_INTERVAL": "200", "ETCD_MAX_TXN_OPS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        assert process.stdout.readline() == f"etcdlite ready http://127.0.0.1:{port}\n"
        asyncio.run(_three_puts_are_too_many(f"127.0.0.1:{port}"))
    finally:
        process.terminate()
        _, told = process.communicate(timeout=20)
    assert told == (
        "etcdlite: ignored, since it means nothing to one member: --heartbeat-interval, --initial-cluster, "
        "--initial-cluster-state, --peer-auto-tls, --pre-vote, --snapshot-count\n"
    )
    assert (tmp_path / "data" / "store.db").exists() and not (tmp_path / "unused").exists()


async def _three_puts_are_too_many(address: str) -> None:
    from machinery.rpc import RpcError, Stub

    async with client(address) as store:
        with pytest.raises(RpcError, match="too many operations"):
            await store.txn(success=[pb.PutRequest(key=b"%d" % number) for number in range(3)])
        (member,) = (await Stub(store.channel, "etcdserverpb.Cluster").MemberList(pb.MemberListRequest())).members
        assert (member.name, list(member.clientURLs)) == ("m1", ["http://etcd:2379"])


@pytest.mark.skipif(shutil.which("etcdctl") is None, reason="etcdctl is not installed (apt-get install etcd-client)")
def test_etcdctl_locks_and_elects() -> None:
    def etcdctl(address: str, *arguments: str) -> list[str]:
        return ["etcdctl", f"--endpoints={address}", "--dial-timeout=10s", *arguments]

    environment = {**os.environ, "ETCDCTL_API": "3"}
    with serving() as address, contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    etcdctl(address, *arguments),
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            return process

        def line(process: subprocess.Popen[str]) -> str:
            assert process.stdout is not None
            return process.stdout.readline().strip()

        first = start("lock", "mutex")
        held = line(first)
        assert held.startswith("mutex/")
        second = start("lock", "mutex")
        asyncio.run(_ours_waits_too(address, held))
        first.send_signal(2)
        assert line(second).startswith("mutex/")
        leading = start("elect", "race", "one")
        assert line(leading).startswith("race/")
        assert line(leading) == "one"
        observing = start("elect", "--listen", "race")
        assert line(observing).startswith("race/")
        assert line(observing) == "one"


async def _ours_waits_too(address: str, held: str) -> None:
    """A client of the lock service stands in the same line as those that keep it themselves."""
    from machinery.rpc import RpcError, Stub
    from machinery.rpc.api import Code
    from protos.pool import messages

    lockpb = messages("v3lockpb")
    async with client(address) as store:
        lock = Stub(store.channel, "v3lockpb.Lock")
        with pytest.raises(RpcError) as caught:
            await lock.Lock(lockpb.LockRequest(name=b"mutex"), timeout=0.2)
        assert caught.value.code is Code.DEADLINE_EXCEEDED
        deadline = time.monotonic() + 10
        keys: list[str] = []
        while time.monotonic() < deadline and len(keys) != 2:
            reply = await store.get(b"mutex/", b"mutex0", sort_target=pb.RangeRequest.CREATE)
            keys = [kv.key.decode() for kv in reply.kvs]
        assert keys[0] == held and len(keys) == 2, "the place was given up"


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with serving():
            assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100) == b"STOPPING=1"


def test_versions() -> None:
    told = tool("--version")
    assert told.startswith("etcdlite Version: ") and "\nAPI: etcd 3.5." in told
    assert tool("version") == told


@pytest.mark.parametrize(
    ("word", "text"),
    [
        pytest.param("--nam=x", "unknown flag --nam (did you mean --name?)", id="unknown"),
        pytest.param("--initial-cluster=a=http://a:1,b=http://b:1", "this store has one member", id="members"),
        pytest.param("--listen-metrics-urls=ftp://x:1", "must begin with http:// or https://", id="metrics"),
    ],
)
def test_bad_command_lines(word: str, text: str) -> None:
    assert text in tool(word, code=2)


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_leaves_and_a_full_disk_are_no_words_of_the_interpreters(unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = f"{sys.executable} -m etcdlite --help"
    left = subprocess.run(
        f"{command} | true", shell=True, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert left.stderr == ""
    if Path("/dev/full").exists():
        full = subprocess.run(
            f"{command} > /dev/full",
            shell=True, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (full.returncode, full.stderr) == (1, "etcdlite: No space left on device\n")
