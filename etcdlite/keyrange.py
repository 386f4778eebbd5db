"""The only place that knows how etcd writes ranges of keys.

On the wire a range is `(key, range_end)`: an empty `range_end` means the one key, `b"\\0"` means every key from `key`
on, anything else the half-open interval `[key, range_end)`. Here every range is `[start, end)` with `end` None for "to
the last key"; one key is `[key, key + b"\\0")`, which no other key can lie in.
"""

from __future__ import annotations

from typing import NamedTuple

FROM_KEY = b"\0"


class KeyRange(NamedTuple):
    """The keys from `start` up to, not including, `end`; `end` None has no upper bound. May be empty."""

    start: bytes
    end: bytes | None

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, bytes):
            return False
        return self.start <= key and (self.end is None or key < self.end)

    @property
    def empty(self) -> bool:
        """True when no key can lie inside, as for an end before the start."""
        return self.end is not None and self.end <= self.start

    @property
    def single(self) -> bool:
        """True when the range is exactly one key."""
        return self.end is not None and len(self.end) == len(self.start) + 1 and self.end == self.start + b"\0"

    def overlaps(self, other: KeyRange) -> bool:
        """True when some key could lie in both."""
        if self.empty or other.empty:
            return False
        return (other.end is None or self.start < other.end) and (self.end is None or other.start < self.end)


def of(key: bytes, range_end: bytes) -> KeyRange:
    """The range of a request's `key` and `range_end`."""
    if not range_end:
        return KeyRange(key, key + b"\0")
    if range_end == FROM_KEY:
        return KeyRange(key, None)
    return KeyRange(key, range_end)
