"""How often a child may crash, and how long to wait before its next start. Pure: time and chance are passed in.

Two rules work together. The *window* counts restarts of the last ``within`` seconds; one more than ``limit`` is too
many. The *backoff* grows with a failure level that each crash raises by one and that halves every ``half_life`` seconds
of peace, so a child that recovered starts again quickly.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intensity:
    """The restart policy of each child of a supervisor. Times are seconds."""

    limit: int = 5
    """Restarts allowed within the window; 0 allows none."""
    within: float = 30.0
    """Length of the sliding window."""
    first_delay: float = 0.1
    """Wait before the second restart in a row; the first is immediate."""
    factor: float = 2.0
    """Growth of the wait per failure level."""
    max_delay: float = 30.0
    """The longest wait, before jitter."""
    half_life: float = 10.0
    """Time in which the failure level halves."""
    jitter: float = 0.2
    """Share of the wait that chance adds or takes, 0 to 1."""

    def __post_init__(self) -> None:
        if self.limit < 0 or self.within <= 0 or self.half_life <= 0:
            raise ValueError(f"intensity needs limit >= 0, within > 0 and half_life > 0: {self}")
        if self.first_delay < 0 or self.max_delay < 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError(f"intensity needs delays >= 0, factor >= 1 and jitter in 0..1: {self}")


class RestartWindow:
    """The crash history of one child. Children are many and crashes few: until the first, it is next to nothing."""

    __slots__ = ("_intensity", "_last", "_level", "_random", "_seed", "_times")

    def __init__(self, intensity: Intensity, *, seed: str) -> None:
        self._intensity = intensity
        self._seed = seed
        self._random: random.Random | None = None
        self._times: list[float] = []
        self._level = 0.0
        self._last = 0.0

    def crashed(self, now: float) -> float | None:
        """Record a crash; seconds to wait before the restart, or None when the limit is passed."""
        rules = self._intensity
        self._level = self._level * math.pow(0.5, (now - self._last) / rules.half_life) + 1.0
        self._last = now
        self._times = [time for time in self._times if time > now - rules.within]
        if len(self._times) >= rules.limit:
            return None
        self._times.append(now)
        if self._level < 1.5:
            return 0.0
        delay = min(rules.first_delay * math.pow(rules.factor, self._level - 2.0), rules.max_delay)
        if self._random is None:
            self._random = random.Random(self._seed)
        return delay * (1.0 + rules.jitter * self._random.uniform(-1.0, 1.0))
