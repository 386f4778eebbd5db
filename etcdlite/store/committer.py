"""Group commit: what was applied while the last commit ran goes into the next one, with one fsync for all of it.

Order, which everything above relies on: applied in memory -> committed to the file -> visible to readers -> published
to watches -> the writers' calls return. Batches are committed one after the other, in the order of their revisions.
Without a file there is nothing to wait for, and a change goes through all of it at once.

When the file refuses a commit, memory goes back to what is durable: everything that was applied since is undone, newest
first, in one step without an await, and every call that waits for any of it fails with the reason. Nobody has seen it,
so readers, watches and leases go on as if it had never been, and the next write is tried anew. Starting again from the
file would be as right and cuts every watch; and it would take as long as the store is big, for each write that fails.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from actors import Clock
from etcdlite.errors import Unavailable
from etcdlite.model import Change
from etcdlite.store.faults import FAILURES, fault_of
from etcdlite.store.log import CHECKPOINT_BYTES, Batch, Log, Size
from etcdlite.store.points import Point
from etcdlite.store.worker import Worker

T = TypeVar("T")
Undo = Callable[[], None]


class Pending(Batch):
    """A batch being collected, with the calls that wait for it, the groups of changes to publish, and the way back."""

    __slots__ = ("groups", "undo", "waiters")

    def __init__(self) -> None:
        super().__init__()
        self.waiters: list[asyncio.Future[None]] = []
        self.groups: list[tuple[int, Sequence[Change]]] = []
        self.undo: list[Undo] = []

    def __bool__(self) -> bool:
        return bool(self.groups or self.leases or self.settings or self.entries or self.forgotten)


class State(Protocol):
    """Whose changes are committed."""

    def publish(self, revision: int, changes: Sequence[Change]) -> bool:
        """The changes of a revision are durable; revisions come in order. True when a watch heard of them."""

    def stored(self, batch: Batch) -> None:
        """A batch is durable; its changes are published."""

    def take_back(self, changes: Sequence[Change], error: BaseException) -> None:
        """Changes could not be committed, newest first, and nothing else that was handed over since the last batch."""


class Committer:
    """Takes changes in, sees them committed, has them published."""

    def __init__(self, log: Log | None, state: State, *, clock: Clock) -> None:
        self._log = log
        self._state = state
        self._clock = clock
        self._pending = Pending()
        self._committing: Pending | None = None
        self._wake: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failed: BaseException | None = None
        self._errands: deque[tuple[Callable[[], Size], asyncio.Future[None]]] = deque()
        self.size = Size(0, 0) if log is None else log.size()
        self.log_is_long = asyncio.Event()
        """Set when the write-ahead log is worth a checkpoint."""

    @property
    def durable(self) -> bool:
        """False when there is no file."""
        return self._log is not None

    def take(self, revision: int, changes: Sequence[Change]) -> bool:
        """Changes of one revision were applied; revisions come in order. True when a watch has heard them already."""
        if self._log is None:
            return self._state.publish(revision, changes)
        self._pending.changes += changes
        self._pending.groups.append((revision, changes))
        return False

    def lease(self, lease_id: int, state: tuple[int, int] | None) -> None:
        """Store a lease's (ttl, remaining), or that it is gone."""
        if self._log is not None:
            self._pending.leases[lease_id] = state

    def setting(self, name: str, value: int) -> None:
        """Store a number under a name."""
        if self._log is not None:
            self._pending.settings[name] = value

    def entry(self, bucket: str, name: bytes, value: bytes | None) -> None:
        """Store a value under a name of a bucket, or that it is gone."""
        if self._log is not None:
            self._pending.entries[bucket, name] = value

    def forget(self, positions: Sequence[int]) -> None:
        """Delete what was compacted."""
        if self._log is not None:
            self._pending.forgotten += positions

    def reversible(self, undo: Undo) -> None:
        """Something else than keys changed in memory that is handed over now: how it goes back if it is not committed.

        All of them are called in reverse order, apart from the keys' own way back."""
        if self._log is not None:
            self._pending.undo.append(undo)

    async def flush(self) -> None:
        """Return once everything handed over so far is durable. Raises the reason when it will never be: NoSpace,
        Corrupt, FileFault, or Unavailable when the store has ended."""
        if self._log is None:
            return
        if self._pending:
            await self._next(self._pending)
        elif self._committing is not None:
            await self._next(self._committing)
        elif self._failed is not None:
            raise Unavailable

    async def alone(self, work: Callable[[], Size]) -> None:
        """Run blocking work on the file while no commit runs. Raises as `flush`."""
        if self._failed is not None:
            raise Unavailable
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._errands.append((work, done))
        self._rouse()
        await done

    async def _next(self, batch: Pending) -> None:
        if self._failed is not None:
            raise Unavailable
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # which asks the kernel each time
        waiter: asyncio.Future[None] = self._loop.create_future()
        batch.waiters.append(waiter)
        self._rouse()
        await waiter

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def run(self) -> None:
        """Commit batch after batch, until cancelled. Raises what is no fault of the file; every waiting call then
        fails."""
        if self._log is None:
            return
        worker = Worker("etcdlite-commit")
        try:
            while True:
                if self._errands:
                    await self._run_errand(worker, self._log, *self._errands.popleft())
                elif self._pending.waiters:
                    await self._commit(worker, self._log)
                else:
                    self._wake = asyncio.get_running_loop().create_future()
                    await self._wake
        except BaseException as error:
            self._failed = error
            waiters = [done for _, done in self._errands]
            for batch in (self._committing, self._pending):
                waiters += batch.waiters if batch is not None else ()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(Unavailable())
            raise
        finally:
            worker.close()

    async def _run_errand(self, worker: Worker, log: Log, work: Callable[[], Size], done: asyncio.Future[None]) -> None:
        try:
            self.size = await worker.do(work)
        except FAILURES as error:
            fault = fault_of(error, log.path)
            if not done.done():
                done.set_exception(fault or Unavailable())
            if fault is None:
                raise
        except BaseException:
            if not done.done():
                done.set_exception(Unavailable())
            raise
        if not done.done():
            done.set_result(None)

    async def _commit(self, worker: Worker, log: Log) -> None:
        batch, self._pending = self._pending, Pending()
        self._committing = batch
        try:
            with self._clock.external("store commit"):
                self.size = await worker.do(log.commit, batch)
        except FAILURES as error:
            if fault_of(error, log.path) is None:
                raise
            self._give_up(batch, log, error)
            return
        if log.unsettled > CHECKPOINT_BYTES:
            self.log_is_long.set()
        for revision, changes in batch.groups:
            self._state.publish(revision, changes)
        self._state.stored(batch)
        log.reach(Point.COMMIT_PUBLISHED)
        for waiter in batch.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._committing = None  # not before: whoever waits must be told also when publishing fails

    def _give_up(self, batch: Pending, log: Log, error: Exception) -> None:
        """Memory goes back to before this batch; what came after it was built on it, and goes as well."""
        lost = (self._pending, batch)
        self._committing, self._pending = None, Pending()
        for each in lost:
            for undo in reversed(each.undo):
                undo()
        self._state.take_back([change for each in lost for change in reversed(each.changes)], error)
        for waiter in (*batch.waiters, *lost[0].waiters):
            fault = fault_of(error, log.path)
            if not waiter.done():
                waiter.set_exception(fault or Unavailable())


async def to_the_end(work: Callable[..., T], *arguments: Any) -> T:
    """Run blocking work in a thread. When the caller is cancelled meanwhile, the work still ends before it goes on: a
    database connection must not be closed under a thread that uses it."""
    future = asyncio.get_running_loop().run_in_executor(None, lambda: work(*arguments))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait((future,))
        raise
