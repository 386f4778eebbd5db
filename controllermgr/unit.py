"""The life of a unit, as a table. Pure: nothing here starts or stops anything.

The states and their story are systemd's. An *inactive* unit that is told to start is *activating*: it waits for the
units it comes `after`, then its controller is launched and fills its caches. Once its workers run it is *active*. A
controller that crashes puts its unit in *backoff*, from which it is activated again after a wait that grows; a unit
that was started too often within the start-limit interval is *failed* (`start-limit-hit`) and stays so until somebody
starts it again after `reset-failed`. Told to stop, it is *deactivating* until its last reconcile returned.

               start              ready              stop                 ended
    inactive ─────────► activating ─────► active ──────────► deactivating ─────► inactive
        ▲                 ▲   │ crash        │ crash
        │ stop     elapsed│   ▼              ▼
        └───────────── backoff ◄─────────────┘ ── too often ──► failed ── reset ──► inactive

What a transition calls for is an `Act`; who owns the unit does it and then tells of what follows.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


class State(enum.Enum):
    """systemd's active states, and `backoff` for what it calls activating (auto-restart)."""

    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    DEACTIVATING = "deactivating"
    FAILED = "failed"
    BACKOFF = "backoff"


class Event(enum.Enum):
    """What happens to a unit."""

    START = "start"
    STOP = "stop"
    READY = "ready"
    CRASHED = "crashed"
    ENDED = "ended"
    ELAPSED = "elapsed"
    RESET = "reset-failed"
    LIMIT = "start-limit-hit"


class Act(enum.Enum):
    """What the owner has to do."""

    NOTHING = "nothing"
    LAUNCH = "launch"
    """As soon as the units it comes after have settled."""
    HALT = "halt"
    WAIT = "wait"
    """And tell ELAPSED after `Unit.delay` seconds."""
    CANCEL = "cancel"
    """The wait."""


TABLE: Mapping[tuple[State, Event], tuple[State, Act]] = {
    (State.INACTIVE, Event.START): (State.ACTIVATING, Act.LAUNCH),
    (State.INACTIVE, Event.LIMIT): (State.FAILED, Act.NOTHING),
    (State.FAILED, Event.START): (State.ACTIVATING, Act.LAUNCH),
    (State.FAILED, Event.LIMIT): (State.FAILED, Act.NOTHING),
    (State.FAILED, Event.RESET): (State.INACTIVE, Act.NOTHING),
    (State.ACTIVATING, Event.READY): (State.ACTIVE, Act.NOTHING),
    (State.ACTIVATING, Event.CRASHED): (State.BACKOFF, Act.WAIT),
    (State.ACTIVATING, Event.LIMIT): (State.FAILED, Act.NOTHING),
    (State.ACTIVATING, Event.STOP): (State.DEACTIVATING, Act.HALT),
    (State.ACTIVE, Event.CRASHED): (State.BACKOFF, Act.WAIT),
    (State.ACTIVE, Event.LIMIT): (State.FAILED, Act.NOTHING),
    (State.ACTIVE, Event.STOP): (State.DEACTIVATING, Act.HALT),
    (State.BACKOFF, Event.ELAPSED): (State.ACTIVATING, Act.LAUNCH),
    (State.BACKOFF, Event.LIMIT): (State.FAILED, Act.CANCEL),
    (State.BACKOFF, Event.START): (State.ACTIVATING, Act.LAUNCH),
    (State.BACKOFF, Event.STOP): (State.INACTIVE, Act.CANCEL),
    (State.DEACTIVATING, Event.ENDED): (State.INACTIVE, Act.NOTHING),
    (State.DEACTIVATING, Event.CRASHED): (State.INACTIVE, Act.NOTHING),
}
"""Every other pair changes nothing: starting what is active, stopping what is inactive, news of a former run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When and how often a unit is started again. Seconds; the names are systemd's."""

    start_limit_interval: float = 10.0
    """StartLimitIntervalSec: the window in which starts are counted."""
    start_limit_burst: int = 5
    """StartLimitBurst: starts allowed in the window; 0 allows any number."""
    restart: float = 0.1
    """RestartSec: the wait before the first restart; each further one waits twice as long."""
    restart_max: float = 30.0
    """RestartMaxDelaySec: the longest wait."""
    settled: float = 60.0
    """A unit that was active for so long restarts with the shortest wait again."""


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class Unit:
    """One unit's state and what is told about it. Times are the clock's `now` and `monotonic`."""

    name: str
    enabled: bool
    limits: Limits = DEFAULT_LIMITS
    state: State = State.INACTIVE
    sub_state: str = "dead"
    since: datetime | None = None
    result: str = ""
    last_error: str = ""
    restarts: int = 0
    _starts: deque[float] = field(default_factory=deque)
    _crashes: int = 0
    _active_since: float = 0.0

    def on(self, event: Event, *, now: datetime, at: float) -> Act:
        """Go on with what happened; what the owner has to do."""
        if event is Event.RESET:
            self._starts.clear()
            self._crashes = 0
        if event in (Event.START, Event.ELAPSED) and (self.state, event) in TABLE and not self._may_start(at):
            event = Event.LIMIT
            self.result = "start-limit-hit"
        if (self.state, event) not in TABLE:
            return Act.NOTHING
        former = self.state
        self.state, act = TABLE[self.state, event]
        self.since = now
        match self.state:
            case State.ACTIVATING:
                self._starts.append(at)
                self.restarts += former is State.BACKOFF
                self.sub_state = "start"
                self.result = ""
            case State.ACTIVE:
                self._active_since = at
                self.sub_state = "running"
            case State.BACKOFF:
                if former is State.ACTIVE and at - self._active_since >= self.limits.settled:
                    self._crashes = 0
                self._crashes += 1
                self.sub_state = f"auto-restart in {self.delay:g}s"
            case State.INACTIVE:
                self.sub_state = "dead"
                self.result = "" if event in (Event.RESET, Event.STOP, Event.ENDED) else self.result
            case State.DEACTIVATING:
                self.sub_state = "stop"
            case State.FAILED:
                self.sub_state = "failed"
        return act

    @property
    def delay(self) -> float:
        """Seconds from a crash to the next start."""
        return min(self.limits.restart * 2.0 ** min(self._crashes - 1, 30), self.limits.restart_max)

    def crashed(self, error: str, result: str) -> None:
        """Note what it crashed of; the CRASHED event follows."""
        self.last_error = error
        self.result = result

    def _may_start(self, at: float) -> bool:
        limits = self.limits
        while self._starts and self._starts[0] <= at - limits.start_limit_interval:
            self._starts.popleft()
        return limits.start_limit_burst == 0 or len(self._starts) < limits.start_limit_burst


class OrderingCycle(ValueError):
    """Units come after one another in a circle."""


def check_order(after: Mapping[str, tuple[str, ...]]) -> None:
    """Raise OrderingCycle, naming the circle, when `after` has one. Names that are no unit do not matter."""
    done: set[str] = set()
    for first in after:
        path: list[str] = []
        _visit(first, after, path, done)


def _visit(name: str, after: Mapping[str, tuple[str, ...]], path: list[str], done: set[str]) -> None:
    if name in done:
        return
    if name in path:
        raise OrderingCycle(" after ".join([*path[path.index(name) :], name]))
    path.append(name)
    for other in after.get(name, ()):
        if other in after:
            _visit(other, after, path, done)
    path.pop()
    done.add(name)
