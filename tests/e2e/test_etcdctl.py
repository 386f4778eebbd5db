"""The real etcdctl against `python -m etcdlite`, as a process of its own; and that process killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.etcd import EtcdClient, start_etcdlite

ETCDCTL = shutil.which(os.environ.get("ETCDCTL") or "etcdctl")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(ETCDCTL is None, reason="etcdctl is not installed (apt-get install etcd-client)"),
]


class Etcdctl:
    """etcdctl for one endpoint."""

    def __init__(self, url: str, *flags: str) -> None:
        self.url = url
        self.flags = [f"--endpoints={url}", "--dial-timeout=10s", "--command-timeout=20s", *flags]

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """The finished command."""
        environment = {**os.environ, "ETCDCTL_API": "3"}
        command = [str(ETCDCTL), *self.flags, *arguments]
        return subprocess.run(
            command, input=stdin, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What it printed; it must have succeeded."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-w", "json"))


@pytest.fixture
def ctl(tmp_path: Path) -> Iterator[Etcdctl]:
    process, url = start_etcdlite("--data-dir", str(tmp_path / "data"))
    yield Etcdctl(url)
    process.terminate()
    assert process.wait(20) == 0, "SIGTERM ends it in order"
    assert process.stdout is not None
    process.stdout.close()


def test_put_get_del(ctl: Etcdctl) -> None:
    assert ctl("put", "greeting/one", "hello") == "OK\n"
    assert ctl("put", "greeting/one", "hello again", "--prev-kv") == "OK\ngreeting/one\nhello\n"
    ctl("put", "greeting/two", "bye")
    assert ctl("get", "greeting/one") == "greeting/one\nhello again\n"
    assert ctl("get", "greeting/", "--prefix", "--keys-only").split() == ["greeting/one", "greeting/two"]
    assert ctl(
        "get", "greeting/", "--prefix", "--print-value-only", "--order=DESCEND", "--sort-by=KEY", "--limit=1"
    ) == ("bye\n")
    assert ctl("get", "greeting/one", "--rev=2", "--print-value-only") == "hello\n"
    assert ctl.json("get", "greeting/", "--prefix", "--limit=1")["count"] == 2
    assert ctl("get", "", "--from-key", "--keys-only").split() == ["greeting/one", "greeting/two"]
    assert ctl("del", "greeting/", "--prefix") == "2\n"
    assert ctl("get", "greeting/one") == ""


def test_txn(ctl: Etcdctl) -> None:
    ctl("put", "k", "1")
    script = 'value("k") = "1"\nversion("absent") = "0"\n\nput k 2\nput other x\n\nget k\n\n'
    assert ctl("txn", stdin=script).split() == ["SUCCESS", "OK", "OK"]
    assert ctl("txn", stdin=script).split() == ["FAILURE", "k", "2"]
    refused = ctl.run("txn", stdin="\nput k 1\nput k 2\n\n\n")
    assert refused.returncode != 0 and "duplicate key given in txn request" in refused.stderr


@contextlib.contextmanager
def watching(ctl: Etcdctl, *arguments: str) -> Iterator[Callable[[], str]]:
    """`etcdctl watch`; a function that returns its next line."""
    command = [str(ETCDCTL), *ctl.flags, "watch", *arguments]
    with subprocess.Popen(command, env={**os.environ, "ETCDCTL_API": "3"}, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        lines = watch.stdout
        try:
            yield lambda: lines.readline().rstrip("\n")
        finally:
            watch.terminate()


def test_watch(ctl: Etcdctl) -> None:
    ctl("put", "k", "1")
    ctl("put", "k", "2")
    with watching(ctl, "k", "--rev=2", "--prev-kv") as line:
        assert [line() for _ in range(8)] == ["PUT", "k", "1", "PUT", "k", "1", "k", "2"]
        ctl("del", "k")
        assert [line() for _ in range(4)] == ["DELETE", "k", "2", "k"]


def test_leases(ctl: Etcdctl) -> None:
    lease = ctl("lease", "grant", "500").split()[1]
    ctl("put", "held", "1", f"--lease={lease}")
    told = ctl("lease", "timetolive", lease, "--keys")
    assert f"lease {lease} granted with TTL(500s)" in told and "[held]" in told
    assert lease in ctl("lease", "list")
    assert "keepalived with TTL(500)" in ctl("lease", "keep-alive", "--once", lease)
    assert "revoked" in ctl("lease", "revoke", lease)
    assert ctl("get", "held") == ""
    short = ctl("lease", "grant", "1").split()[1]
    ctl("put", "short", "1", f"--lease={short}")
    with watching(ctl, "short", "--rev=1") as line:
        assert [line() for _ in range(3)] == ["PUT", "short", "1"]
        assert line() == "DELETE"
    assert ctl("get", "short") == ""


def test_compaction(ctl: Etcdctl) -> None:
    for number in range(5):
        ctl("put", "k", str(number))
    assert "compacted revision 4" in ctl("compaction", "4", "--physical")
    refused = ctl.run("get", "k", "--rev=3")
    assert refused.returncode != 0 and "required revision has been compacted" in refused.stderr
    assert ctl("get", "k", "--rev=4", "--print-value-only") == "2\n"


def test_operations(ctl: Etcdctl, tmp_path: Path) -> None:
    ctl("put", "k", "v")
    (status,) = ctl.json("endpoint", "status")
    assert status["Status"]["leader"] == status["Status"]["header"]["member_id"]
    assert status["Status"]["dbSize"] > 0
    assert "is healthy" in ctl.run("endpoint", "health").stderr + ctl("endpoint", "health")
    assert ctl.url in ctl("member", "list")
    assert ctl("endpoint", "hashkv").split()[0] == f"{ctl.url},"
    assert "Finished defragmenting" in ctl("defrag")
    assert ctl("alarm", "list") == ""
    assert ctl("user", "list") == ""
    saved = tmp_path / "snapshot.db"
    assert str(saved) in ctl("snapshot", "save", str(saved))
    assert saved.read_bytes()[:15] == b"SQLite format 3"


def test_everything_acknowledged_survives_kill(tmp_path: Path) -> None:
    """Writers of many keys, each counting what was acknowledged to it, while the server is killed again and again."""
    data_dir = str(tmp_path / "data")
    acknowledged: dict[bytes, int] = {}
    for _ in range(3):
        process, url = start_etcdlite("--data-dir", data_dir)
        asyncio.run(_write_until_killed(url, process, acknowledged))
        assert process.stdout is not None
        process.stdout.close()
    process, url = start_etcdlite("--data-dir", data_dir)
    try:
        kept = asyncio.run(_read(url))
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
    assert len(acknowledged) == 32 and min(acknowledged.values()) > 1
    for key, value in acknowledged.items():
        # One write may have been committed and not answered.
        assert kept[key] in (value, value + 1), f"{key!r} was acknowledged with {value}"
        assert kept[key + b"/twin"] == kept[key], "both keys of a transaction or none"


async def _write_until_killed(url: str, process: subprocess.Popen[str], acknowledged: dict[bytes, int]) -> None:
    from machinery.rpc import RpcError
    from machinery.rpc.grpc_channel import GrpcChannel
    from tests.support.etcd import pb

    channel = GrpcChannel(url.removeprefix("http://"))
    store = EtcdClient(channel)
    kept = await _read(url)

    async def write(key: bytes) -> None:
        value = kept.get(key, 0)
        try:
            while True:
                value += 1
                puts = [pb.PutRequest(key=name, value=b"%d" % value) for name in (key, key + b"/twin")]
                await store.txn(success=puts)
                acknowledged[key] = value
        except RpcError:
            return

    writers = [asyncio.create_task(write(b"writer-%02d" % number)) for number in range(32)]
    await asyncio.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    await asyncio.gather(*writers)
    await channel.close()
    process.wait()


async def _read(url: str) -> dict[bytes, int]:
    from machinery.rpc.grpc_channel import GrpcChannel

    channel = GrpcChannel(url.removeprefix("http://"))
    reply = await EtcdClient(channel).get(b"\0", b"\0")
    await channel.close()
    return {kv.key: int(kv.value) for kv in reply.kvs}


def test_tls_with_client_certificates(tmp_path: Path) -> None:
    """https refuses a client without a certificate, and serves one with it."""
    make_certificates(tmp_path)
    files = {name: str(tmp_path / name) for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}
    process, url = start_etcdlite(
        *("--cert-file", files["server.pem"], "--key-file", files["server.key"]),
        *("--trusted-ca-file", files["ca.pem"], "--client-cert-auth"),
        *("--listen-client-urls", "https://127.0.0.1:0"),
    )
    try:
        assert url.startswith("https://")
        trusted = Etcdctl(
            url, f"--cacert={files['ca.pem']}", f"--cert={files['client.pem']}", f"--key={files['client.key']}"
        )
        assert trusted("put", "k", "v") == "OK\n"
        stranger = Etcdctl(url, f"--cacert={files['ca.pem']}", "--dial-timeout=2s", "--command-timeout=3s")
        assert stranger.run("get", "k").returncode != 0
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def make_certificates(directory: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test-ca")
    (directory / "san").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.pem", "-days", "2", "-extfile", "san"),
        )


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(["--listen-client-urls", "ftp://x:1"], 2, "must begin with http://", id="scheme"),
        pytest.param(["--data-dir", "/dev/null/x"], 1, "cannot be used as data directory", id="directory"),
        pytest.param(
            ["--listen-client-urls", "http://192.0.2.1:1"], 1, "cannot listen on http://192.0.2.1:1", id="bind"
        ),
        pytest.param(
            ["--listen-client-urls", "https://127.0.0.1:0", "--cert-file", "/none", "--key-file", "/none"],
            1,
            "/none",
            id="certificate",
        ),
        pytest.param(["--auto-compaction-retention", "soon"], 2, "is no duration", id="retention"),
    ],
)
def test_bad_flags_say_what_is_wrong(arguments: list[str], code: int, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "etcdlite", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == code
    assert text in done.stderr and "Traceback" not in done.stderr
