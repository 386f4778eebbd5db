"""etcdlite beside a real etcd: puts, transactions, watches, memory, compaction.

    python -m benchmarks.store [--quick]

Sides alternate (A B A B), three rounds, medians; every line gives operations per second and the CPU that the client's
and the server's process spent per operation, since over gRPC the client in Python is the ceiling for both. Both sync to
the same disk; the fdatasync of the same minute is printed above. Differences below 1.2x are noise. Without an etcd on
PATH only our side is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from machinery.rpc import LocalChannel, Stub
from protos.pool import messages

pb = messages("etcdserverpb")

VALUE = os.urandom(1024)
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """rate in operations per second; CPU microseconds per operation of this process and of the server's."""

    rate: float
    client_cpu: float
    server_cpu: float | None


@dataclass(frozen=True, slots=True)
class Side:
    """A store to measure: its name, a channel, and the server's process (None: this one)."""

    name: str
    channel: Any
    pid: int | None

    @property
    def kv(self) -> Any:
        return Stub(self.channel, "etcdserverpb.KV")


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Resident MiB of a process."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def fdatasync_p50(directory: str) -> float:
    """Milliseconds of one fdatasync after a write of 4 KiB."""
    with tempfile.TemporaryFile(dir=directory) as file:
        taken = []
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


async def measure(side: Side, count: int, writers: int, one: Callable[[int], Awaitable[Any]]) -> Measured:
    """Do `one` `count` times from so many tasks."""

    async def work(first: int) -> None:
        for number in range(first, count, writers):
            await one(number)

    server_before = cpu_of(side.pid) if side.pid else 0.0
    client_before, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work(first) for first in range(writers)))
    elapsed, client = time.perf_counter() - started, time.process_time() - client_before
    server = (cpu_of(side.pid) - server_before) / count * 1e6 if side.pid else None
    return Measured(count / elapsed, client / count * 1e6, server)


async def puts(side: Side, count: int, writers: int) -> Measured:
    """Puts of 1 KiB over a thousand keys."""
    kv = side.kv
    requests = [pb.PutRequest(key=b"/bench/puts/%04d" % (n % 1000), value=VALUE) for n in range(count)]
    return await measure(side, count, writers, lambda number: kv.Put(requests[number]))


async def creates(side: Side, count: int, writers: int) -> Measured:
    """The transaction that creates a Kubernetes object: put if absent, else read."""
    kv = side.kv
    stamp = time.monotonic_ns()
    requests = []
    for number in range(count):
        key = b"/registry/pods/default/%d-%06d" % (stamp, number)
        put, get = pb.PutRequest(key=key, value=VALUE), pb.RangeRequest(key=key)
        requests.append(
            pb.TxnRequest(
                compare=[pb.Compare(key=key, target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=0)],
                success=[pb.RequestOp(request_put=put)],
                failure=[pb.RequestOp(request_range=get)],
            )
        )
    return await measure(side, count, writers, lambda number: kv.Txn(requests[number]))


async def gets(side: Side, count: int, writers: int) -> Measured:
    """Reads of one key."""
    kv = side.kv
    await kv.Put(pb.PutRequest(key=b"/bench/get", value=VALUE))
    request = pb.RangeRequest(key=b"/bench/get")
    return await measure(side, count, writers, lambda number: kv.Range(request))


async def lists(side: Side, count: int, writers: int) -> Measured:
    """Lists of five hundred objects of 1 KiB."""
    kv = side.kv
    for number in range(500):
        await kv.Put(pb.PutRequest(key=b"/bench/list/%03d" % number, value=VALUE))
    request = pb.RangeRequest(key=b"/bench/list/", range_end=b"/bench/list0")
    return await measure(side, count, writers, lambda number: kv.Range(request))


async def deliveries(side: Side, count: int, writers: int) -> Measured:
    """Events delivered to a hundred watches on ten streams; an operation is one delivery."""
    heard = 0
    stop = asyncio.Event()
    target = count * 100
    done = asyncio.Event()
    created = 0

    async def requests() -> AsyncIterator[Any]:
        for _ in range(10):
            create = pb.WatchCreateRequest(key=b"/bench/watched/", range_end=b"/bench/watched0")
            yield pb.WatchRequest(create_request=create)
        await stop.wait()

    async def stream() -> None:
        nonlocal heard, created
        async for response in Stub(side.channel, "etcdserverpb.Watch").Watch(requests()):
            created += response.created
            heard += len(response.events)
            if heard >= target:
                done.set()

    streams = [asyncio.create_task(stream()) for _ in range(10)]
    while created < 100:  # noqa: ASYNC110  # measured code gives no event to wait for
        await asyncio.sleep(0.01)
    kv = side.kv
    put = pb.PutRequest(key=b"/bench/watched/one", value=VALUE)

    async def write() -> None:
        for _ in range(count):
            await kv.Put(put)
        await done.wait()

    measured = await measure(side, 1, 1, lambda number: write())
    for task in streams:
        task.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    server = measured.server_cpu
    return Measured(measured.rate * target, measured.client_cpu / target, None if server is None else server / target)


