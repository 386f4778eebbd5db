"""The stores that are measured: etcdlite and a real etcd as processes, etcdlite in this one; all with fsync."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from actors import System, SystemClock
from benchmarks.store.wire import Wire
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from machinery.rpc import LocalChannel, Stub
from protos.pool import messages

pb = messages("etcdserverpb")
QUOTA = 16 << 30


@dataclass(frozen=True, slots=True)
class Server:
    """A store in a process of its own."""

    name: str
    address: str
    pid: int


@dataclass(frozen=True, slots=True)
class Local:
    """A store in this process. kv, watch: stubs without a socket."""

    name: str
    kv: Any
    watch: Any


@contextlib.contextmanager
def etcdlite(directory: str, *flags: str) -> Iterator[Server]:
    """etcdlite, serving."""
    command = [sys.executable, "-m", "etcdlite", "--data-dir", directory, "--listen-client-urls", "http://127.0.0.1:0"]
    command += ["--quota-backend-bytes", str(QUOTA), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().split()[-1].removeprefix("http://")
            yield Server("etcdlite", address, process.pid)
        finally:
            process.terminate()


@contextlib.contextmanager
def etcd(directory: str) -> Iterator[Server]:
    """A real etcd, serving."""
    client, peer = (f"127.0.0.1:{port}" for port in _free_ports(2))
    command = ["etcd", "--data-dir", directory, "--log-level", "error", "--quota-backend-bytes", str(QUOTA)]
    command += ["--listen-client-urls", f"http://{client}", "--advertise-client-urls", f"http://{client}"]
    command += ["--listen-peer-urls", f"http://{peer}", "--initial-advertise-peer-urls", f"http://{peer}"]
    command += ["--initial-cluster", f"default=http://{peer}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            asyncio.run(_until_it_answers(client))
            yield Server("etcd", client, process.pid)
        finally:
            process.terminate()


def servers(directory: str, stack: contextlib.ExitStack) -> list[Server]:
    """Both, the real etcd first and only where there is one."""
    found = [stack.enter_context(etcd(f"{directory}/etcd"))] if shutil.which("etcd") else []
    return [*found, stack.enter_context(etcdlite(f"{directory}/etcdlite"))]


@contextlib.asynccontextmanager
async def local(name: str, directory: str | None) -> AsyncIterator[Local]:
    """etcdlite here. directory None: in memory."""
    clock = SystemClock()
    app = EtcdLite(Config(data_dir=directory, quota_backend_bytes=QUOTA), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        channel = LocalChannel(app.services())
        yield Local(name, Stub(channel, "etcdserverpb.KV"), Stub(channel, "etcdserverpb.Watch"))


async def _until_it_answers(address: str) -> None:
    request = pb.RangeRequest(key=b"k").SerializeToString()
    for _ in range(200):
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            wire = await Wire.connect(address)
            async with asyncio.timeout(5):
                await wire.ask(b"/etcdserverpb.KV/Range", request)
            wire.close()
            return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"nothing answers on {address}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
