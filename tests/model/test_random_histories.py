"""Random histories against the specification: every answer, every event and the state at every revision must agree.

One list of steps drives the specification and a store; with an etcd installed, a shorter run drives that too, which
keeps the specification honest. `RANDOM_HISTORIES=50` runs fifty times as many.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machinery.rpc import LocalChannel, RpcError
from tests.contract.conftest import etcd_address, etcdlite_client
from tests.model.etcd_spec import EtcdSpec
from tests.support.etcd import EtcdClient, op, pb

__all__ = ["etcd_address"]

TIMES = int(os.environ.get("RANDOM_HISTORIES", "1"))

names = st.sampled_from([b"a", b"b", b"ba", b"c"])
ends = st.sampled_from([b"", b"", b"b", b"c", b"\xfe"])
values = st.sampled_from([b"", b"1", b"2", b"3"])
back = st.integers(-2, 6)
"""A revision, counted back from the newest: -2 lies in the future."""

puts = st.builds(
    dict,
    kind=st.just("put"),
    key=names,
    value=values,
    prev_kv=st.booleans(),
    ignore=st.sampled_from(["", "", "", "value", "lease"]),
    lease=st.sampled_from([0, 0, 0, 1, 2, 3]),
)
ranges = st.builds(
    dict,
    kind=st.just("range"),
    key=names,
    range_end=ends,
    back=st.one_of(st.none(), st.none(), back),
    limit=st.integers(0, 3),
    sort_order=st.integers(0, 2),
    sort_target=st.integers(0, 3),  # equal values have no order among them
    keys_only=st.booleans(),
    count_only=st.booleans(),
)
deletes = st.builds(dict, kind=st.just("delete"), key=names, range_end=ends, prev_kv=st.booleans())
compares = st.builds(
    dict,
    key=names,
    range_end=ends,
    target=st.integers(0, 4),
    result=st.integers(0, 3),
    number=st.integers(0, 4),
    value=values,
)
operations = st.recursive(
    st.one_of(puts, ranges, deletes),
    lambda inner: st.builds(
        dict,
        kind=st.just("txn"),
        compares=st.lists(compares, max_size=2),
        success=st.lists(inner, max_size=4),
        failure=st.lists(inner, max_size=2),
    ),
    max_leaves=6,
)
steps = st.lists(
    st.one_of(
        puts, puts, deletes, operations,
        st.builds(dict, kind=st.just("compact"), back=back),
        st.builds(dict, kind=st.just("grant"), lease=st.integers(1, 3)),
        st.builds(dict, kind=st.just("revoke"), lease=st.integers(1, 3)),
    ),
    max_size=25,
)  # fmt: skip


class Driver:
    """Runs steps on one store, with its revisions and keys moved to where the store stands."""

    def __init__(self, store: EtcdClient, *, prefix: bytes = b"run/", leases: int = 0) -> None:
        self.store = store
        self.prefix = prefix
        self.leases = leases
        self.base = self.newest = 0
        self.compacted = 0
        self.ends = 0

    async def begin(self) -> None:
        """Take a revision of its own to count from, with everything before it compacted."""
        self.base = self.newest = (await self.store.put(b"begin")).header.revision
        await self.store.compact(self.base)

    async def step(self, step: dict[str, Any]) -> Any:
        """What came back, made comparable: a message's text, or (code, text) of a refusal."""
        try:
            reply = await self._send(step)
        except RpcError as error:
            return error.code, error.message
        if step["kind"] == "compact":
            self.compacted = max(self.newest - step["back"], self.base)
        self.newest = max(self.newest, reply.header.revision)
        return self.comparable(reply)

    async def _send(self, step: dict[str, Any]) -> Any:
        kind = step["kind"]
        if kind == "compact":
            return await self.store.compact(max(self.newest - step["back"], self.base), physical=True)
        if kind == "grant":
            return await self.store.leases.LeaseGrant(pb.LeaseGrantRequest(ID=self.leases + step["lease"], TTL=500))
        if kind == "revoke":
            return await self.store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=self.leases + step["lease"]))
        call = {"put": "Put", "range": "Range", "delete": "DeleteRange", "txn": "Txn"}[kind]
        return await getattr(self.store.kv, call)(self.request(step))

    def request(self, step: dict[str, Any], *, inside: bool = False) -> Any:
        """inside: the step is one of a transaction."""
        kind = step["kind"]
        if kind == "txn":
            return pb.TxnRequest(
                compare=[self.compare(compare) for compare in step["compares"]],
                success=[op(self.request(inner, inside=True)) for inner in step["success"]],
                failure=[op(self.request(inner, inside=True)) for inner in step["failure"]],
            )
        key = self.prefix + step["key"]
        if kind == "put":
            lease = self.leases + step["lease"] if step["lease"] and step["ignore"] != "lease" else 0
            value = b"" if step["ignore"] == "value" else step["value"]
            return pb.PutRequest(
                key=key, value=value, lease=lease, prev_kv=step["prev_kv"], ignore_value=step["ignore"] == "value",
                ignore_lease=step["ignore"] == "lease",
            )  # fmt: skip
        end = self.end(step["range_end"], inside=inside)
        if kind == "delete":
            return pb.DeleteRangeRequest(key=key, range_end=end, prev_kv=step["prev_kv"])
        plain = ("limit", "sort_order", "sort_target", "keys_only", "count_only")
        revision = 0 if step["back"] is None else max(self.newest - step["back"], self.base)
        options = {name: step[name] for name in plain}
        if options["sort_order"] and options["sort_target"] in (1, 3):
            options["sort_target"] = 2 if options["sort_target"] == 3 else 0  # ties have no order among them
        return pb.RangeRequest(key=key, range_end=end, revision=revision, **options)

    def end(self, name: bytes, *, inside: bool = False) -> bytes:
        """The end of a range: the last of them is behind all keys, which without a prefix etcd has a sign for.

        Not inside transactions: one that deletes all from a key on may put it again, and etcd 3.5.30 ends when that
        revision is compacted and then read."""
        if not name or self.prefix or inside:
            return self.prefix + name if name else b""
        return b"\0" if name == b"\xfe" else name

    def compare(self, compare: dict[str, Any]) -> Any:
        number = compare["number"]
        union = ("version", "create_revision", "mod_revision", "value", "lease")[compare["target"]]
        value: Any = {"version": number, "value": compare["value"], "lease": self.leases + number if number else 0}.get(
            union, self.base + number
        )
        end = self.end(compare["range_end"])
        return pb.Compare(
            key=self.prefix + compare["key"], range_end=end, target=compare["target"], result=compare["result"],
            **{union: value},
        )  # fmt: skip

    def comparable(self, reply: Any) -> str:
        """Text with revisions, leases and keys as if the store had begun empty."""
        moved = type(reply)()
        moved.CopyFrom(reply)
        self._move(moved)
        return str(moved)

    def _move(self, message: Any) -> None:
        for field, value in message.ListFields():
            if field.name in ("cluster_id", "member_id", "raft_term"):
                message.ClearField(field.name)
            elif field.name in ("revision", "create_revision", "mod_revision", "compact_revision"):
                setattr(message, field.name, value - self.base if value else 0)
            elif field.name in ("lease", "ID"):
                setattr(message, field.name, value - self.leases)
            elif field.name == "key":
                message.key = value.removeprefix(self.prefix)
            elif field.type == field.TYPE_MESSAGE:
                for inner in value if field.is_repeated else (value,):
                    self._move(inner)

    async def history(self, first: int) -> list[str]:
        """Every event from revision `first`, counted from the base, until now."""
        found: list[str] = []
        self.ends += 1
        end = self.prefix + b"~end-%d" % self.ends
        async with self.store.watching() as watch:
            start = self.base + first
            created = await watch.create(self.prefix, self.prefix + b"\xff", start_revision=start, prev_kv=True)
            if created.canceled:
                return [created.cancel_reason]
            await self.store.put(end)
            while True:
                response = await watch.next()
                if response.canceled:
                    return [f"compacted at {response.compact_revision - self.base}"]
                for event in response.events:
                    if event.kv.key == end:
                        return found
                    found.append(self.comparable(event))


