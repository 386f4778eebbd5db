"""One event to ten thousand watches on a hundred connections: how long until each has heard.

    python -m benchmarks.store.watches ADDRESS CONNECTIONS WATCHES EVENTS

A process of its own makes the watches, puts a key that all of them want, and takes the time from the put until each
delivery was read. Prints JSON: the milliseconds of the median and of the slowest hundredth, over all events, and the
CPU seconds of this process for the deliveries.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.store.driver import PUT
from benchmarks.store.figures import cpu_of
from benchmarks.store.sides import Server, pb
from benchmarks.store.wire import Wire

WATCH = b"/etcdserverpb.Watch/Watch"
VALUE = bytes(100)


class _Counter:
    """Counts the messages of one stream, which may lie anywhere in its frames."""

    def __init__(self, heard: list[float], enough: asyncio.Event, target: list[int]) -> None:
        self._heard, self._enough, self._target = heard, enough, target
        self._rest = b""

    def __call__(self, payload: bytes) -> None:
        now = time.perf_counter()
        data = self._rest + payload
        at, end = 0, len(data)
        while end - at >= 5:
            stop = at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
            if stop > end:
                break
            self._heard.append(now)
            at = stop
        self._rest = data[at:]
        if len(self._heard) >= self._target[0]:
            self._enough.set()


async def listen(address: str, connections: int, watches: int, events: int) -> dict[str, float]:
    """See the module."""
    heard: list[float] = []
    enough, target = asyncio.Event(), [watches]
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/bench/watched/", range_end=b"/bench/watched0"))
    request = create.SerializeToString()
    wires = [await Wire.connect(address) for _ in range(connections)]
    for wire in wires:
        wire.stream(WATCH, [request] * (watches // connections), _Counter(heard, enough, target))
    await enough.wait()  # each was created
    writer = await Wire.connect(address)
    delays: list[float] = []
    cpu = time.process_time()
    for number in range(events):
        heard.clear()
        enough.clear()
        put = pb.PutRequest(key=b"/bench/watched/%d" % number, value=VALUE).SerializeToString()
        started = time.perf_counter()
        put_done = writer.ask(PUT, put)
        await enough.wait()
        await put_done
        delays += [at - started for at in heard]
    cpu = time.process_time() - cpu
    for wire in (*wires, writer):
        wire.close()
    delays.sort()
    return {"p50": delays[len(delays) // 2] * 1000, "p99": delays[int(len(delays) * 0.99)] * 1000, "cpu": cpu}


def table(sides: Sequence[Server], *, rounds: int, connections: int, watches: int, events: int) -> None:
    """Measure the sides in turn and print a line for each."""
    results: dict[str, list[tuple[float, float, float, float]]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            command = [sys.executable, "-m", "benchmarks.store.watches", side.address]
            command += [str(number) for number in (connections, watches, events)]
            before = cpu_of(side.pid)
            told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            deliveries = watches * events
            server = (cpu_of(side.pid) - before) / deliveries * 1e6
            results[side.name].append((told["p50"], told["p99"], server, told["cpu"] / deliveries * 1e6))
    print(f"\none event to {watches:,} watches on {connections} connections   to reach: p99 10 ms")
    for name, measured in results.items():
        p50, p99, server, client = (statistics.median(column) for column in zip(*measured, strict=True))
        print(
            f"  {name:26} p50 {p50:7.1f} p99 {p99:7.1f} ms   "
            f"CPU us of a delivery: server {server:5.1f} (creation included) client {client:5.1f}",
            flush=True,
        )


if __name__ == "__main__":
    where, *counts = sys.argv[1:]
    print(json.dumps(asyncio.run(listen(where, *(int(each) for each in counts)))))
