"""etcd's KV, Watch and Lease as an executable specification: the whole state is kept for every revision.

Nothing here is clever. `states[revision]` is every key at that revision, `events[revision]` what changed there; a range
is a filter and a sort, a transaction is a copy that is kept or dropped. The contract and random-history tests compare
the real store with this. Time does not run: leases end only when revoked.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from machinery.rpc.api import Call, Code, RpcError
from protos.pool import messages

pb = messages("etcdserverpb")
mv = messages("mvccpb")

COMPACTED = RpcError(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")
FUTURE = RpcError(Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision")
EMPTY_KEY = RpcError(Code.INVALID_ARGUMENT, "etcdserver: key is not provided")
NOT_FOUND = RpcError(Code.INVALID_ARGUMENT, "etcdserver: key not found")
VALUE_PROVIDED = RpcError(Code.INVALID_ARGUMENT, "etcdserver: value is provided")
LEASE_PROVIDED = RpcError(Code.INVALID_ARGUMENT, "etcdserver: lease is provided")
DUPLICATE = RpcError(Code.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request")
TOO_MANY = RpcError(Code.INVALID_ARGUMENT, "etcdserver: too many operations in txn request")
BAD_SORT = RpcError(Code.INVALID_ARGUMENT, "etcdserver: invalid sort option")
NO_LEASE = RpcError(Code.NOT_FOUND, "etcdserver: requested lease not found")
LEASE_EXISTS = RpcError(Code.FAILED_PRECONDITION, "etcdserver: lease already exists")
TTL_TOO_LARGE = RpcError(Code.OUT_OF_RANGE, "etcdserver: too large lease TTL")


class KV(NamedTuple):
    key: bytes
    created: int
    mod: int
    version: int
    value: bytes
    lease: int

    def message(self, *, value: bool = True) -> Any:
        return mv.KeyValue(
            key=self.key,
            create_revision=self.created,
            mod_revision=self.mod,
            version=self.version,
            value=self.value if value else b"",
            lease=self.lease,
        )


class Event(NamedTuple):
    key: bytes
    after: KV | None
    before: KV | None


State = dict[bytes, KV]


def within(key: bytes, start: bytes, end: bytes) -> bool:
    if not end:
        return key == start
    return start <= key and (end == b"\0" or key < end)


class EtcdSpec:
    """`services()` serves it."""

    def __init__(self) -> None:
        self.states: list[State] = [{}, {}]  # revision 0 does not exist
        self.events: list[list[Event]] = [[], []]
        self.compacted = -1
        self.leases: dict[int, int] = {}
        self.changed = asyncio.Condition()

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def services(self) -> dict[str, object]:
        return {
            "etcdserverpb.KV": KVService(self),
            "etcdserverpb.Watch": WatchService(self),
            "etcdserverpb.Lease": LeaseService(self),
        }

    def header(self) -> Any:
        return pb.ResponseHeader(cluster_id=1, member_id=1, revision=self.revision, raft_term=1)

    async def commit(self, working: Working) -> None:
        if working.events:
            self.states.append(working.state)
            self.events.append(working.events)
            async with self.changed:
                self.changed.notify_all()


class Working:
    """A transaction on a copy of the newest state."""

    def __init__(self, spec: EtcdSpec) -> None:
        self.spec = spec
        self.state = dict(spec.states[-1])
        self.events: list[Event] = []

    @property
    def seen(self) -> int:
        return self.spec.revision + (1 if self.events else 0)

    def check(self, revision: int) -> None:
        if revision > self.seen:
            raise FUTURE
        if 0 < revision < self.spec.compacted:
            raise COMPACTED

    def range(self, r: Any) -> Any:
        self.check(r.revision)
        state = self.state if r.revision in (0, self.seen) or r.revision < 0 else self.spec.states[r.revision]
        found = sorted(kv for kv in state.values() if within(kv.key, r.key, r.range_end))
        count = len(found)
        if r.count_only:
            return pb.RangeResponse(header={"revision": self.seen}, count=count)
        if r.min_mod_revision:
            found = [kv for kv in found if kv.mod >= r.min_mod_revision]
        if r.max_mod_revision:
            found = [kv for kv in found if kv.mod <= r.max_mod_revision]
        if r.min_create_revision:
            found = [kv for kv in found if kv.created >= r.min_create_revision]
        if r.max_create_revision:
            found = [kv for kv in found if kv.created <= r.max_create_revision]
        bounded = r.min_mod_revision or r.max_mod_revision or r.min_create_revision or r.max_create_revision
        if r.limit > 0 and not bounded and not r.sort_order:
            found = found[: r.limit + 1]  # without an order, a target sorts only the keys that it lets in
        by = ("key", "version", "created", "mod", "value")[r.sort_target]
        found.sort(key=lambda kv: getattr(kv, by), reverse=r.sort_order == pb.RangeRequest.DESCEND)
        more = 0 < r.limit < len(found)
        if r.limit > 0:
            found = found[: r.limit]
        return pb.RangeResponse(
            header={"revision": self.seen},
            kvs=[kv.message(value=not r.keys_only) for kv in found],
            more=more,
            count=count,
        )

    def put(self, r: Any) -> Any:
        before = self.state.get(r.key)
        if r.lease and r.lease not in self.spec.leases:
            raise NO_LEASE
        if before is None and (r.ignore_value or r.ignore_lease):
            raise NOT_FOUND
        revision = self.spec.revision + 1
        after = KV(
            r.key,
            before.created if before else revision,
            revision,
            before.version + 1 if before else 1,
            before.value if before and r.ignore_value else r.value,
            before.lease if before and r.ignore_lease else r.lease,
        )
        self.state[r.key] = after
        self.events.append(Event(r.key, after, before))
        previous = before.message() if before and r.prev_kv else None
        return pb.PutResponse(header={"revision": revision}, prev_kv=previous)

    def delete(self, r: Any) -> Any:
        gone = sorted(kv for kv in self.state.values() if within(kv.key, r.key, r.range_end))
        for kv in gone:
            del self.state[kv.key]
            self.events.append(Event(kv.key, None, kv))
        return pb.DeleteRangeResponse(
            header={"revision": self.seen},
            deleted=len(gone),
            prev_kvs=[kv.message() for kv in gone] if r.prev_kv else [],
        )

    def path(self, r: Any) -> Any:
        holds = all(self.holds(compare) for compare in r.compare)
        ops = r.success if holds else r.failure
        return holds, ops, [self.path(op.request_txn) if op.HasField("request_txn") else None for op in ops]

    def holds(self, c: Any) -> bool:
        found = [kv for kv in self.state.values() if within(kv.key, c.key, c.range_end)]
        if not found:
            if c.target == pb.Compare.VALUE:
                return False
            found = [KV(c.key, 0, 0, 0, b"", 0)]
        if not 0 <= c.result <= 3:
            return True  # etcd lets a comparison hold that it does not know
        if not 0 <= c.target <= 4:
            return c.result == pb.Compare.EQUAL  # and what it does not know of a key compares as equal
        actual = ("version", "created", "mod", "value", "lease")[c.target]
        wanted = getattr(c, ("version", "create_revision", "mod_revision", "value", "lease")[c.target])
        tests = (lambda a: a == wanted, lambda a: a > wanted, lambda a: a < wanted, lambda a: a != wanted)
        return all(tests[c.result](getattr(kv, actual)) for kv in found)

    def precheck(self, path: Any) -> None:
        """What would fail half way fails before anything is applied, against the state before: puts, then ranges."""
        for op in self.operations(path):
            if op.HasField("request_put"):
                r = op.request_put
                if (r.ignore_value or r.ignore_lease) and r.key not in self.state:
                    raise NOT_FOUND
                if r.lease and r.lease not in self.spec.leases:
                    raise NO_LEASE
        for op in self.operations(path):
            if op.HasField("request_range"):
                revision = op.request_range.revision
                if revision and revision < self.spec.compacted:
                    raise COMPACTED  # also a negative one
                self.check(revision)

    def operations(self, path: Any) -> Iterator[Any]:
        _, ops, nested = path
        for op, inner in zip(ops, nested, strict=True):
            if inner is None:
                yield op
            else:
                yield from self.operations(inner)

    def apply(self, path: Any) -> Any:
        holds, ops, nested = path
        responses = []
        for op, inner in zip(ops, nested, strict=True):
            if inner is not None:
                responses.append(pb.ResponseOp(response_txn=self.apply(inner)))
            elif op.HasField("request_put"):
                responses.append(pb.ResponseOp(response_put=self.put(op.request_put)))
            elif op.HasField("request_range"):
                responses.append(pb.ResponseOp(response_range=self.range(op.request_range)))
            else:
                responses.append(pb.ResponseOp(response_delete_range=self.delete(op.request_delete_range)))
        return pb.TxnResponse(header={}, succeeded=holds, responses=responses)


def validate(op: Any, max_ops: int = 128) -> None:
    kind = op.DESCRIPTOR.name
    if kind == "RangeRequest":
        if not op.key:
            raise EMPTY_KEY
        if op.sort_order > 2 or op.sort_target > 4:
            raise BAD_SORT
    elif kind == "PutRequest":
        if not op.key:
            raise EMPTY_KEY
        if op.ignore_value and op.value:
            raise VALUE_PROVIDED
        if op.ignore_lease and op.lease:
            raise LEASE_PROVIDED
    elif kind == "DeleteRangeRequest":
        if not op.key:
            raise EMPTY_KEY
    else:
        used = max(len(op.compare), len(op.success), len(op.failure))
        if used > max_ops:
            raise TOO_MANY
        if any(not compare.key for compare in op.compare):
            raise EMPTY_KEY
        for inner in (*op.success, *op.failure):
            which = inner.WhichOneof("request")
            if which is None:
                raise NOT_FOUND
            validate(getattr(inner, which), max_ops - used)


def overlaps(ops: Any) -> tuple[set[bytes], list[tuple[bytes, bytes]]]:
    gone = [
        (op.request_delete_range.key, op.request_delete_range.range_end)
        for op in ops
        if op.HasField("request_delete_range") and op.request_delete_range.range_end != b"\0"
    ]
    put: set[bytes] = set()

    def add(keys: set[bytes]) -> None:
        if keys & put or any(within(key, *span) for key in keys for span in gone):
            raise DUPLICATE
        put.update(keys)

    for op in ops:
        if op.HasField("request_txn"):
            then_put, then_gone = overlaps(op.request_txn.success)
            else_put, else_gone = overlaps(op.request_txn.failure)
            add(then_put | else_put)
            gone += then_gone + else_gone
    for op in ops:
        if op.HasField("request_put"):
            add({op.request_put.key})
    return put, gone


class KVService:
    def __init__(self, spec: EtcdSpec) -> None:
        self.spec = spec

    async def Range(self, request: Any, call: Call) -> Any:
        validate(request)
        return self.full(Working(self.spec).range(request))

    async def Put(self, request: Any, call: Call) -> Any:
        validate(request)
        working = Working(self.spec)
        reply = working.put(request)
        await self.spec.commit(working)
        return self.full(reply)

    async def DeleteRange(self, request: Any, call: Call) -> Any:
        validate(request)
        working = Working(self.spec)
        reply = working.delete(request)
        await self.spec.commit(working)
        return self.full(reply)

    async def Txn(self, request: Any, call: Call) -> Any:
        validate(request)
        overlaps(request.success)
        overlaps(request.failure)
        working = Working(self.spec)
        path = working.path(request)
        working.precheck(path)
        reply = working.apply(path)
        await self.spec.commit(working)
        return self.full(reply)

    async def Compact(self, request: Any, call: Call) -> Any:
        if request.revision <= self.spec.compacted:
            raise COMPACTED
        if request.revision > self.spec.revision:
            raise FUTURE
        self.spec.compacted = request.revision
        return self.full(pb.CompactionResponse())

    def full(self, reply: Any) -> Any:
        reply.header.CopyFrom(self.spec.header())
        return reply


class LeaseService:
    def __init__(self, spec: EtcdSpec) -> None:
        self.spec = spec

    async def LeaseGrant(self, request: Any, call: Call) -> Any:
        lease_id = request.ID or max(self.spec.leases, default=1000) + 1
        if request.TTL > 9_000_000_000:
            raise TTL_TOO_LARGE
        if lease_id in self.spec.leases:
            raise LEASE_EXISTS
        self.spec.leases[lease_id] = max(request.TTL, 2)
        return pb.LeaseGrantResponse(header=self.spec.header(), ID=lease_id, TTL=self.spec.leases[lease_id])

    async def LeaseRevoke(self, request: Any, call: Call) -> Any:
        if self.spec.leases.pop(request.ID, None) is None:
            raise NO_LEASE
        working = Working(self.spec)
        for key in self.keys(request.ID):
            working.delete(pb.DeleteRangeRequest(key=key))
        await self.spec.commit(working)
        return pb.LeaseRevokeResponse(header=self.spec.header())

    async def LeaseKeepAlive(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        async for request in requests:
            ttl = self.spec.leases.get(request.ID, 0)
            yield pb.LeaseKeepAliveResponse(header=self.spec.header(), ID=request.ID, TTL=ttl)

    async def LeaseTimeToLive(self, request: Any, call: Call) -> Any:
        ttl = self.spec.leases.get(request.ID)
        if ttl is None:
            return pb.LeaseTimeToLiveResponse(header=self.spec.header(), ID=request.ID, TTL=-1)
        return pb.LeaseTimeToLiveResponse(
            header=self.spec.header(),
            ID=request.ID,
            TTL=ttl,
            grantedTTL=ttl,
            keys=self.keys(request.ID) if request.keys else [],
        )

    async def LeaseLeases(self, request: Any, call: Call) -> Any:
        return pb.LeaseLeasesResponse(header=self.spec.header(), leases=[{"ID": i} for i in self.by_end()])

    def by_end(self) -> list[int]:
        """Time does not run, so of two with the same time to live the one granted first ends first."""
        return sorted(self.spec.leases, key=lambda lease_id: self.spec.leases[lease_id])

    def keys(self, lease_id: int) -> list[bytes]:
        return sorted(kv.key for kv in self.spec.states[-1].values() if kv.lease == lease_id)


class WatchService:
    """Each watch is a cursor over `events`; one loop serves them in turn."""

    def __init__(self, spec: EtcdSpec) -> None:
        self.spec = spec

    async def Watch(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        spec = self.spec
        cursors: dict[int, tuple[Any, int, int]] = {}
        lost: set[int] = set()
        ids = itertools.count()
        out: asyncio.Queue[Any] = asyncio.Queue()

        def deliver() -> None:
            """Put out all that each watch has not heard."""
            for watch_id, (create, following, since) in list(cursors.items()):
                if following < spec.compacted:
                    del cursors[watch_id]
                    lost.add(watch_id)
                    out.put_nowait(
                        pb.WatchResponse(
                            header={"cluster_id": 1, "member_id": 1, "raft_term": 1},
                            watch_id=watch_id,
                            canceled=True,
                            compact_revision=spec.compacted,
                        )
                    )
                    continue
                for revision in range(following, spec.revision + 1):
                    events = [
                        self.event(create, event, revision)
                        for event in spec.events[revision]
                        if self.wants(create, event)
                    ]
                    if events:
                        # What was there when the watch began comes with the newest revision, what is new with its own.
                        told = spec.revision if revision <= since else revision
                        out.put_nowait(
                            pb.WatchResponse(
                                header={"cluster_id": 1, "member_id": 1, "raft_term": 1, "revision": told},
                                watch_id=watch_id,
                                events=events,
                            )
                        )
                cursors[watch_id] = create, max(following, spec.revision + 1), since

        async def read() -> None:
            async for request in requests:
                deliver()  # what is said of a revision comes after its events
                for reply in self.control(request, cursors, lost, ids):
                    out.put_nowait(reply)
                async with spec.changed:
                    spec.changed.notify_all()

        async def follow() -> None:
            while True:
                deliver()
                async with spec.changed:
                    await spec.changed.wait()

        tasks = [asyncio.create_task(read()), asyncio.create_task(follow())]
        try:
            while True:
                yield await out.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def control(
        self, request: Any, cursors: dict[int, tuple[Any, int, int]], lost: set[int], ids: Iterator[int]
    ) -> Iterator[Any]:
        """cursors: (request, next revision to tell of, newest revision when it began) by id. lost: ids of watches that
        ended since their history is gone, which stay taken until cancelled. ids: to choose from, each once."""
        spec = self.spec
        kind = request.WhichOneof("request_union")
        if kind == "create_request":
            create = pb.WatchCreateRequest()
            create.CopyFrom(request.create_request)
            create.key = create.key or b"\0"
            refusal = ""
            if create.start_revision < 0:
                refusal = COMPACTED.message
            elif create.range_end not in (b"", b"\0") and create.range_end <= create.key:
                refusal = "mvcc: watcher range is empty"
            elif create.watch_id and create.watch_id in {*cursors, *lost}:
                refusal = "mvcc: duplicate watch ID provided on the WatchStream"
            if refusal:
                yield pb.WatchResponse(
                    header=spec.header(), watch_id=-1, created=True, canceled=True, cancel_reason=refusal
                )
                return
            watch_id = create.watch_id
            if not watch_id:
                watch_id = next(number for number in ids if number not in {*cursors, *lost})
            cursors[watch_id] = create, create.start_revision or spec.revision + 1, spec.revision
            yield pb.WatchResponse(header=spec.header(), watch_id=watch_id, created=True)
        elif kind == "cancel_request":
            watch_id = request.cancel_request.watch_id
            if cursors.pop(watch_id, None) is not None or watch_id in lost:
                lost.discard(watch_id)
                yield pb.WatchResponse(header=spec.header(), watch_id=watch_id, canceled=True)
        elif (
            kind == "progress_request"
            and cursors
            and all(first <= spec.revision + 1 for _, first, _ in cursors.values())
        ):
            yield pb.WatchResponse(header=spec.header(), watch_id=-1)

    def wants(self, create: Any, event: Event) -> bool:
        dropped = pb.WatchCreateRequest.NODELETE if event.after is None else pb.WatchCreateRequest.NOPUT
        return within(event.key, create.key, create.range_end) and dropped not in create.filters

    def event(self, create: Any, event: Event, revision: int) -> Any:
        before = event.before.message() if event.before and create.prev_kv and revision > self.spec.compacted else None
        if event.after is None:
            return mv.Event(type=mv.Event.DELETE, kv={"key": event.key, "mod_revision": revision}, prev_kv=before)
        return mv.Event(kv=event.after.message(), prev_kv=before)
