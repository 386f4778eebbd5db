"""How long to wait before a container is started, or an image pulled, again. Pure: time is passed in, in seconds.

Kubelet's rule (client-go `flowcontrol.Backoff`): the first try after a failure is immediate, then 10 s, doubling to 5
minutes; twice the longest wait of peace starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 10.0
LONGEST = 300.0


@dataclass(slots=True)
class Backoff:
    """The wait of one thing. `delay` 0 means that it has not failed yet."""

    delay: float = 0.0
    updated: float = 0.0

    def left(self, since: float, now: float) -> float:
        """Seconds still to wait after a failure at `since`; 0 when it may be tried now."""
        if self.delay == 0 or since - self.updated > 2 * LONGEST:
            return 0.0
        return max(0.0, since + self.delay - now)

    def grow(self, since: float, now: float) -> None:
        """It is tried now, after a failure at `since`: the next wait is longer."""
        fresh = self.delay == 0 or since - self.updated > 2 * LONGEST
        self.delay = FIRST if fresh else min(2 * self.delay, LONGEST)
        self.updated = now
