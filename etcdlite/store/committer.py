"""Group commit: what was applied while the last commit ran goes into the next one, with one fsync for all of it.

Order, which everything above relies on: applied in memory -> committed to the file -> visible to readers -> published
to watches -> the writers' calls return. Batches are committed one after the other, in the order of their revisions.
Without a file there is nothing to wait for, and a change goes through all of it at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from actors import Clock
from etcdlite.errors import Unavailable
from etcdlite.model import Change
from etcdlite.store.log import Batch, Log, Size

T = TypeVar("T")
Publish = Callable[[int, Sequence[Change]], bool]


class Pending(Batch):
    """A batch being collected, with the calls that wait for it and the groups of changes to publish."""

    __slots__ = ("groups", "waiters")

    def __init__(self) -> None:
        super().__init__()
        self.waiters: list[asyncio.Future[None]] = []
        self.groups: list[tuple[int, Sequence[Change]]] = []


class Committer:
    """Takes changes in, sees them committed, publishes them.

    publish: called with each revision and its changes once they are durable, in order; True when a watch heard it.
    """

    def __init__(self, log: Log | None, publish: Publish, *, clock: Clock) -> None:
        self._log = log
        self._publish = publish
        self._clock = clock
        self._pending = Pending()
        self._committing: Pending | None = None
        self._wake: asyncio.Future[None] | None = None
        self._failed: BaseException | None = None
        self._errands: deque[tuple[Callable[[], Size], asyncio.Future[None]]] = deque()
        self.size = Size(0, 0) if log is None else log.size()

    @property
    def durable(self) -> bool:
        """False when there is no file."""
        return self._log is not None

    def take(self, revision: int, changes: Sequence[Change]) -> bool:
        """Changes of one revision were applied; revisions come in order. True when a watch has heard them already."""
        if self._log is None:
            return self._publish(revision, changes)
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

    async def flush(self) -> None:
        """Return once everything handed over so far is durable. Raises Unavailable when it will never be."""
        if self._log is None:
            return
        pending = self._pending
        if pending.groups or pending.leases or pending.settings or pending.entries or pending.forgotten:
            await self._next(pending)
        elif self._committing is not None:
            await self._next(self._committing)
        elif self._failed is not None:
            raise Unavailable

    async def alone(self, work: Callable[[], Size]) -> None:
        """Run blocking work on the file while no commit runs. Raises Unavailable when the store ends first."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._errands.append((work, done))
        self._rouse()
        await done

    async def _next(self, batch: Pending) -> None:
        if self._failed is not None:
            raise Unavailable
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        batch.waiters.append(waiter)
        self._rouse()
        await waiter

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def run(self) -> None:
        """Commit batch after batch, until cancelled. Raises what the file raises; every waiting call then fails."""
        try:
            while self._log is not None:
                if self._errands:
                    work, done = self._errands.popleft()
                    self.size = await to_the_end(work)
                    if not done.done():
                        done.set_result(None)
                elif self._pending.waiters:
                    await self._commit(self._log)
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

    async def _commit(self, log: Log) -> None:
        batch, self._pending = self._pending, Pending()
        self._committing = batch
        with self._clock.external("store commit"):
            self.size = await to_the_end(log.commit, batch)
        self._committing = None
        for revision, changes in batch.groups:
            self._publish(revision, changes)
        for waiter in batch.waiters:
            if not waiter.done():
                waiter.set_result(None)


async def to_the_end(work: Callable[..., T], *arguments: Any) -> T:
    """Run blocking work in a thread. When the caller is cancelled meanwhile, the work still ends before it goes on: a
    database connection must not be closed under a thread that uses it."""
    future = asyncio.get_running_loop().run_in_executor(None, lambda: work(*arguments))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait((future,))
        raise
