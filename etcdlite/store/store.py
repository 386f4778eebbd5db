"""What the services call: each operation applied to the state in one step, then awaited until it is durable.

Between evaluating a request and having applied it there is no await, so calls need no queue: the event loop is the
queue, and the state has one writer at a time by construction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from actors import Clock
from etcdlite.auth.state import AuthState
from etcdlite.errors import Corrupt, FileFault, LeaseNotFound, Moved, NoSpace, StoreError
from etcdlite.keyrange import KeyRange
from etcdlite.metrics.counts import Counts
from etcdlite.model import Change, DeleteResult, PutResult, RangeResult, TxnResult, position_limit
from etcdlite.rpc.header import Header
from etcdlite.store import txn
from etcdlite.store.alarms import ADVICE, CORRUPT, NAMES, NOSPACE, Alarms, setting_of
from etcdlite.store.committer import Committer, to_the_end
from etcdlite.store.compaction import Compactor
from etcdlite.store.export import Export, write_file
from etcdlite.store.faults import FAILURES, fault_of
from etcdlite.store.leases import Lease
from etcdlite.store.loader import Loader
from etcdlite.store.log import Batch, Log, Size
from etcdlite.store.mvcc import Mvcc, RangeQuery, Writing
from etcdlite.store.points import Point, Reach, pass_by
from etcdlite.store.records import NotResident
from etcdlite.watch.hub import Hub

log = logging.getLogger(__name__)
T = TypeVar("T")
Check = Callable[[], None]
"""Raises when an operation is not allowed; asked in the same step that applies it."""

FAIR_EVERY = 32
"""Revisions between pauses of a store in memory."""


class Store:
    """One running store.

    header: makes the headers of its answers. quota: bytes, below 0 for none. entries: what `auth` starts from.
    `leases_changed` is called when a deadline may have come nearer.
    """

    def __init__(
        self,
        state: Mvcc,
        file: Log | None,
        header: Header,
        *,
        quota: int,
        clock: Clock,
        entries: Iterable[tuple[str, bytes, bytes]] = (),
        counts: Counts | None = None,
    ) -> None:
        self.state = state
        self.header = header
        self.quota = quota
        self.counts = counts or Counts()
        self.alarms = Alarms()
        self.problem = ""
        """Why the file cannot be written at this time; "" while it can."""
        self.leases_changed: Callable[[], None] = lambda: None
        self._file = file
        self._clock = clock
        self.reach: Reach = file.reach if file is not None else pass_by
        self.loader = Loader(file, state.records, self._damaged, clock=clock)
        self.hub = Hub(state, load=self.loader.load)
        self.committer = Committer(file, self, clock=clock)
        self.compactor = Compactor(state, self.committer, self._give_back, clock=clock, reach=self.reach)
        state.leases.reversible = self.committer.reversible
        self._entries = {(bucket, name): value for bucket, name, value in entries}
        self.auth = AuthState(self._entry_list(), save=self.committer.entry)
        """Users and roles. Who changes them flushes the committer before answering."""

    # ---- keys -------------------------------------------------------------------------------------------------

    async def range(self, query: RangeQuery) -> RangeResult:
        """A read of what is durable. Raises Compacted, FutureRevision."""
        self.counts.ranges += 1
        try:
            return self.state.range(query)
        except NotResident as fault:
            absent = await self.loader.load(fault.positions)
        result = await self._resident(lambda: self.state.range(query), absent)
        self._trim()
        return result

    async def put(self, request: Any, *, check: Check | None = None) -> PutResult:
        """A PutRequest. Raises LeaseNotFound, KeyNotFound, NoSpace, Corrupt, FileFault."""
        await self._admit(txn.put_cost(request))
        _, result = await self._write(lambda writing: txn.put(self.state, writing, request), check)
        self.counts.puts += 1
        return result

    async def delete(self, request: Any, *, check: Check | None = None) -> DeleteResult:
        """A DeleteRangeRequest. Raises NoSpace, Corrupt, FileFault."""
        await self._admit(0)
        _, result = await self._write(lambda writing: txn.delete(writing, request), check)
        self.counts.deletes += 1
        return result

    async def txn(self, request: Any, *, cost: int | None, check: Check | None = None) -> TxnResult:
        """A TxnRequest. cost: bytes that it may need, None for one that only reads.

        Raises LeaseNotFound, KeyNotFound, Compacted, FutureRevision, NoSpace, Corrupt, FileFault."""
        if cost is not None:
            await self._admit(cost)
        _, result = await self._write(lambda writing: txn.run(self.state, writing, request), check)
        self.counts.transaction(result)
        return result

    async def compact(self, revision: int, *, physical: bool) -> None:
        """Forget history before a revision; `physical` waits until it is gone.

        Raises Compacted, FutureRevision, NoSpace, Corrupt, FileFault."""
        await self._admit(0)
        await self.compactor.compact(revision)
        if physical:
            await self.compactor.swept(revision)

    # ---- leases -----------------------------------------------------------------------------------------------

    async def grant(self, lease_id: int, ttl: int) -> Lease:
        """Grant a lease; id 0 chooses one. Raises LeaseExists, LeaseTtlTooLarge, NoSpace, Corrupt, FileFault."""
        await self._admit(txn.LEASE_OVERHEAD)
        while not lease_id:
            chosen = secrets.randbits(63)
            lease_id = 0 if chosen in self.state.leases else chosen
        lease = self.state.leases.grant(lease_id, ttl, self._clock.monotonic())
        self.committer.lease(lease_id, (lease.ttl, 0))
        self.leases_changed()
        await self.committer.flush()
        self.counts.leases_granted += 1
        self.counts.lease_ttls.observe(lease.ttl)
        return lease

    async def revoke(self, lease_id: int, *, check: Check | None = None) -> int:
        """Take a lease away and delete its keys, in one revision. Returns the revision. Raises LeaseNotFound, NoSpace,
        Corrupt, FileFault."""
        await self._admit(0)

        def apply(writing: Writing) -> None:
            lease = self.state.leases.get(lease_id)
            if lease is None:
                raise LeaseNotFound
            keys = [KeyRange(key, key + b"\0") for key in sorted(lease.keys)]
            writing.require(keys)
            for key in keys:
                writing.delete(key)
            self.state.leases.revoke(lease_id)
            self.committer.lease(lease_id, None)

        writing, _ = await self._write(apply, check)
        await self.committer.flush()
        self.counts.leases_revoked += 1
        return writing.seen

    async def renew(self, lease_id: int) -> Lease:
        """Start a lease's time again. Raises LeaseNotFound, and what keeps a shortened one from being written down."""
        try:
            lease = self.state.leases.renew(lease_id, self._clock.monotonic())
        except LeaseNotFound:
            await self.committer.flush()  # a revocation that is not durable has not happened
            lease = self.state.leases.renew(lease_id, self._clock.monotonic())
        if lease.checkpoint:
            self._write_down(lease, 0)  # the file must not go on saying that little is left
            await self.committer.flush()
        self.counts.leases_renewed += 1
        return lease

    async def checkpoint_leases(self, longer_than: float) -> None:
        """Write down what is left of the leases with more than this many seconds, for the next start."""
        now = self._clock.monotonic()
        for lease in self.state.leases.all():
            remaining = int(lease.remaining(now))
            if lease.ttl > longer_than and 0 < remaining != lease.checkpoint:
                self._write_down(lease, remaining)
        await self.committer.flush()

    def _write_down(self, lease: Lease, remaining: int) -> None:
        self.committer.reversible(partial(setattr, lease, "checkpoint", lease.checkpoint))
        lease.checkpoint = remaining
        self.committer.lease(lease.id, (lease.ttl, remaining))

    # ---- space ------------------------------------------------------------------------------------------------

    @property
    def size(self) -> Size:
        """Bytes of the database; without a file, of the records in memory."""
        if self.committer.durable:
            return self.committer.size
        return Size(self.state.records.size, self.state.records.size)

    async def set_alarm(self, kind: int, member: int, *, raised: bool) -> bool:
        """Raise or disarm an alarm. False when it was so already. Raises NoSpace, FileFault: it is raised still."""
        if not self.alarms.set(kind, member, raised=raised):
            return False
        name, size = NAMES.get(kind, str(kind)), self.size
        if raised:
            then = ADVICE.get(kind, "none")
            log.warning(
                "alarm raised alarm=%s member=%x size=%d used=%d next=%r", name, member, size.total, size.used, then
            )
        else:
            log.warning("alarm disarmed alarm=%s member=%x size=%d used=%d", name, member, size.total, size.used)
        self.committer.setting(setting_of(kind, member), int(raised))
        if not raised:
            self.committer.reversible(partial(self.alarms.load, {setting_of(kind, member): 1}))
        await self.committer.flush()
        return True

    async def _admit(self, cost: int) -> None:
        """Refuse a write that an alarm stands against, or that has no room. cost: bytes it needs, 0 for none."""
        if self.alarms.corrupt:
            raise Corrupt
        if not cost:
            return
        full = self.alarms.no_space
        if not full:
            size = self.size
            full = not size.room or 0 <= self.quota <= size.total + cost
        if full:
            with contextlib.suppress(StoreError):  # it stands in memory, and is written once it can be
                await self.set_alarm(NOSPACE, self.header.member_id, raised=True)
            raise NoSpace

    async def defragment(self) -> None:
        """Give free pages back to the file system, in steps that commits get in between. Raises Corrupt, FileFault."""
        if self._file is None:
            return
        with self._clock.external("store defragmentation"):
            free = None
            while free != 0 and free != self.size.total - self.size.used:
                free = self.size.total - self.size.used
                await self.committer.alone(self._file.defragment)
            await self.committer.alone(self._file.checkpoint)

    async def _give_back(self) -> None:
        if self._file is not None:
            with self._clock.external("store free pages"):
                await self.committer.alone(self._file.defragment)

    @property
    def path(self) -> pathlib.Path | None:
        """The database file; None for a store in memory."""
        return self._file.path if self._file is not None else None

    async def in_place(self) -> None:
        """Raise FileFault unless the file lies where it was opened."""
        if self._file is not None:
            await self.outside("store place", self._file.in_place)

    async def outside(self, what: str, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work that reads the file in a thread, to its end. what: its name, for who waits for it.

        Raises Corrupt, FileFault."""
        try:
            with self._clock.external(what):
                return await to_the_end(work, *arguments)
        except FAILURES as error:
            raise await self.loader.fault(error) from error

    # ---- everything -------------------------------------------------------------------------------------------

    async def export(self) -> Export:
        """All of it, at the newest durable revision."""
        await self.committer.flush()

        def collect() -> Export:
            limit = position_limit(self.state.visible)
            positions = sorted(position for position in self.state.index.positions() if position < limit)
            now = self._clock.monotonic()
            return Export(
                self.state.visible,
                self.state.compacted,
                self.state.records.many(positions),
                [(lease.id, lease.ttl, int(lease.remaining(now))) for lease in self.state.leases.all()],
                list(self.auth.entries()),
            )

        exported = await self._resident(collect)
        self._trim()
        return exported

    async def snapshot(self, path: pathlib.Path) -> None:
        """Write a database file that a store can start from, at the newest durable revision or a later one."""
        await self.committer.flush()
        with self._clock.external("store snapshot"):
            if self._file is not None:
                try:
                    self.reach(Point.SNAPSHOT_COPIES)
                    await to_the_end(self._file.copy_to, path)
                    self.reach(Point.SNAPSHOT_COPIED)
                except Moved as error:
                    raise FileFault(f"etcdlite: {error}") from error
                except FAILURES as error:
                    raise FileFault(f"etcdlite: snapshot: {error}") from error
            else:
                exported = await self.export()
                await to_the_end(write_file, path, exported, self.header)

    async def _damaged(self) -> None:
        with contextlib.suppress(StoreError):  # it stands in memory
            await self.set_alarm(CORRUPT, self.header.member_id, raised=True)

    # ---- what the committer tells --------------------------------------------------------------------------------

    def publish(self, revision: int, changes: Sequence[Change]) -> bool:
        """See `committer.State`."""
        heard = self.hub.publish(revision, changes)
        for change in changes:
            if change.record.version:
                self.counts.put_bytes += len(change.record.wire)
            if change.previous is not None:
                self.state.records.release(change.previous.position)
        return heard

    def stored(self, batch: Batch) -> None:
        """See `committer.State`."""
        if self.problem:
            log.warning("the database can be written again")
            self.problem = ""
        if "compacted" in batch.settings:
            self.compactor.took_effect(batch.settings["compacted"])
        for entry, value in batch.entries.items():
            if value is None:
                self._entries.pop(entry, None)
            else:
                self._entries[entry] = value

    def take_back(self, changes: Sequence[Change], error: BaseException) -> None:
        """See `committer.State`. What the error means stands as an alarm, or as the problem."""
        assert self._file is not None
        self.state.take_back(changes)
        self.auth.restore(self._entry_list())
        fault = fault_of(error, self._file.path)
        if isinstance(fault, FileFault):
            if self.problem != fault.message:
                log.error("the database cannot be written path=%s error=%s", self._file.path, error)
            self.problem = fault.message
        elif self.alarms.set(CORRUPT if isinstance(fault, Corrupt) else NOSPACE, self.header.member_id, raised=True):
            log.error("the database cannot be written, alarm raised path=%s error=%s", self._file.path, error)
        for name, value in self.alarms.settings().items():
            self.committer.setting(name, value)
        self.leases_changed()

    def _entry_list(self) -> list[tuple[str, bytes, bytes]]:
        return [(bucket, name, value) for (bucket, name), value in self._entries.items()]

    # ---- how --------------------------------------------------------------------------------------------------

    async def _write(self, apply: Callable[[Writing], T], check: Check | None = None) -> tuple[Writing, T]:
        """Apply a transaction whole, then wait until what it changed, and what it saw, is durable and published."""

        def attempt() -> tuple[Writing, T, bool]:
            if check is not None:
                check()
            writing = self.state.begin()
            result = apply(writing)
            changes = writing.finish()
            # No await since it was begun: revisions are taken and handed on in order.
            return writing, result, bool(changes) and self.committer.take(writing.revision, changes)

        try:
            writing, result, heard = await self._resident(attempt)
        except StoreError:
            await self.committer.flush()  # what a refusal saw is durable as well
            raise
        if heard or (writing.revision % FAIR_EVERY == 0 and not self.committer.durable):
            # Watches were woken before the writer goes on: they run first. And a caller that never waits for anything
            # else must not keep the loop for itself.
            await asyncio.sleep(0)
        elif self.state.visible < self.state.revision:
            await self.committer.flush()
            self._trim()
        return writing, result

    async def _resident(self, attempt: Callable[[], T], absent: frozenset[int] = frozenset()) -> T:
        while True:
            try:
                return attempt()
            except NotResident as fault:
                absent = await self.loader.load(fault.positions, absent)

    def _trim(self) -> None:
        self.state.records.trim(position_limit(self.state.visible))
