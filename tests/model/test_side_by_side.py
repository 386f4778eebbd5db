"""Random histories against etcdlite and a real etcd at the same time, with both killed and started again in between.

Every answer, every event of every watch and the whole history at the end must be equal. A short run belongs to the
suite; `SIDE_BY_SIDE=200` runs that many histories, each of up to `SIDE_BY_SIDE_STEPS` steps.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.model.beside import END_KEY, Side, both
from tests.model.test_random_histories import Driver, back, deletes, operations, puts, ranges
from tests.support.etcd import etcd_binary, etcd_version, pb

EXAMPLES = int(os.environ.get("SIDE_BY_SIDE", "3"))
STEPS = int(os.environ.get("SIDE_BY_SIDE_STEPS", "32"))
CALLS = {"put": "Put", "range": "Range", "delete": "DeleteRange", "txn": "Txn"}

watches = st.builds(
    dict,
    kind=st.just("watch"),
    number=st.integers(1, 4),
    key=st.sampled_from([b"", b"a", b"b"]),
    wide=st.booleans(),
    end=st.sampled_from([b"\0", b"\x7f\x7f", b"\xff"]),
    back=st.one_of(st.none(), st.integers(-3, 12)),
    prev_kv=st.booleans(),
    filters=st.sampled_from([(), (), (), (0,), (1,)]),
    fragment=st.booleans(),
)
leases = st.one_of(
    st.builds(dict, kind=st.sampled_from(["grant", "revoke", "told", "keep"]), lease=st.integers(1, 3)),
    st.builds(dict, kind=st.just("leases")),
)
steps = st.lists(
    st.one_of(
        puts,
        puts,
        deletes,
        ranges,
        operations,
        operations,
        leases,
        watches,
        st.builds(dict, kind=st.just("cancel"), number=st.integers(1, 4)),
        st.builds(dict, kind=st.just("compact"), back=back),
        st.builds(dict, kind=st.sampled_from(["crash", "settle", "settle"])),
    ),
    min_size=STEPS // 4,
    max_size=STEPS,
)


@pytest.mark.e2e
@pytest.mark.timeout(0 if EXAMPLES > 20 else 120)
@pytest.mark.skipif(etcd_binary() is None, reason="etcd is not installed (apt-get install etcd-server)")
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink])
@given(history=steps)
def test_etcdlite_and_etcd_cannot_be_told_apart(history: list[dict[str, Any]]) -> None:
    asyncio.run(_run(history))


async def _run(history: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory(prefix="beside-") as directory:
        async with both(Path(directory)) as sides:
            run = Run(sides)
            for number, step in enumerate(history):
                await run.step(number, step)
            await run.settle()
            await run.everything()


class Run:
    """One history on both sides."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self.sides = sides
        self.driver = Driver(sides[0].store, prefix=b"")
        self.newest = 1
        self.compacted = -1

    async def step(self, number: int, step: dict[str, Any]) -> None:
        kind = step["kind"]
        if kind == "settle":
            await self.settle()
        elif kind == "crash":
            await self.settle()
            await asyncio.gather(*(side.crash() for side in self.sides))
        elif kind == "watch":
            await self.watch(number, step)
        elif kind == "cancel":
            if step["number"] in self.sides[0].watchers:
                await self.settle()
                await self.equal(f"step {number}: {step}", *(side.cancel(step["number"]) for side in self.sides))
        else:
            if kind in ("compact", "revoke"):
                await self.settle()  # whether a watch still gets what goes is a matter of time
            part, name, request = self.request(step)
            answers = await self.equal(
                f"step {number}: {request}", *(side.call(part, name, request) for side in self.sides)
            )
            self.learn(step, request, answers[0])

    def request(self, step: dict[str, Any]) -> tuple[str, str, Any]:
        kind = step["kind"]
        if kind == "compact":
            return "kv", "Compact", pb.CompactionRequest(revision=max(self.newest - step["back"], 0), physical=True)
        if kind == "grant":
            return "leases", "LeaseGrant", pb.LeaseGrantRequest(ID=step["lease"], TTL=3000 * step["lease"])
        if kind == "revoke":
            return "leases", "LeaseRevoke", pb.LeaseRevokeRequest(ID=step["lease"])
        if kind == "told":
            return "leases", "LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=step["lease"], keys=True)
        if kind == "keep":
            return "leases", "LeaseKeepAlive", pb.LeaseKeepAliveRequest(ID=step["lease"])
        if kind == "leases":
            return "leases", "LeaseLeases", pb.LeaseLeasesRequest()
        self.driver.newest = self.newest
        return "kv", CALLS[kind], self.driver.request(step)

    def learn(self, step: dict[str, Any], request: Any, answer: Any) -> None:
        if not isinstance(answer, str):
            return
        if step["kind"] == "compact":
            self.compacted = request.revision
        revision = answer.partition("revision: ")[2].split(maxsplit=1)
        if revision:
            self.newest = max(self.newest, int(revision[0]))

    async def watch(self, number: int, step: dict[str, Any]) -> None:
        if step["number"] in self.sides[0].watchers:
            return
        await self.settle()
        start = 0 if step["back"] is None else max(self.newest - step["back"], 1)
        if start == self.compacted:
            start = self.first(start)
        wide = step["end"]
        create = pb.WatchCreateRequest(
            key=step["key"],
            range_end=wide if step["wide"] or not step["key"] else b"",
            start_revision=start,
            prev_kv=step["prev_kv"],
            filters=step["filters"] if step["wide"] or not step["key"] else (),
            fragment=step["fragment"],
        )
        await self.equal(f"step {number}: {create}", *(side.watch(step["number"], create) for side in self.sides))

    async def settle(self) -> None:
        """Write news for every watch, wait until all have heard it, and compare what each heard since it began."""
        watched = self.sides[0].watchers
        if not watched:
            return
        last: dict[bytes, int] = {}
        for key in sorted({watcher.request.key for watcher in watched.values() if not watcher.request.range_end}):
            last[key] = await self.write("Put", pb.PutRequest(key=key, value=b"news"))
        put = await self.write("Put", pb.PutRequest(key=END_KEY))
        deleted = await self.write("DeleteRange", pb.DeleteRangeRequest(key=END_KEY))
        targets = {
            number: (
                last[watcher.request.key]
                if not watcher.request.range_end
                else put
                if pb.WatchCreateRequest.NODELETE in watcher.request.filters
                else deleted
            )
            for number, watcher in watched.items()
        }
        await asyncio.gather(*(side.settle(targets) for side in self.sides))
        ours, theirs = (side.watchers for side in self.sides)
        for number, watcher in ours.items():
            assert watcher.heard == theirs[number].heard, f"watch {number}: {watcher.request}"

    async def write(self, name: str, request: Any) -> int:
        answers = await self.equal(str(request), *(side.call("kv", name, request) for side in self.sides))
        self.learn({"kind": "write"}, request, answers[0])
        return self.newest

    async def everything(self) -> None:
        """The state at every revision that is left, and all events since."""
        for revision in range(max(self.compacted, 1), self.newest + 1):
            request = pb.RangeRequest(key=b"\0", range_end=b"\0", revision=revision)
            await self.equal(f"all at {revision}", *(side.call("kv", "Range", request) for side in self.sides))
        for side in self.sides:
            side.watchers.clear()
        create = pb.WatchCreateRequest(key=b"\0", range_end=b"\0", start_revision=self.first(1), prev_kv=True)
        await self.equal("all events", *(side.watch(9, create) for side in self.sides))
        await self.settle()

    def first(self, revision: int) -> int:
        """The revision to watch from: etcd before 3.5.16 forgets a deletion at the compacted revision itself."""
        oldest = self.compacted if etcd_version() >= (3, 5, 16) else self.compacted + 1
        return max(revision, oldest)

    async def equal(self, what: str, *calls: Any) -> Sequence[Any]:
        answers = await asyncio.gather(*calls)
        assert answers[0] == answers[1], what
        return answers
