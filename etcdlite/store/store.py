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
from dataclasses import dataclass
from typing import Any, TypeVar

from actors import Clock
from etcdlite.auth.state import AuthState
from etcdlite.errors import LeaseNotFound, NoSpace
from etcdlite.keyrange import KeyRange
from etcdlite.model import Change, DeleteResult, PutResult, RangeResult, Record, TxnResult, position_limit
from etcdlite.rpc.header import Header
from etcdlite.store import txn
from etcdlite.store.committer import Committer, to_the_end
from etcdlite.store.compaction import Compactor
from etcdlite.store.leases import Lease
from etcdlite.store.log import FORMAT, Batch, Log, Size
from etcdlite.store.mvcc import Mvcc, RangeQuery, Writing
from etcdlite.store.records import NotResident
from etcdlite.watch.hub import Hub

log = logging.getLogger(__name__)
T = TypeVar("T")
Check = Callable[[], None]
"""Raises when an operation is not allowed; asked in the same step that applies it."""

NO_SPACE_ALARM = "alarm_nospace"
FAIR_EVERY = 32
"""Revisions between pauses of a store in memory."""
PUT_OVERHEAD = 256
"""Bytes a write may need beside its request."""


@dataclass(frozen=True, slots=True)
class Export:
    """Everything a store holds, to start another one from. records: the whole history, oldest first. leases: (id, ttl,
    remaining seconds). entries: (bucket, name, value) of users and roles."""

    revision: int
    compacted: int
    records: Sequence[Record]
    leases: Sequence[tuple[int, int, int]]
    entries: Sequence[tuple[str, bytes, bytes]] = ()


