"""How many requests are served at once. Watches and logs do not count, nor does system:masters, as upstream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apiserver.auth.api import MASTERS
from apiserver.verbs.context import UserInfo
from machinery.errors import TooManyRequests

READS = frozenset({"get", "list", "watch"})


class InFlight:
    """Counts requests in progress."""

    def __init__(self, *, max_reads: int, max_writes: int) -> None:
        self._limits = (max_writes, max_reads)
        self.current = [0, 0]
        """Writes, reads."""

    @contextmanager
    def enter(self, verb: str, user: UserInfo) -> Iterator[None]:
        """A request in progress. Raises TooManyRequests."""
        kind = 1 if verb in READS else 0
        limit = self._limits[kind]
        if limit and self.current[kind] >= limit and MASTERS not in user.groups:
            raise TooManyRequests("Too many requests, please try again later.", details={"retryAfterSeconds": 1})
        self.current[kind] += 1
        try:
            yield
        finally:
            self.current[kind] -= 1
