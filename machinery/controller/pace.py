"""How often something large is written.

Looking at an object and writing it costs as much as there is in it, so when a thousand pods become ready one by one,
doing it each time would be a million steps. Up to `free` parts are written at once; beyond, each write is followed by
a wait in proportion, in which changes gather.
"""

from __future__ import annotations

from actors import Clock


class Pace:
    """The waits of one controller's keys. seconds: the wait for each part of a large object."""

    def __init__(self, clock: Clock, *, free: int = 100, seconds: float = 0.0005) -> None:
        self._clock = clock
        self._free = free
        self._seconds = seconds
        self._not_before: dict[str, float] = {}

    def wait(self, key: str) -> float:
        """Seconds until the key may be worked on again; 0 when it may."""
        return max(self._not_before.get(key, 0.0) - self._clock.monotonic(), 0.0)

    def wrote(self, key: str, parts: int) -> None:
        """The key was written, with so many parts."""
        if parts > self._free:
            self._not_before[key] = self._clock.monotonic() + parts * self._seconds
        else:
            self.forget(key)

    def forget(self, key: str) -> None:
        """The key's object is gone."""
        self._not_before.pop(key, None)
