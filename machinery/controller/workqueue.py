"""The queue between "something changed" and "look at it": keys, each at most once, never worked on twice at a time.

Three sets, as in client-go: *waiting* in order, *dirty* (to be worked on, waiting or not), *processing*. A key that is
added while a worker has it is dirty but does not wait: it is queued when the worker is done with it. So however many
events come for one object, it is looked at once more after the last.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from actors import Clock
from actors.clock import Timer
from machinery.controller.ratelimit import DEFAULT, RateLimit, RateLimiter


class ShutDown(Exception):
    """The queue was closed: no more keys will come."""


@dataclass(slots=True)
class _Delayed:
    at: float
    timer: Timer


class WorkQueue:
    """One controller's keys. All methods but `get` return at once."""

    def __init__(self, clock: Clock, limit: RateLimit = DEFAULT) -> None:
        self._clock = clock
        self._limiter = RateLimiter(limit)
        self._waiting: deque[str] = deque()
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._delayed: dict[str, _Delayed] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        """Keys that wait for a worker (those that wait for time are not among them)."""
        return len(self._waiting)

    @property
    def delayed(self) -> int:
        """Keys that wait for time."""
        return len(self._delayed)

    def add(self, key: str) -> None:
        """Mark the key as dirty; nothing happens when it is so already, or after `close`."""
        if self._closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._queue(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Add the key when so many seconds have passed; of several such wishes the earliest counts."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        at = self._clock.monotonic() + seconds
        known = self._delayed.get(key)
        if known is not None:
            if known.at <= at:
                return
            known.timer.cancel()
        self._delayed[key] = _Delayed(at, self._clock.call_later(seconds, lambda: self._due(key)))

    def retry(self, key: str) -> float:
        """Add the key again after a failure, when its back-off allows; answers the seconds."""
        wait = self._limiter.failed(key, self._clock.monotonic())
        self.add_after(key, wait)
        return wait

    def forget(self, key: str) -> None:
        """The key succeeded: its next failure waits the shortest again."""
        self._limiter.forget(key)

    def failures(self, key: str) -> int:
        """Failures of the key in a row."""
        return self._limiter.failures(key)

    async def get(self) -> str:
        """The next key, which is the caller's until `done`. Raises ShutDown."""
        while not self._waiting:
            if self._closed:
                raise ShutDown
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake()  # the key was meant for us and we are leaving
                raise
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: str) -> None:
        """The caller has finished with the key; if it became dirty meanwhile it waits again."""
        self._processing.discard(key)
        if key in self._dirty:
            self._queue(key)

    def close(self) -> None:
        """Take no more keys; those that wait for time are dropped, those that wait are still handed out."""
        self._closed = True
        for delayed in self._delayed.values():
            delayed.timer.cancel()
        self._delayed.clear()
        while self._getters:
            self._wake()

    def _queue(self, key: str) -> None:
        self._waiting.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _due(self, key: str) -> None:
        del self._delayed[key]
        self.add(key)
