"""What a controller is asked to do, and what it answers.

A reconciler is given a key and nothing else: it looks at the world as it now is, does what is missing, and returns. It
may be called too often and must then do nothing. What it raises is tried again, the longer the more it fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing left to do until something changes."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Look again after so many seconds (or at the next change, if that is sooner)."""

    seconds: float


Outcome = Done | RequeueAfter
DONE = Done()


class TerminalError(Exception):
    """Trying again would not help (the object itself is wrong): the key rests until it changes."""


class Reconciler(Protocol):
    """One controller's work. An object of it lives as long as one run of the controller."""

    async def reconcile(self, key: str) -> Outcome:
        """Bring the world for this key closer to what it should be.

        key: `namespace/name`, or `name` for cluster-scoped objects, or whatever the mappers made. The object may be
        gone: then there is nothing to do, or something to clean up. No two calls for one key overlap.
        Raises TerminalError to give up; any other exception is retried with back-off.
        """


@runtime_checkable
class Startable(Protocol):
    """A reconciler that has to prepare: called once, after the caches are synced and before the first `reconcile`."""

    async def start(self) -> None:
        """Prepare. What it raises fails the start of the controller."""
