"""Leases and the keys attached to them, with deadlines on a clock that the caller reads. Pure.

After etcd: a time to live below `MIN_TTL` is raised to it, a key hangs on at most one lease, and a lease's keys go
with it in one revision. Time does not run for a lease while the store is down: it starts again with what it had left.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from etcdlite.errors import LeaseExists, LeaseNotFound, LeaseTtlTooLarge

MIN_TTL = 2
"""Seconds: etcd's minimum with its default election timeout."""
MAX_TTL = 9_000_000_000
"""Seconds, as in etcd."""


@dataclass(slots=True)
class Lease:
    """id; ttl granted, in seconds; deadline in seconds of the monotonic clock; keys attached.

    checkpoint: the remaining seconds that the file knows, 0 when it knows only the ttl.
    """

    id: int
    ttl: int
    deadline: float
    checkpoint: int = 0
    keys: set[bytes] = field(default_factory=set)

    def remaining(self, now: float) -> float:
        """Seconds left, never below zero."""
        return max(self.deadline - now, 0.0)


class Leases:
    """Every lease, and which lease each attached key hangs on."""

    def __init__(self) -> None:
        self.reversible: Callable[[Callable[[], None]], None] = lambda undo: None
        """Called with each change's way back, which is good until the changes after it are taken back."""
        self._leases: dict[int, Lease] = {}
        self._holder: dict[bytes, int] = {}
        self._deadlines: list[tuple[float, int]] = []

    def __contains__(self, lease_id: int) -> bool:
        return lease_id in self._leases

    def __len__(self) -> int:
        return len(self._leases)

    def get(self, lease_id: int) -> Lease | None:
        """The lease, or None."""
        return self._leases.get(lease_id)

    def all(self) -> list[Lease]:
        """In the order in which they run out, as etcd lists them."""
        return sorted(self._leases.values(), key=lambda lease: lease.deadline)

    def grant(self, lease_id: int, ttl: int, now: float) -> Lease:
        """A new lease from now on. Raises LeaseExists, LeaseTtlTooLarge."""
        if ttl > MAX_TTL:
            raise LeaseTtlTooLarge
        if lease_id in self._leases:
            raise LeaseExists
        lease = self.restore(lease_id, max(ttl, MIN_TTL), 0, now)
        self.reversible(lambda: self._remove(lease_id))
        return lease

    def restore(self, lease_id: int, ttl: int, remaining: int, now: float) -> Lease:
        """Put a lease in place that runs out `remaining` seconds from now; 0 for its whole ttl."""
        lease = Lease(lease_id, ttl, now + (remaining or ttl), checkpoint=remaining)
        self._add(lease)
        return lease

    def revoke(self, lease_id: int) -> Lease:
        """Take a lease away; its keys are the caller's to delete. Raises LeaseNotFound."""
        lease = self._leases.get(lease_id)
        if lease is None:
            raise LeaseNotFound
        self._remove(lease_id)
        self.reversible(lambda: self._add(lease))
        return lease

    def _add(self, lease: Lease) -> None:
        self._leases[lease.id] = lease
        heapq.heappush(self._deadlines, (lease.deadline, lease.id))
        for key in lease.keys:
            self._holder[key] = lease.id

    def _remove(self, lease_id: int) -> None:
        for key in self._leases.pop(lease_id).keys:
            self._holder.pop(key, None)

    def renew(self, lease_id: int, now: float) -> Lease:
        """Start a lease's time again, which needs no way back. Raises LeaseNotFound, also for one whose time is up."""
        lease = self._leases.get(lease_id)
        if lease is None or lease.deadline <= now:
            raise LeaseNotFound
        lease.deadline = now + lease.ttl
        heapq.heappush(self._deadlines, (lease.deadline, lease_id))
        return lease

    def holder(self, key: bytes) -> int:
        """The lease that a key hangs on, or 0."""
        return self._holder.get(key, 0)

    def attach(self, key: bytes, lease_id: int) -> None:
        """Hang a key on a lease that exists (0: on none), off the one before."""
        before = self._holder.get(key, 0)
        if before == lease_id:
            return
        self._hang(key, before, lease_id)
        self.reversible(lambda: self._hang(key, lease_id, before))

    def _hang(self, key: bytes, before: int, lease_id: int) -> None:
        if before:
            self._leases[before].keys.discard(key)
            del self._holder[key]
        if lease_id:
            self._leases[lease_id].keys.add(key)
            self._holder[key] = lease_id

    def next_deadline(self) -> float | None:
        """When the first lease runs out, on the monotonic clock; None without leases."""
        while self._deadlines:
            deadline, lease_id = self._deadlines[0]
            lease = self._leases.get(lease_id)
            if lease is not None and lease.deadline == deadline:
                return deadline
            heapq.heappop(self._deadlines)  # revoked or renewed since
        return None

    def expired(self, now: float) -> list[int]:
        """The leases whose time is up, first to run out first. They stay until revoked."""
        due: list[tuple[float, int]] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            due.append(heapq.heappop(self._deadlines))
        for entry in due:
            heapq.heappush(self._deadlines, entry)
        return list(dict.fromkeys(lease_id for _, lease_id in due))
