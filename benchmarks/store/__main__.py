"""etcdlite beside a real etcd, in the same minutes, with the same durability.

    python -m benchmarks.store [--quick] [--only rates|watches|memory|stalls]

The sides take turns (A B A B), three rounds, medians. Over gRPC the load comes from a process of its own, whose CPU is
shown beside the server's; the table says where it was the ceiling. In process the client is the same process, and its
CPU is in the figure. Differences below 1.2x are noise. Without an etcd on PATH only our side is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile

from benchmarks.store import growth, rates, watches
from benchmarks.store.figures import fdatasync_p50
from benchmarks.store.sides import local, servers

PARTS = ("rates", "watches", "memory", "stalls")
ROUNDS = 3


def main(*, quick: bool, only: str | None) -> None:
    wanted = [part for part in PARTS if only in (None, part)]
    with tempfile.TemporaryDirectory(prefix="etcdlite-bench-") as directory, contextlib.ExitStack() as stack:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; fdatasync p50 {fdatasync_p50(directory):.3f} ms")
        if "rates" in wanted or "watches" in wanted:
            remote = servers(directory, stack)
            if "rates" in wanted:
                with asyncio.Runner() as loop:
                    file, memory = local("etcdlite in process", f"{directory}/local"), local("  in memory", None)
                    here = [loop.run(file.__aenter__()), loop.run(memory.__aenter__())]
                    rates.table([*remote, *here], loop, directory, rounds=ROUNDS, scale=4 if quick else 1)
                    loop.run(memory.__aexit__(None, None, None))
                    loop.run(file.__aexit__(None, None, None))
            if "watches" in wanted:
                count = 1_000 if quick else 10_000
                watches.table(remote, rounds=ROUNDS, connections=count // 100, watches=count, events=10)
            stack.close()
        if "memory" in wanted:
            growth.memory(directory, 50_000 if quick else 500_000)
        if "stalls" in wanted:
            growth.stalls(directory, 30_000 if quick else 1_000_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description="etcdlite beside a real etcd")
    parser.add_argument("--quick", action="store_true", help="a fraction of the operations")
    parser.add_argument("--only", choices=PARTS, help="one part")
    given = parser.parse_args()
    main(quick=given.quick, only=given.only)