class Store:
    """One running store.

    header: makes the headers of its answers. quota: bytes. entries: what `auth` starts from. `leases_changed` is called
    when a deadline may have come nearer.
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
    ) -> None:
        self.state = state
        self.header = header
        self.quota = quota
        self.no_space = False
        self.leases_changed: Callable[[], None] = lambda: None
        self._file = file
        self._clock = clock
        self.hub = Hub(state, load=self.load)
        self.committer = Committer(file, self._publish, clock=clock)
        self.compactor = Compactor(state, self.committer)
        self.auth = AuthState(entries, save=self.committer.entry)
        """Users and roles. Who changes them flushes the committer before answering."""

    # ---- keys -------------------------------------------------------------------------------------------------

    async def range(self, query: RangeQuery) -> RangeResult:
        """A read of what is durable. Raises Compacted, FutureRevision."""
        try:
            return self.state.range(query)
        except NotResident as fault:
            await self.load(fault.positions)
        result = await self._resident(lambda: self.state.range(query))
        self._trim()
        return result

    async def put(self, request: Any, *, check: Check | None = None) -> PutResult:
        """A PutRequest. Raises LeaseNotFound, KeyNotFound, NoSpace."""
        self._need_space(request)
        _, result = await self._write(lambda writing: txn.put(self.state, writing, request), check)
        return result

    async def delete(self, request: Any, *, check: Check | None = None) -> DeleteResult:
        """A DeleteRangeRequest."""
        _, result = await self._write(lambda writing: txn.delete(writing, request), check)
        return result

    async def txn(self, request: Any, *, check: Check | None = None) -> TxnResult:
        """A TxnRequest. Raises LeaseNotFound, KeyNotFound, Compacted, FutureRevision, NoSpace."""
        self._need_space(request)
        _, result = await self._write(lambda writing: txn.run(self.state, writing, request), check)
        return result

    async def compact(self, revision: int, *, physical: bool) -> None:
        """Forget history before a revision; `physical` waits until it is gone. Raises Compacted, FutureRevision."""
        self.compactor.compact(revision)
        await self.committer.flush()
        if physical:
            await self.compactor.swept(revision)

    # ---- leases -----------------------------------------------------------------------------------------------

    async def grant(self, lease_id: int, ttl: int) -> Lease:
        """Grant a lease; id 0 chooses one. Raises LeaseExists, LeaseTtlTooLarge, NoSpace."""
        if self.no_space:
            raise NoSpace
        while not lease_id:
            chosen = secrets.randbits(63)
            lease_id = 0 if chosen in self.state.leases else chosen
        lease = self.state.leases.grant(lease_id, ttl, self._clock.monotonic())
        self.committer.lease(lease_id, (lease.ttl, 0))
        self.leases_changed()
        await self.committer.flush()
        return lease

    async def revoke(self, lease_id: int, *, check: Check | None = None) -> int:
        """Take a lease away and delete its keys, in one revision. Returns the revision. Raises LeaseNotFound."""

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
        return writing.seen

    async def renew(self, lease_id: int) -> Lease:
        """Start a lease's time again. Raises LeaseNotFound."""
        lease = self.state.leases.renew(lease_id, self._clock.monotonic())
        if lease.checkpoint:
            # The file must not go on saying that little is left.
            lease.checkpoint = 0
            self.committer.lease(lease_id, (lease.ttl, 0))
            await self.committer.flush()
        return lease

    async def checkpoint_leases(self, longer_than: float) -> None:
        """Write down what is left of the leases with more than this many seconds, for the next start."""
        now = self._clock.monotonic()
        for lease in self.state.leases.all():
            remaining = int(lease.remaining(now))
            if lease.ttl > longer_than and 0 < remaining != lease.checkpoint:
                lease.checkpoint = remaining
                self.committer.lease(lease.id, (lease.ttl, remaining))
        await self.committer.flush()

    # ---- space ------------------------------------------------------------------------------------------------

    @property
    def size(self) -> Size:
        """Bytes of the database; without a file, of the records in memory."""
        if self.committer.durable:
            return self.committer.size
        return Size(self.state.records.size, self.state.records.size)

    async def set_no_space(self, *, raised: bool) -> None:
        """Raise or disarm the alarm that refuses writes."""
        if raised != self.no_space:
            self.no_space = raised
            log.warning("space alarm changed raised=%s size=%d quota=%d", raised, self.size.total, self.quota)
        self.committer.setting(NO_SPACE_ALARM, int(raised))
        await self.committer.flush()

    def _need_space(self, request: Any) -> None:
        full = self.size.total + request.ByteSize() + PUT_OVERHEAD > self.quota
        if not full and not self.no_space:
            return
        if hasattr(request, "compare") and not txn.puts(request):
            return  # what only reads and deletes goes on
        if not self.no_space:
            self.no_space = True
            self.committer.setting(NO_SPACE_ALARM, 1)
            log.error("database space exceeded size=%d quota=%d", self.size.total, self.quota)
        raise NoSpace

    async def defragment(self) -> None:
        """Give free pages back to the file system, in steps that commits get in between."""
        if self._file is None:
            return
        with self._clock.external("store defragmentation"):
            free = None
            while free != 0 and free != self.size.total - self.size.used:
                free = self.size.total - self.size.used
                await self.committer.alone(self._file.defragment)
            await self.committer.alone(self._file.checkpoint)

    @property
    def path(self) -> pathlib.Path | None:
        """The database file; None for a store in memory."""
        return self._file.path if self._file is not None else None

    async def outside(self, what: str, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work that reads the file in a thread, to its end. what: its name, for who waits for it."""
        with self._clock.external(what):
            return await to_the_end(work, *arguments)

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
                await to_the_end(self._file.copy_to, path)
            else:
                exported = await self.export()
                await to_the_end(write_file, path, exported, self.header)

    async def load(self, positions: Sequence[int]) -> None:
        """Bring records into memory that only the file holds."""
        if self._file is None:
            raise RuntimeError(f"{len(positions)} records are lost, {positions[0]} the first")
        with self._clock.external("store read"):
            self.state.records.load(await to_the_end(self._file.read, positions))

    def _publish(self, revision: int, changes: Sequence[Change]) -> bool:
        heard = self.hub.publish(revision, changes)
        for change in changes:
            if change.previous is not None:
                self.state.records.release(change.previous.position)
        return heard

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

        writing, result, heard = await self._resident(attempt)
        if heard or (writing.revision % FAIR_EVERY == 0 and not self.committer.durable):
            # Watches were woken before the writer goes on: they run first. And a caller that never waits for anything
            # else must not keep the loop for itself.
            await asyncio.sleep(0)
        elif self.state.visible < self.state.revision:
            await self.committer.flush()
            self._trim()
        return writing, result

    async def _resident(self, attempt: Callable[[], T]) -> T:
        while True:
            try:
                return attempt()
            except NotResident as fault:
                await self.load(fault.positions)

    def _trim(self) -> None:
        self.state.records.trim(position_limit(self.state.visible))


def write_file(path: pathlib.Path, exported: Export, header: Header) -> None:
    """Make a database file out of an export. Blocks."""
    with contextlib.closing(Log(path, None)) as file:
        file.commit(
            Batch(
                changes=[Change(record, None) for record in exported.records],
                leases={lease_id: (ttl, max(remaining, 1)) for lease_id, ttl, remaining in exported.leases},
                settings={
                    "format": FORMAT,
                    "cluster": header.cluster_id,
                    "member": header.member_id,
                    "revision": exported.revision,
                    "compacted": exported.compacted,
                },
                entries={(bucket, name): value for bucket, name, value in exported.entries},
            )
        )
        file.checkpoint()
