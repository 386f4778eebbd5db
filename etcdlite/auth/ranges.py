"""Ranges of keys joined into one another, to ask whether a request stays inside them. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from etcdlite.keyrange import KeyRange


class Ranges:
    """The union of some ranges. What touches or overlaps counts as one: a request may span several permissions."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[KeyRange]) -> None:
        self._starts: list[bytes] = []
        self._ends: list[bytes | None] = []
        for start, end in sorted(ranges, key=lambda found: found.start):
            if self._starts and _reaches(self._ends[-1], start):
                if not _reaches(self._ends[-1], end):
                    self._ends[-1] = end
            else:
                self._starts.append(start)
                self._ends.append(end)

    def cover(self, keys: KeyRange) -> bool:
        """True when every key of `keys` lies inside. Of a range that ends before it starts, the start decides, as in
        etcd."""
        end = keys.start + b"\0" if keys.empty else keys.end
        at = bisect.bisect_right(self._starts, keys.start) - 1
        return at >= 0 and _reaches(self._ends[at], end)


def _reaches(end: bytes | None, point: bytes | None) -> bool:
    """True when a range up to `end` goes as far as `point`; None is past every key."""
    return end is None or (point is not None and point <= end)
