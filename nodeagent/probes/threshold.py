"""From single probe results to a verdict: so many in a row count. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Threshold:
    """The state of one probe of one container. `verdict` is None until so many alike results came in a row."""

    successes: int = 1
    failures: int = 3
    verdict: bool | None = None
    last: bool | None = None
    run: int = 0

    def record(self, ok: bool) -> bool:
        """Add a result; whether the verdict changed."""
        self.run = self.run + 1 if ok == self.last else 1
        self.last = ok
        if self.run < (self.successes if ok else self.failures) or self.verdict == ok:
            return False
        self.verdict = ok
        return True
