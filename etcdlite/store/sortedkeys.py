"""A set of byte strings in order: keys in chunks of bounded length, so that adding one moves little memory."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from itertools import chain

CHUNK = 1024


class SortedKeys:
    """Ordered, unique keys. Adding and removing cost a bisection and the move of at most two chunks' pointers."""

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        ordered = sorted(set(keys))
        self._chunks = [ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK)]
        self._last = [chunk[-1] for chunk in self._chunks]
        self._count = len(ordered)

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes) -> None:
        """Put in a key that is not there."""
        self._count += 1
        if not self._chunks:
            self._chunks.append([key])
            self._last.append(key)
            return
        at = min(bisect_left(self._last, key), len(self._chunks) - 1)
        chunk = self._chunks[at]
        insort(chunk, key)
        if len(chunk) > 2 * CHUNK:
            self._chunks[at : at + 1] = [chunk[:CHUNK], chunk[CHUNK:]]
            self._last[at : at + 1] = [chunk[CHUNK - 1], chunk[-1]]
        else:
            self._last[at] = chunk[-1]

    def remove(self, key: bytes) -> None:
        """Take out a key that is there."""
        at = bisect_left(self._last, key)
        chunk = self._chunks[at]
        del chunk[bisect_left(chunk, key)]
        self._count -= 1
        if chunk:
            self._last[at] = chunk[-1]
        else:
            del self._chunks[at]
            del self._last[at]

    def __bool__(self) -> bool:
        return self._count > 0

    def slices(self, start: bytes, end: bytes | None) -> Iterator[list[bytes]]:
        """The keys in `[start, end)`, in order, chunk by chunk; `end` None has no upper bound.

        The set must not change meanwhile."""
        first = bisect_left(self._last, start)
        if end is not None and end <= start:
            return
        for at in range(first, len(self._chunks)):
            chunk = self._chunks[at]
            low = bisect_left(chunk, start) if at == first else 0
            if end is not None and end <= self._last[at]:
                yield chunk[low : bisect_left(chunk, end)]
                return
            yield chunk[low:] if low else chunk

    def between(self, start: bytes, end: bytes | None) -> list[bytes]:
        """The keys in `[start, end)`, in order."""
        return list(chain.from_iterable(self.slices(start, end)))

    def count(self, start: bytes, end: bytes | None) -> int:
        """How many keys are in `[start, end)`."""
        if end is not None and end <= start:
            return 0
        below = self._rank(start)
        return (self._count if end is None else self._rank(end)) - below

    def _rank(self, key: bytes) -> int:
        """How many keys are below this one."""
        at = bisect_left(self._last, key)
        within = bisect_left(self._chunks[at], key) if at < len(self._chunks) else 0
        return sum(map(len, self._chunks[:at])) + within
