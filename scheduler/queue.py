"""The scheduling queue: who is next, who waits, and for what. Pure: time is passed in.

    add ──► active ──pop──► (attempt) ──► gone: placed or deleted
              ▲                │
              │                ├─ unschedulable ──event that helps, or timeout──┐
              │                └─ failed for another reason ──► backoff         │
              └──────────── backoff over ◄──────────────────────────────────────┘

Active pods are sorted by priority, then by how long they wait (upstream: PrioritySort). A pod with scheduling gates
waits apart until its last gate is gone. The backoff doubles with each attempt.
"""

from __future__ import annotations

import heapq
import itertools
from enum import Enum

from scheduler.demand import PodInfo
from scheduler.queue_hints import Event, helps


class Place(Enum):
    """Where a pod is."""

    ACTIVE = "active"
    BACKOFF = "backoff"
    UNSCHEDULABLE = "unschedulable"
    GATED = "gated"
    POPPED = "popped"


class Queued:
    """A pod that is to be scheduled."""

    __slots__ = ("attempts", "info", "place", "plugins", "ready_at", "serial", "since")

    def __init__(self, info: PodInfo, now: float) -> None:
        self.info = info
        self.since = now
        self.attempts = 0
        self.place = Place.GATED
        self.plugins: frozenset[str] = frozenset()
        self.ready_at = now  # end of the backoff
        self.serial = 0  # of its entry in a heap: older entries are void


class SchedulingQueue:
    """See the module. Times are seconds of a monotonic clock."""

    def __init__(self, *, initial_backoff: float, max_backoff: float, timeout: float) -> None:
        self._initial_backoff = initial_backoff
        self._max_backoff = max_backoff
        self._timeout = timeout
        self._pods: dict[str, Queued] = {}
        self._active: list[tuple[int, float, int, Queued]] = []
        self._backoff: list[tuple[float, int, Queued]] = []
        self._unschedulable: dict[str, Queued] = {}  # oldest first
        self._rejected_by: dict[frozenset[str], dict[str, Queued]] = {}  # the same pods, by who rejected
        self._serial = itertools.count(1)

    def __len__(self) -> int:
        return len(self._pods)

    def get(self, key: str) -> Queued | None:
        """The pod, wherever it is in the queue."""
        return self._pods.get(key)

    def count(self, place: Place) -> int:
        """How many pods are there."""
        return sum(queued.place is place for queued in self._pods.values())

    def set(self, info: PodInfo, now: float) -> None:
        """A pod to schedule was added or changed. A change of its spec or labels is worth another try."""
        queued = self._pods.get(info.key)
        if queued is None or queued.info.uid != info.uid:
            self.remove(info.key)
            queued = self._pods[info.key] = Queued(info, now)
            self._sort_in(queued, now)
            return
        old, queued.info = queued.info, info
        if queued.place is Place.GATED:
            self._sort_in(queued, now)
        elif queued.place is Place.UNSCHEDULABLE and (
            old.demand is not info.demand or old.relations != info.relations or old.labels != info.labels
        ):
            self._wake(queued, now)
        elif queued.place is Place.ACTIVE and old.priority != info.priority:
            self._activate(queued)

    def remove(self, key: str) -> None:
        """The pod is placed, deleted or somebody else's."""
        queued = self._pods.pop(key, None)
        if queued is not None:
            queued.serial = 0
            self._leave_unschedulable(queued)

    def pop(self, now: float) -> Queued | None:
        """The next pod to try; None when there is none. It stays known until it is put back or removed."""
        self.flush(now)
        while self._active:
            _, _, serial, queued = heapq.heappop(self._active)
            if queued.serial == serial and queued.place is Place.ACTIVE:
                queued.place = Place.POPPED
                queued.attempts += 1
                return queued
        return None

    def unschedulable(self, queued: Queued, plugins: frozenset[str], now: float) -> None:
        """The attempt found no node; `plugins` rejected."""
        queued.plugins = plugins
        queued.since = now
        queued.ready_at = now + self.backoff(queued.attempts)
        queued.place = Place.UNSCHEDULABLE
        self._unschedulable[queued.info.key] = queued
        self._rejected_by.setdefault(plugins, {})[queued.info.key] = queued

    def retry(self, queued: Queued, now: float) -> None:
        """The attempt failed for a reason outside the cluster's state: again after the backoff."""
        queued.ready_at = now + self.backoff(queued.attempts)
        self._back_off(queued)

    def happened(self, event: Event, now: float) -> None:
        """Wake the unschedulable pods that the event may help."""
        for plugins in [plugins for plugins in self._rejected_by if helps(event, plugins)]:
            for queued in list(self._rejected_by[plugins].values()):
                self._wake(queued, now)

    def flush(self, now: float) -> None:
        """Move on whose backoff is over, and who was unschedulable for too long."""
        while self._backoff and self._backoff[0][0] <= now:
            _, serial, queued = heapq.heappop(self._backoff)
            if queued.serial == serial and queued.place is Place.BACKOFF:
                self._activate(queued)
        while self._unschedulable:
            oldest = next(iter(self._unschedulable.values()))
            if oldest.since + self._timeout > now:
                break
            self._wake(oldest, now)

    def next_time(self) -> float | None:
        """When `flush` has something to do at the earliest; None for never."""
        while self._backoff and (
            self._backoff[0][1] != self._backoff[0][2].serial or self._backoff[0][2].place is not Place.BACKOFF
        ):
            heapq.heappop(self._backoff)
        times = [self._backoff[0][0]] if self._backoff else []
        oldest = next(iter(self._unschedulable.values()), None)
        if oldest is not None:
            times.append(oldest.since + self._timeout)
        return min(times, default=None)

    def backoff(self, attempts: int) -> float:
        """Seconds to wait after so many attempts."""
        return float(min(self._initial_backoff * 2.0 ** min(max(attempts - 1, 0), 62), self._max_backoff))

    def _sort_in(self, queued: Queued, now: float) -> None:
        if queued.info.object.get("spec", {}).get("schedulingGates"):
            queued.place = Place.GATED
        else:
            queued.since = now
            self._activate(queued)

    def _wake(self, queued: Queued, now: float) -> None:
        self._leave_unschedulable(queued)
        if queued.ready_at > now:
            self._back_off(queued)
        else:
            self._activate(queued)

    def _leave_unschedulable(self, queued: Queued) -> None:
        key = queued.info.key
        if self._unschedulable.pop(key, None) is not None:
            group = self._rejected_by[queued.plugins]
            del group[key]
            if not group:
                del self._rejected_by[queued.plugins]

    def _activate(self, queued: Queued) -> None:
        queued.place = Place.ACTIVE
        queued.serial = next(self._serial)
        heapq.heappush(self._active, (-queued.info.priority, queued.since, queued.serial, queued))

    def _back_off(self, queued: Queued) -> None:
        queued.place = Place.BACKOFF
        queued.serial = next(self._serial)
        heapq.heappush(self._backoff, (queued.ready_at, queued.serial, queued))
