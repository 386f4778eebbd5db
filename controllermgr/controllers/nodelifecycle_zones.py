"""How fast silent nodes may be marked for eviction, zone by zone. Pure.

A zone of which most nodes are silent is more likely cut off than broken, so the more are silent the slower we go; and
when no zone has a ready node left it is more likely we who are cut off, so nothing is evicted at all. States, rates and
thresholds are those of kube-controller-manager's node lifecycle controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Of a zone."""

    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


@dataclass(frozen=True, slots=True)
class Rates:
    """Evicted nodes per second in each zone, and when which rate holds."""

    normal: float = 0.1
    """While most nodes are ready, and when none is but other zones have some (--node-eviction-rate)."""
    partial: float = 0.01
    """While many are not ready, if the zone is large (--secondary-node-eviction-rate); else none is evicted."""
    threshold: float = 0.55
    """The share of nodes not ready from which on they are many (--unhealthy-zone-threshold); three at least."""
    large: int = 50
    """A zone with more nodes is large (--large-cluster-size-threshold)."""

    def state(self, ready: int, silent: int) -> State:
        """Of a zone with so many nodes."""
        if silent and not ready:
            return State.FULL
        many = silent > 2 and silent / (ready + silent) >= self.threshold
        return State.PARTIAL if many else State.NORMAL

    def interval(self, state: State, nodes: int) -> float | None:
        """Seconds between two evictions in a zone of that state and size; None when there is none."""
        rate = self.normal
        if state is State.PARTIAL:
            rate = self.partial if nodes > self.large else 0.0
        return 1.0 / rate if rate > 0 else None


class Zones:
    """All nodes by zone. Times are monotonic seconds."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._zone_of: dict[str, str] = {}
        self._lives_until: dict[str, dict[str, float]] = {}
        self._states: Mapping[str, State] = {}
        self._last: dict[str, float] = {}

    @property
    def states(self) -> Mapping[str, State]:
        """Of each zone, as `look` last found them."""
        return self._states

    @property
    def cut_off(self) -> bool:
        """Whether no zone has a ready node: then it is more likely we who are cut off."""
        return bool(self._states) and all(state is State.FULL for state in self._states.values())

    def set(self, node: str, zone: str, lives_until: float) -> None:
        """A node counts as ready until a time, which is past for one that is not ready."""
        if self._zone_of.get(node, zone) != zone:
            self.remove(node)
        self._zone_of[node] = zone
        self._lives_until.setdefault(zone, {})[node] = lives_until

    def remove(self, node: str) -> None:
        """A node is gone."""
        zone = self._zone_of.pop(node, None)
        if zone is not None:
            del self._lives_until[zone][node]
            if not self._lives_until[zone]:
                del self._lives_until[zone]
                self._last.pop(zone, None)

    def look(self, now: float) -> bool:
        """Bring the states up to date; whether one changed."""
        found: dict[str, State] = {}
        for zone, nodes in self._lives_until.items():
            ready = sum(until > now for until in nodes.values())
            found[zone] = self._rates.state(ready, len(nodes) - ready)
        changed = found != self._states
        self._states = found
        return changed

    def wait(self, node: str, now: float) -> float | None:
        """Seconds until this node may be evicted, 0 for now; None while its zone evicts none."""
        zone = self._zone_of[node]
        interval = self._rates.interval(self._states[zone], len(self._lives_until[zone]))
        if interval is None or self.cut_off:
            return None
        last = self._last.get(zone)
        return 0.0 if last is None else max(last + interval - now, 0.0)

    def evicted(self, node: str, now: float) -> None:
        """The node was marked; the next of its zone has to wait."""
        self._last[self._zone_of[node]] = now