async def compare_runs(
    history: list[dict[str, Any]], spec: Driver, other: Driver, *, keeps_deletion: bool = True
) -> None:
    """keeps_deletion: whether history keeps a deletion at the compacted revision itself, as since etcd 3.6."""
    everything = {
        "kind": "range", "key": b"", "range_end": b"\xff", "back": None, "limit": 0, "sort_order": 0, "sort_target": 0,
        "keys_only": False, "count_only": False,
    }  # fmt: skip
    await spec.begin()
    await other.begin()
    for number, step in enumerate(history):
        expected, actual = await spec.step(step), await other.step(step)
        assert actual == expected, f"step {number}: {step}"
    for back in range(spec.newest - spec.base + 1):
        step = {**everything, "back": back or None}
        assert await other.step(step) == await spec.step(step), f"{back} revisions ago"
    newest = spec.newest - spec.base
    for first in sorted({min(1, newest + 1), min(3, newest + 1), max(newest - 1, 1)}):
        if keeps_deletion or spec.base + first > spec.compacted:
            assert await other.history(first) == await spec.history(first), f"events from {first}"


def run_beside_the_specification(
    history: list[dict[str, Any]], drive: Callable[[Driver], Coroutine[Any, Any, None]]
) -> None:
    async def main() -> None:
        await drive(Driver(EtcdClient(LocalChannel(EtcdSpec().services()))))

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.timeout(120 * TIMES)
@settings(max_examples=60 * TIMES, suppress_health_check=[HealthCheck.too_slow])
@given(history=steps)
def test_etcdlite(kind: str, history: list[dict[str, Any]]) -> None:
    async def drive(spec: Driver) -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with etcdlite_client(kind, Path(directory)) as store:
                await compare_runs(history, spec, Driver(store))

    run_beside_the_specification(history, drive)


_runs = [0]


@pytest.mark.timeout(120 * TIMES)
@settings(
    max_examples=25 * TIMES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(history=steps)
def test_etcd(etcd_address: str, history: list[dict[str, Any]]) -> None:
    from machinery.rpc.grpc_channel import GrpcChannel

    _runs[0] += 1
    place = {"prefix": b"run-%06d/" % _runs[0], "leases": 10 * _runs[0]}

    async def drive(spec: Driver) -> None:
        channel = GrpcChannel(etcd_address)
        await compare_runs(history, spec, Driver(EtcdClient(channel), **place), keeps_deletion=False)
        await channel.close()

    run_beside_the_specification(history, drive)
