"""How long a failed key waits: exponential per key, and a bucket over all keys. Pure: the time is passed in.

Numbers and rule are client-go's DefaultTypedControllerRateLimiter: the longer of both waits counts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Seconds, and tries per second."""

    first: float = 0.005
    """Wait after a key's first failure; doubles with each further one."""
    longest: float = 1000.0
    """The longest wait of one key."""
    rate: float = 10.0
    """Retries per second over all keys, once the burst is used up."""
    burst: int = 100
    """Retries that may come at once."""


DEFAULT = RateLimit()


class RateLimiter:
    """The failures of the keys of one workqueue."""

    def __init__(self, limit: RateLimit = DEFAULT) -> None:
        self._limit = limit
        self._failures: dict[str, int] = {}
        self._tokens = float(limit.burst)
        self._filled = 0.0

    def failed(self, key: str, now: float) -> float:
        """Record a failure; the seconds to wait before the next try."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        backoff = min(self._limit.first * 2.0 ** min(count, 60), self._limit.longest)
        return max(backoff, self._reserve(now))

    def forget(self, key: str) -> None:
        """The key succeeded, or nobody will try it again."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """Failures in a row."""
        return self._failures.get(key, 0)

    def _reserve(self, now: float) -> float:
        limit = self._limit
        self._tokens = min(self._tokens + max(now - self._filled, 0.0) * limit.rate, float(limit.burst))
        self._filled = now
        self._tokens -= 1.0
        return 0.0 if self._tokens >= 0 else -self._tokens / limit.rate
