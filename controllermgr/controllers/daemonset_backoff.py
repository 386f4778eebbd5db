"""How long a failed daemon is left lying before it is replaced: longer each time it fails on the same node. Pure.

Without this a pod that its node refuses at once would be made and removed as fast as the API can. Numbers: upstream.
"""

from __future__ import annotations

FIRST = 1.0
LAST = 900.0
"""Seconds between the first two replacements on a node, and at most."""


class Backoff:
    """Waits by key. A key that was not replaced for twice the longest wait starts afresh."""

    def __init__(self) -> None:
        self._waits: dict[str, tuple[float, float]] = {}  # key -> (wait, when it began), monotonic seconds

    def due(self, key: str, now: float) -> float:
        """Seconds to wait still; 0 when the pod may be replaced now, which is then noted."""
        known = self._waits.get(key)
        if known is None or now - known[1] > 2 * LAST:
            self._waits[key] = FIRST, now
            return 0.0
        wait, since = known
        left = since + wait - now
        if left > 0:
            return left
        self._waits[key] = min(2 * wait, LAST), now
        return 0.0

    def sweep(self, now: float) -> None:
        """Forget keys that start afresh anyway."""
        self._waits = {key: each for key, each in self._waits.items() if now - each[1] <= 2 * LAST}
