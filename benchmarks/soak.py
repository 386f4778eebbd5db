"""Does the store stay as it is? Many writes over few keys, with watches, and nobody who cares for the file.

    python -m benchmarks.soak [--writes 1000000] [--keys 10000] [--watches 20] [--retention 20s]

One line for each tenth of the writes: sizes of the file and of its write-ahead log, resident memory of the server, how
long puts took, and how many revisions the slowest watch was behind at that moment. After the first lines, when history
is as long as it is kept, nothing may grow. One write in ten is a deletion.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import pathlib
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.store.driver import PUT
from benchmarks.store.figures import memory_of
from benchmarks.store.sides import Server, etcdlite, pb
from benchmarks.store.watches import WATCH
from benchmarks.store.wire import Wire

DELETE = b"/etcdserverpb.KV/DeleteRange"
CLIENTS = 64
LINES = 10


@dataclass(slots=True)
class Progress:
    """What the clients saw since the last line. newest: the newest revision that one of them was told."""

    done: int = 0
    newest: int = 0
    taken: list[float] = field(default_factory=list)


class Follower:
    """A watch that keeps the revision of the newest event that it heard of."""

    def __init__(self) -> None:
        self.revision = 0
        self._rest = b""

    def __call__(self, payload: bytes) -> None:
        data = self._rest + payload
        at = 0
        while len(data) - at >= 5:
            stop = at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
            if stop > len(data):
                break
            reply = pb.WatchResponse.FromString(data[at + 5 : stop])
            if reply.canceled:
                raise RuntimeError(f"a watch was cancelled: {reply.cancel_reason}")
            self.revision = max(self.revision, reply.header.revision)
            at = stop
        self._rest = data[at:]


async def soak(side: Server, database: pathlib.Path, *, writes: int, keys: int, watches: int, seed: int = 1) -> None:
    """Write, and print the lines."""
    followers = [Follower() for _ in range(watches)]
    listener = await Wire.connect(side.address)
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/soak/", range_end=b"/soak0"))
    for follower in followers:
        listener.stream(WATCH, [create.SerializeToString()], follower)
    wires = [await Wire.connect(side.address) for _ in range(4)]
    progress, done = Progress(), asyncio.Event()
    choose = random.Random(seed)
    value = os.urandom(4096)
    begun = 0
    started = time.perf_counter()
    heads = f"{'writes':>10} {'per s':>7} {'file':>9} {'log':>8} {'resident':>9} {'p50':>7} {'p99':>7}"
    print(f"{heads} {'longest':>8} {'lag':>6}")

    def line() -> None:
        nonlocal started
        now = time.perf_counter()
        taken = sorted(progress.taken)
        p50, p99, longest = (taken[min(int(len(taken) * part), len(taken) - 1)] * 1000 for part in (0.5, 0.99, 1.0))
        file, log = (_mib(database.with_name(database.name + suffix)) for suffix in ("", "-wal"))
        lag = progress.newest - min((each.revision for each in followers), default=progress.newest)
        print(
            f"{progress.done:10,} {len(taken) / (now - started):7,.0f} {file:5.1f} MiB {log:4.1f} MiB "
            f"{memory_of(side.pid):5.0f} MiB {p50:7.2f} {p99:7.2f} {longest:5.0f} ms {max(lag, 0):6,}",
            flush=True,
        )
        progress.taken.clear()
        started = now

    def go(wire: Wire) -> None:
        nonlocal begun
        if begun == writes:
            return
        begun += 1
        key = b"/soak/%06d" % choose.randrange(keys)
        if choose.random() < 0.1:
            path, request, kind = DELETE, pb.DeleteRangeRequest(key=key), pb.DeleteRangeResponse
        else:
            path, kind = PUT, pb.PutResponse
            request = pb.PutRequest(key=key, value=value[: choose.randrange(100, 2000)])
        wire.call(path, request.SerializeToString(), answered(wire, kind, time.perf_counter()))

    def answered(wire: Wire, kind: type, called: float) -> Callable[[bytes], None]:
        def done_with(reply: bytes) -> None:
            progress.taken.append(time.perf_counter() - called)
            progress.done += 1
            progress.newest = max(progress.newest, kind.FromString(reply).header.revision)  # type: ignore[attr-defined]  # a message
            if progress.done % max(writes // LINES, 1) == 0:
                line()
            if progress.done == writes:
                done.set()
            go(wire)

        return done_with

    for client in range(CLIENTS):
        go(wires[client % len(wires)])
    await done.wait()
    for wire in (listener, *wires):
        wire.close()


def _mib(path: pathlib.Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size / 2**20
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="does the store stay as it is?")
    parser.add_argument("--writes", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--watches", type=int, default=20)
    parser.add_argument("--retention", default="20s", help="history kept, as etcd's flag has it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="etcdlite-soak-") as directory:
        data = f"{directory}/data"
        with etcdlite(data, "--auto-compaction-retention", given.retention) as side:
            database = next(pathlib.Path(data).rglob("store.db"))
            asyncio.run(soak(side, database, writes=given.writes, keys=given.keys, watches=given.watches))


if __name__ == "__main__":
    main()