@contextlib.asynccontextmanager
async def in_process(name: str, data_dir: str | None) -> AsyncIterator[Side]:
    """etcdlite in this process."""
    clock = SystemClock()
    app = EtcdLite(Config(data_dir=data_dir), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        yield Side(name, LocalChannel(app.services()), None)


@contextlib.contextmanager
def etcdlite_process(data_dir: str) -> Iterator[tuple[str, int]]:
    """Address and pid of etcdlite as a process."""
    command = [sys.executable, "-m", "etcdlite", "--data-dir", data_dir, "--listen-client-urls", "http://127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1].removeprefix("http://")
        try:
            yield address, process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def etcd_process(data_dir: str) -> Iterator[tuple[str, int]]:
    """Address and pid of a real etcd."""
    url, peer = "http://127.0.0.1:32379", "http://127.0.0.1:32380"
    command = ["etcd", "--data-dir", data_dir, "--listen-client-urls", url, "--advertise-client-urls", url]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--log-level", "error"]
    command += ["--initial-cluster", f"default={peer}", "--quota-backend-bytes", str(8 << 30)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield url.removeprefix("http://"), process.pid
        finally:
            process.terminate()


async def until_it_answers(side: Side) -> None:
    """Wait for a server that was just started."""
    from machinery.rpc import RpcError

    for _ in range(200):
        with contextlib.suppress(RpcError):
            await side.kv.Range(pb.RangeRequest(key=b"k"), timeout=1.0)
            return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"{side.name} does not answer")


async def compare(title: str, sides: list[Side], run: Callable[[Side], Awaitable[Measured]]) -> None:
    """Measure the sides in turn and print a line for each."""
    results: dict[str, list[Measured]] = {side.name: [] for side in sides}
    for _ in range(ROUNDS):
        for side in sides:
            results[side.name].append(await run(side))
    print(f"\n{title}")
    base: float | None = None
    for name, measured in results.items():
        rate = statistics.median(m.rate for m in measured)
        client = statistics.median(m.client_cpu for m in measured)
        servers = [m.server_cpu for m in measured if m.server_cpu is not None]
        server = f"{statistics.median(servers):9.1f}" if servers else "        -"
        ratio = "" if base is None else f"  {rate / base:6.2f}x"
        base = base or rate
        print(f"  {name:28} {rate:12,.0f}/s   CPU us: this process {client:8.1f}  server {server}{ratio}")


async def stalls(side: Side, revisions: int) -> None:
    """The longest put while that many revisions are compacted."""
    kv = side.kv
    await puts(side, revisions, 256)
    newest = (await kv.Range(pb.RangeRequest(key=b"k"))).header.revision
    compacting = asyncio.create_task(kv.Compact(pb.CompactionRequest(revision=newest, physical=True)))
    taken = []
    started = time.perf_counter()
    while not compacting.done():
        begun = time.perf_counter()
        await kv.Put(pb.PutRequest(key=b"/bench/during", value=VALUE))
        taken.append(time.perf_counter() - begun)
    await compacting
    taken.sort()
    print(
        f"  {side.name:28} {time.perf_counter() - started:6.2f} s, puts meanwhile: "
        f"p50 {taken[len(taken) // 2] * 1000:.2f} ms, longest {taken[-1] * 1000:.2f} ms"
    )


async def main(*, quick: bool) -> None:
    scale = 4 if quick else 1
    with tempfile.TemporaryDirectory(prefix="etcdlite-bench-") as directory, contextlib.ExitStack() as processes:
        print(f"fdatasync p50 {fdatasync_p50(directory):.3f} ms in {directory}")
        from machinery.rpc.grpc_channel import GrpcChannel

        address, pid = processes.enter_context(etcdlite_process(f"{directory}/lite"))
        ours = Side("etcdlite, gRPC", GrpcChannel(address), pid)
        remote = [ours]
        if shutil.which("etcd"):
            address, pid = processes.enter_context(etcd_process(f"{directory}/etcd"))
            remote.insert(0, Side("etcd, gRPC", GrpcChannel(address), pid))
        for side in remote:
            await until_it_answers(side)
        async with (
            in_process("etcdlite, in process, file", f"{directory}/local") as file,
            in_process("etcdlite, in process, memory", None) as memory,
        ):
            every = [*remote, file, memory]
            await compare("put 1 KiB, 64 writers", every, lambda side: puts(side, 8000 // scale, 64))
            await compare("put 1 KiB, one writer", every, lambda side: puts(side, 1000 // scale, 1))
            await compare("create transaction, 64 writers", every, lambda side: creates(side, 8000 // scale, 64))
            await compare("get, 16 readers", every, lambda side: gets(side, 8000 // scale, 16))
            await compare("list 500 objects of 1 KiB", every, lambda side: lists(side, 200 // scale, 1))
            await compare("events delivered, 100 watches", every, lambda side: deliveries(side, 400 // scale, 1))
            revisions = 40_000 // scale
            print(f"\ncompaction of about {revisions:,} revisions")
            for side in every:
                await stalls(side, revisions)
            print("\nresident memory after all of it")
            for side in remote:
                assert side.pid is not None
                print(f"  {side.name:28} {memory_of(side.pid):8.0f} MiB")
        for side in remote:
            await side.channel.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="etcdlite beside a real etcd")
    parser.add_argument("--quick", action="store_true", help="a quarter of the operations")
    asyncio.run(main(quick=parser.parse_args().quick))
