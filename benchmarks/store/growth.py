"""What many writes leave: memory, and the longest wait of a write while their history is removed.

Each side gets a fresh process. Revisions are made by 64 clients over a thousand keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.store.driver import PUT, RANGE
from benchmarks.store.figures import fdatasync_p50, memory_of
from benchmarks.store.sides import Server, etcd, etcdlite, pb
from benchmarks.store.wire import Wire

COMPACT = b"/etcdserverpb.KV/Compact"


def memory(directory: str, puts: int) -> None:
    """Print the resident memory of each side after so many puts of 1 KiB."""
    print(f"\nmemory after {puts:,} puts of 1 KiB over 1,000 keys   to reach: 130 MiB after 500,000")
    for side in _fresh(f"{directory}/memory"):
        empty = memory_of(side.pid)
        _write(side, puts, 1024)
        print(f"  {side.name:26} {memory_of(side.pid):7.0f} MiB   (empty {empty:.0f} MiB)", flush=True)


def stalls(directory: str, revisions: int) -> None:
    """Print how long puts wait while so many revisions are compacted."""
    print(f"\ncompaction of {revisions:,} revisions of 100 bytes   to reach: 5 ms over the usual put")
    for side in _fresh(f"{directory}/stalls"):
        disk = fdatasync_p50(directory)
        _write(side, revisions, 100)
        asyncio.run(_stall(side, disk))


async def _stall(side: Server, disk: float) -> None:
    wire = await Wire.connect(side.address)
    put = pb.PutRequest(key=b"/bench/during", value=bytes(100)).SerializeToString()

    async def one() -> float:
        started = time.perf_counter()
        await wire.ask(PUT, put)
        return (time.perf_counter() - started) * 1000

    usual = sorted([await one() for _ in range(1000)])
    answer = await wire.ask(RANGE, pb.RangeRequest(key=b"k").SerializeToString())
    newest = pb.RangeResponse.FromString(answer).header.revision
    started = time.perf_counter()
    compacting = wire.ask(COMPACT, pb.CompactionRequest(revision=newest, physical=True).SerializeToString())
    taken = []
    while not compacting.done():
        taken.append(await one())
    seconds = time.perf_counter() - started
    taken.sort()
    wire.close()
    print(
        f"  {side.name:26} {seconds:6.1f} s; puts meanwhile p50 {_at(taken, 0.5):.2f} p99 {_at(taken, 0.99):.2f} "
        f"longest {taken[-1]:.2f} ms, before p50 {_at(usual, 0.5):.2f} p99 {_at(usual, 0.99):.2f} "
        f"longest {usual[-1]:.2f} ms; fdatasync p50 {disk:.3f} ms",
        flush=True,
    )


def _at(taken: list[float], part: float) -> float:
    return taken[min(int(len(taken) * part), len(taken) - 1)]


def _fresh(directory: str) -> Iterator[Server]:
    starts: list[tuple[str, Callable[[str], contextlib.AbstractContextManager[Server]]]] = [("etcdlite", etcdlite)]
    if shutil.which("etcd"):
        starts.insert(0, ("etcd", etcd))
    for name, start in starts:
        with start(f"{directory}-{name}") as side:
            yield side
        shutil.rmtree(f"{directory}-{name}", ignore_errors=True)


def _write(side: Server, count: int, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.store.driver", "puts", side.address, str(count), "64", "4", str(size)]
    told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return told
