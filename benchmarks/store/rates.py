"""Operations per second, and what each costs: the sides in turn, medians of the rounds."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.store import driver
from benchmarks.store.figures import cpu_of, fdatasync_p50
from benchmarks.store.sides import Local, Server, pb

CONNECTIONS = 4
SIZE = 1024
NOISE = 1.2
"""Ratios closer to 1 than this say nothing."""
CEILING = 0.85
"""Share of one core at which the client is what limits."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. target: what it is to reach, in words."""

    title: str
    workload: str
    count: int
    clients: int
    target: str = ""


ROWS = (
    Row("put 1 KiB, 64 clients", "puts", 20_000, 64, "in process 30,000/s at 30 us"),
    Row("Kubernetes create, 64 clients", "creates", 20_000, 64, "kine 300-400/s, ten times that, then etcd"),
    Row("put 1 KiB, one client", "puts", 1_500, 1, "2.3 fdatasyncs"),
    Row("get, 16 clients", "gets", 20_000, 16),
    Row("list 500 of 1 KiB, 4 clients", "lists", 400, 4),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: operations per second; CPU microseconds of an operation at the server and at the client (None: they
    are one process); milliseconds of a call; the share of a core that the client took."""

    rate: float
    server: float
    client: float | None
    p50: float
    p99: float
    busy: float


def table(sides: Sequence[Server | Local], loop: asyncio.Runner, directory: str, *, rounds: int, scale: int) -> None:
    """Measure every row and print it."""
    for row in ROWS:
        count = row.count // scale
        disk: list[float] = []
        results: dict[str, list[Measured]] = {side.name: [] for side in sides}
        for _ in range(rounds):
            disk.append(fdatasync_p50(directory))
            for side in sides:
                here = isinstance(side, Local)
                measured = loop.run(_here(side, row, count)) if here else _there(side, row, count)  # type: ignore[arg-type]  # told apart by `here`
                results[side.name].append(measured)
        _print(row, results, statistics.median(disk))


def _there(side: Server, row: Row, count: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.store.driver", row.workload, side.address]
    command += [str(number) for number in (count, row.clients, min(CONNECTIONS, row.clients), SIZE)]
    before = cpu_of(side.pid)
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    server = (cpu_of(side.pid) - before) / count * 1e6
    seconds, cpu = told["seconds"], told["cpu"]
    return Measured(count / seconds, server, cpu / count * 1e6, told["p50"], told["p99"], cpu / seconds)


async def _here(side: Local, row: Row, count: int) -> Measured:
    path, encoded = driver.WORKLOADS[row.workload](SIZE)
    name = path.rpartition(b"/")[2].decode()
    kind = {"Put": pb.PutRequest, "Txn": pb.TxnRequest, "Range": pb.RangeRequest}[name]
    requests = [kind.FromString(encoded(number)) for number in range(count)]
    call: Callable[[Any], Awaitable[Any]] = getattr(side.kv, name)
    taken: list[float] = []

    async def work(first: int) -> None:
        for number in range(first, count, row.clients):
            started = time.perf_counter()
            await call(requests[number])
            taken.append(time.perf_counter() - started)

    cpu, started = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work(first) for first in range(row.clients)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    taken.sort()
    p50, p99 = taken[len(taken) // 2] * 1000, taken[int(len(taken) * 0.99)] * 1000
    return Measured(count / seconds, cpu / count * 1e6, None, p50, p99, 0.0)


def _print(row: Row, results: dict[str, list[Measured]], disk: float) -> None:
    target = f"   to reach: {row.target}" if row.target else ""
    print(f"\n{row.title}; fdatasync p50 {disk:.3f} ms{target}")
    base: float | None = None
    for name, rounds in results.items():
        rate, server, p50, p99, busy = (
            statistics.median(getattr(each, field) for each in rounds)
            for field in ("rate", "server", "p50", "p99", "busy")
        )
        clients = [each.client for each in rounds if each.client is not None]
        client = f"{statistics.median(clients):7.1f}" if clients else "   same"
        syncs = f"  {p50 / disk:5.1f} fdatasyncs" if row.clients == 1 else ""
        ratio = "" if base is None else _ratio(rate / base)
        base = base or rate
        ceiling = "  the client is the ceiling" if busy > CEILING else ""
        print(
            f"  {name:26} {rate:9,.0f}/s   CPU us: server {server:7.1f} client {client}   "
            f"p50 {p50:6.2f} p99 {p99:6.2f} ms{syncs}{ratio}{ceiling}",
            flush=True,
        )


def _ratio(ratio: float) -> str:
    return f"  {ratio:5.2f}x{'' if max(ratio, 1 / ratio) >= NOISE else ' (noise)'}"
