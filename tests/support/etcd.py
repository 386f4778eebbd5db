"""Stores of every kind behind one client, for tests that must pass on all of them."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import functools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from machinery.rpc import Channel, RpcError, Stub
from protos.pool import messages

pb = messages("etcdserverpb")


class EtcdClient:
    """Stubs of the services, and shortcuts that read well in a test."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.kv = Stub(channel, "etcdserverpb.KV")
        self.leases = Stub(channel, "etcdserverpb.Lease")
        self.maintenance = Stub(channel, "etcdserverpb.Maintenance")
        self.watches = Stub(channel, "etcdserverpb.Watch")

    async def put(self, key: bytes, value: bytes = b"", **options: Any) -> Any:
        return await self.kv.Put(pb.PutRequest(key=key, value=value, **options))

    async def get(self, key: bytes, range_end: bytes = b"", **options: Any) -> Any:
        return await self.kv.Range(pb.RangeRequest(key=key, range_end=range_end, **options))

    async def delete(self, key: bytes, range_end: bytes = b"", **options: Any) -> Any:
        return await self.kv.DeleteRange(pb.DeleteRangeRequest(key=key, range_end=range_end, **options))

    async def txn(self, *, compare: Any = (), success: Any = (), failure: Any = ()) -> Any:
        request = pb.TxnRequest(compare=compare, success=[op(r) for r in success], failure=[op(r) for r in failure])
        return await self.kv.Txn(request)

    async def compact(self, revision: int, *, physical: bool = False) -> Any:
        return await self.kv.Compact(pb.CompactionRequest(revision=revision, physical=physical))

    async def revision(self) -> int:
        return int((await self.get(b"\0")).header.revision)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[WatchSession]:
        """A watch stream for the time of the block."""
        session = WatchSession()
        session.ended = reader = asyncio.create_task(session.read(self.watches))
        try:
            yield session
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, RpcError):
                await reader


@dataclass
class WatchSession:
    """One Watch stream: send requests, take responses in order."""

    requests: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    responses: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    ended: asyncio.Task[None] | None = None
    """The task that reads; it raises what ended the stream."""

    async def read(self, stub: Any) -> None:
        async for response in stub.Watch(self._send()):
            self.responses.put_nowait(response)

    async def _send(self) -> AsyncIterator[Any]:
        while True:
            yield await self.requests.get()

    async def create(self, key: bytes, range_end: bytes = b"", **options: Any) -> Any:
        """Ask for a watch and return its creation."""
        create = pb.WatchCreateRequest(key=key, range_end=range_end, **options)
        self.requests.put_nowait(pb.WatchRequest(create_request=create))
        return await self.next()

    def cancel(self, watch_id: int) -> None:
        self.requests.put_nowait(pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=watch_id)))

    def request_progress(self) -> None:
        self.requests.put_nowait(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))

    async def next(self, *, within: float = 5.0) -> Any:
        async with asyncio.timeout(within):
            return await self.responses.get()

    async def events(self, count: int) -> list[Any]:
        """The next `count` events, whatever responses they come in."""
        found: list[Any] = []
        while len(found) < count:
            found += (await self.next()).events
        assert len(found) == count
        return found


def op(request: Any) -> Any:
    """A RequestOp of any request."""
    name = {
        "RangeRequest": "request_range",
        "PutRequest": "request_put",
        "DeleteRangeRequest": "request_delete_range",
        "TxnRequest": "request_txn",
    }[request.DESCRIPTOR.name]
    return pb.RequestOp(**{name: request})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def etcd_binary() -> str | None:
    """The etcd to compare with: `$ETCD`, else the one on PATH; None without one."""
    return shutil.which(os.environ.get("ETCD") or "etcd")


@functools.cache
def etcd_version() -> tuple[int, ...]:
    """The version of the etcd to compare with, as (3, 5, 21)."""
    binary = etcd_binary()
    assert binary is not None
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.split()[2].split("."))


class StoreProcess(abc.ABC):
    """A server as a process of its own, on a data directory and ports that stay: it can be killed and started again."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.data_dir = directory / "data"
        self.log_path = directory / "log"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    @abc.abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    def start(self) -> None:
        """Run it, and return once it serves. One that ended by itself is cleared away."""
        assert not self.running, "it runs already"
        self.kill()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log, text=True)
        self._await(self._process)

    def _await(self, process: subprocess.Popen[str]) -> None:
        await_health(f"http://{self.address}", process)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All it printed."""
        return self.log_path.read_text(errors="replace")

    def client(self) -> EtcdClient:
        """A client with a channel of its own, which the caller closes."""
        from machinery.rpc.grpc_channel import GrpcChannel

        return EtcdClient(GrpcChannel(self.address))


class EtcdProcess(StoreProcess):
    """A real etcd of one member. Its commits are not synced to the disk: a killed process loses nothing by that."""

    def __init__(self, directory: pathlib.Path, *arguments: str) -> None:
        super().__init__(directory)
        self._arguments = arguments
        self._peer = f"http://127.0.0.1:{free_port()}"
        binary = etcd_binary()
        assert binary is not None
        self._binary = binary

    def command(self) -> list[str]:
        url = f"http://{self.address}"
        command = [self._binary, "--data-dir", str(self.data_dir), "--listen-client-urls", url]
        command += ["--advertise-client-urls", url, "--listen-peer-urls", self._peer]
        command += ["--initial-advertise-peer-urls", self._peer, "--initial-cluster", f"default={self._peer}"]
        command += ["--heartbeat-interval", "100", "--election-timeout", "1000", "--log-level", "error"]
        command += self._arguments
        return [*command, "--unsafe-no-fsync"] if _takes_unsafe(self._binary) else command


class EtcdliteProcess(StoreProcess):
    """`python -m etcdlite`."""

    def __init__(self, directory: pathlib.Path, *arguments: str) -> None:
        super().__init__(directory)
        self._arguments = arguments

    def command(self) -> list[str]:
        url = f"http://{self.address}"
        return [
            *(sys.executable, "-m", "etcdlite", "--data-dir", str(self.data_dir), "--listen-client-urls", url),
            *self._arguments,
        ]

    def _await(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("etcdlite ready "), f"it said {line!r}: {self.log}"


@contextlib.contextmanager
def real_etcd() -> Iterator[str]:
    """A real etcd on loopback; its address. Its data lies in memory-backed or temporary files and is removed."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="etcd-test-"))
    process = EtcdProcess(directory)
    try:
        process.start()
        yield process.address
    finally:
        process.kill()
        shutil.rmtree(directory, ignore_errors=True)


@functools.cache
def _takes_unsafe(binary: str) -> bool:
    return "--unsafe-no-fsync" in subprocess.run([binary, "--help"], capture_output=True, text=True, check=False).stdout


def await_health(url: str, process: subprocess.Popen[Any], *, within: float = 30.0) -> None:
    """Return once etcd has elected itself and answers. Fails when the process ends first."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=1.0) as reply:
            if b"true" in reply.read():
                return
        time.sleep(0.02)
    raise AssertionError(f"{url} is not healthy")


def start_etcdlite(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """`python -m etcdlite` on a free port; the process and the URL it says it serves."""
    command = [sys.executable, "-m", "etcdlite", "--listen-client-urls", "http://127.0.0.1:0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("etcdlite ready "), f"it said {line!r} and ended with {process.poll()}"
    return process, line.split()[-1]
