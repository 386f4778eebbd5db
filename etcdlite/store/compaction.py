"""When history goes: on request, and by the automatic policies. Removing it happens in bounded steps.

A compaction takes effect for readers once it is durable; the sweep that follows forgets a few hundred changes at a time
and lets everyone else run in between, with a file waiting for each step's commit. So no write waits for more than a
step.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
from array import array
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from actors import Clock
from etcdlite.errors import Compacted, FutureRevision, StoreError, Unavailable
from etcdlite.model import SHIFT
from etcdlite.store.committer import Committer
from etcdlite.store.mvcc import Mvcc
from etcdlite.store.points import Point, Reach, pass_by

log = logging.getLogger(__name__)
Compact = Callable[[int], Awaitable[None]]

STEP_KEYS = 256
"""Most keys of one sweep step."""
STEP_CHANGES = 128
"""Forgotten changes of one step."""
BUCKET_SHIFT = SHIFT + 9
"""Positions are sorted among those of so many revisions (as a power of two)."""
FREE_BYTES = 16 * 1024 * 1024
"""Bytes of free pages that the file keeps, or a quarter of what it uses: pages that are used again need not be made."""
RETRY_INTERVAL = 3.0
"""Seconds until a step that the file refused is tried again."""
REVISION_INTERVAL = 300.0
"""Seconds between compactions in mode revision, as in etcd."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Compactor:
    """Sweeps one store after each compaction. give_back: has the file give some free pages back."""

    def __init__(
        self,
        state: Mvcc,
        committer: Committer,
        give_back: Callable[[], Awaitable[None]],
        *,
        clock: Clock,
        reach: Reach = pass_by,
    ) -> None:
        self._state = state
        self._give_back = give_back
        self._committer = committer
        self._clock = clock
        self._reach = reach
        self._asked = state.compacted
        self._wanted = asyncio.Event()
        self._swept = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._ended = False
        self.forgotten = 0
        """Changes that were removed since the start."""
        self.last: datetime | None = None
        """When the last sweep ended."""

    async def compact(self, revision: int) -> None:
        """Compact; the sweep follows. Readers are refused once it is durable: it never goes back, and then it returns.

        Raises Compacted, FutureRevision, and what a commit does."""
        if revision <= self._asked:
            raise Compacted
        self._state.check_compaction(revision)
        self._committer.reversible(partial(setattr, self, "_asked", self._asked))
        self._asked = revision
        self._committer.setting("compacted", revision)
        self._committer.setting("revision", self._state.visible)
        if not self._committer.durable:
            self.took_effect(revision)
        await self._committer.flush()

    def took_effect(self, revision: int) -> None:
        """The file holds a compaction."""
        self._reach(Point.COMPACTION_DURABLE)
        self._state.compact(revision)
        self._wanted.set()

    async def swept(self, revision: int) -> None:
        """Return once nothing of before `revision` is left anywhere. Raises Unavailable when the store ends first."""
        if self._swept < revision:
            if self._ended:
                raise Unavailable
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((revision, done))
            await done

    def resume(self) -> None:
        """Sweep after a start: the last sweep may not have come to its end."""
        if self._state.compacted > 0:
            self._wanted.set()

    async def run(self) -> None:
        """Sweep whenever there was a compaction, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                revision = self._state.compacted
                await self._sweep()
                self._swept = revision
                self.last = self._clock.now()
                for due, done in self._waiting:
                    if due <= revision and not done.done():
                        done.set_result(None)
                self._waiting = [(due, done) for due, done in self._waiting if due > revision]
        finally:
            self._ended = True
            for _, done in self._waiting:
                if not done.done():
                    done.set_exception(Unavailable())

    async def _sweep(self) -> None:
        """Forget in memory, key by key; then in the file, in the order in which it lies there: what was written
        together shares pages, and is deleted with them."""
        buckets: dict[int, array[int]] = {}
        stale = iter(list(self._state.index.stale))
        more = True
        while more:
            more = False
            count = 0
            for key in itertools.islice(stale, STEP_KEYS):
                more = True
                for position in self._state.sweep(key):
                    count += 1
                    bucket = buckets.get(position >> BUCKET_SHIFT)
                    if bucket is None:
                        bucket = buckets[position >> BUCKET_SHIFT] = array("q")
                    bucket.append(position)
                if count >= STEP_CHANGES:
                    break
            self.forgotten += count
            await asyncio.sleep(0)  # let everyone else run
            with contextlib.suppress(StoreError):
                await self._committer.flush()  # a thread that commits would wait for the interpreter again and again
        if self._committer.durable and buckets:
            for place in sorted(buckets):
                positions = sorted(buckets.pop(place))
                for at in range(0, len(positions), STEP_CHANGES):
                    self._reach(Point.SWEEP_STEP)
                    await self._forget(positions[at : at + STEP_CHANGES])
            await self._tidy()

    async def _tidy(self) -> None:
        """Give free pages back to the file system, in steps, but for those that the next hours' history will fill."""
        size = self._committer.size
        kept = max(size.used // 4, FREE_BYTES)
        free = None
        while free != size.total - size.used > kept:
            free = size.total - size.used
            try:
                await self._give_back()
            except StoreError as error:
                log.warning("free pages are not given back error=%s", error)
                return
            size = self._committer.size

    async def _forget(self, positions: list[int]) -> None:
        """Have the file forget what memory has forgotten, however often it refuses at first."""
        while True:
            try:
                await self._committer.flush()  # who waits already has a commit for itself
                self._committer.forget(positions)
                await self._committer.flush()
            except StoreError as error:
                log.warning("sweep waits for the file error=%s", error)
                await self._clock.sleep(RETRY_INTERVAL)
            else:
                return


class AutoCompactor:
    """Compacts by policy: `periodic` keeps a time of history, `revision` a number of revisions.

    compact: compacts at a revision, or refuses as to a client.
    Raises ValueError for a retention that it does not understand."""

    def __init__(self, compact: Compact, state: Mvcc, *, mode: str, retention: str, clock: Clock) -> None:
        self._request = compact
        self._state = state
        self._clock = clock
        self._revisions, self._period = parse_retention(mode, retention)

    async def run(self) -> None:
        """Compact again and again, until cancelled; returns at once when nothing is to be compacted."""
        if self._revisions:
            while True:
                await self._clock.sleep(REVISION_INTERVAL)
                await self._compact(self._state.visible - self._revisions)
        if self._period:
            # As etcd: a tenth of the period (at most of an hour) between looks, and what was newest a period ago goes.
            interval = min(self._period, 3600.0) / 10
            seen: deque[tuple[float, int]] = deque()
            while True:
                seen.append((self._clock.monotonic(), self._state.visible))
                await self._clock.sleep(interval)
                while seen and seen[0][0] <= self._clock.monotonic() - self._period:
                    await self._compact(seen.popleft()[1])

    async def _compact(self, revision: int) -> None:
        if revision <= 1:
            return
        try:
            await self._request(revision)
        except (Compacted, FutureRevision):
            return  # a client was faster
        except StoreError as error:
            log.warning("automatic compaction failed revision=%d error=%s", revision, error)


def parse_retention(mode: str, text: str) -> tuple[int, float]:
    """(revisions, seconds) of history to keep, one of them 0. Raises ValueError."""
    if mode == "periodic":
        return 0, parse_duration(text)
    if mode == "revision":
        if not text.isdecimal():
            raise ValueError(f"{text!r} is no number of revisions")
        return int(text), 0.0
    raise ValueError(f"auto-compaction-mode {mode!r} is neither 'periodic' nor 'revision'")


def parse_duration(text: str) -> float:
    """Seconds of a duration as Go writes it ("1h30m", "90s"); a bare number is hours, as etcd's flag has it.

    Raises ValueError."""
    if re.fullmatch(r"\d+", text):
        return int(text) * 3600.0
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration; write for example '90m' or '8' for eight hours")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
