"""The load of one measurement, in a process of its own, so that neither side's figures hold the client's CPU.

    python -m benchmarks.store.driver WORKLOAD ADDRESS COUNT CLIENTS CONNECTIONS SIZE

Prints JSON: seconds, CPU seconds of this process, and the milliseconds that calls took.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable

from benchmarks.store.wire import Wire
from protos.pool import messages

pb = messages("etcdserverpb")

RANGE, PUT, TXN = (b"/etcdserverpb.KV/" + name for name in (b"Range", b"Put", b"Txn"))
LISTED = 500
Workload = tuple[bytes, Callable[[int], bytes]]


def puts(size: int) -> Workload:
    """Puts over a thousand keys."""
    value = os.urandom(size)
    made = [pb.PutRequest(key=b"/bench/puts/%04d" % n, value=value).SerializeToString() for n in range(1000)]
    return PUT, lambda number: made[number % 1000]


def creates(size: int) -> Workload:
    """The transaction that creates a Kubernetes object: put if absent, else read."""
    value, stamp = os.urandom(size), time.monotonic_ns()
    return TXN, lambda number: create(b"/registry/pods/default/%d-%06d" % (stamp, number), value)


def create(key: bytes, value: bytes) -> bytes:
    """That transaction for one object."""
    return bytes(
        pb.TxnRequest(
            compare=[pb.Compare(key=key, target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=0)],
            success=[pb.RequestOp(request_put=pb.PutRequest(key=key, value=value))],
            failure=[pb.RequestOp(request_range=pb.RangeRequest(key=key))],
        ).SerializeToString()
    )


def gets(size: int) -> Workload:
    """Reads of one key."""
    request = pb.RangeRequest(key=b"/bench/puts/0000").SerializeToString()
    return RANGE, lambda number: request


def lists(size: int) -> Workload:
    """Lists of five hundred objects."""
    request = pb.RangeRequest(key=b"/bench/puts/", range_end=b"/bench/puts0", limit=LISTED).SerializeToString()
    return RANGE, lambda number: request


WORKLOADS: dict[str, Callable[[int], Workload]] = {"puts": puts, "creates": creates, "gets": gets, "lists": lists}


async def drive(workload: str, address: str, count: int, clients: int, connections: int, size: int) -> dict[str, float]:
    """Run it: so many clients, each with one call under way."""
    path, request = WORKLOADS[workload](size)
    wires = [await Wire.connect(address) for _ in range(connections)]
    done = asyncio.get_running_loop().create_future()
    taken: list[float] = []
    begun = 0

    def go(wire: Wire) -> None:
        nonlocal begun
        if begun == count:
            return
        number, begun = begun, begun + 1
        started = time.perf_counter()

        def answered(reply: bytes) -> None:
            taken.append(time.perf_counter() - started)
            if len(taken) == count:
                done.set_result(None)
            go(wire)

        wire.call(path, request(number), answered)

    cpu, started = time.process_time(), time.perf_counter()
    for client in range(clients):
        go(wires[client % connections])
    await done
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    for wire in wires:
        wire.close()
    taken.sort()
    p50, p99, longest = (taken[min(int(len(taken) * part), len(taken) - 1)] * 1000 for part in (0.5, 0.99, 1.0))
    return {"seconds": seconds, "cpu": used, "p50": p50, "p99": p99, "longest": longest}


if __name__ == "__main__":
    name, at, *numbers = sys.argv[1:]
    print(json.dumps(asyncio.run(drive(name, at, *(int(each) for each in numbers)))))
