"""A distribution as counts below bounds. Pure; for what happens at most thousands of times a second."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def doubling(first: float, count: int) -> tuple[float, ...]:
    """Bounds of which each is twice the one before."""
    return tuple(first * 2**power for power in range(count))


class Histogram:
    """bounds: upper, ascending; what is above the last is counted as well."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
