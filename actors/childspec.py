"""Child specifications: supervision trees as data (after the OTP design principles, "Supervisor Behaviour")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.actor import Actor


class Restart(Enum):
    """When an actor that ended is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """After a crash, not after a normal end (``finish``)."""
    TEMPORARY = "temporary"
    """Never."""


class Strategy(Enum):
    """Who else is restarted when one child is."""

    ONE_FOR_ONE = "one_for_one"
    """Nobody."""
    ONE_FOR_ALL = "one_for_all"
    """All siblings."""
    REST_FOR_ONE = "rest_for_one"
    """The siblings that were started after it."""


class OnLimit(Enum):
    """What a supervisor does with a child that crashes too often."""

    ESCALATE = "escalate"
    """It crashes itself, and its own supervisor decides."""
    FAIL_CHILD = "fail_child"
    """It gives the child up and goes on with the others."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to start one child and what to do when it ends.

    ``start`` is called for the first start and again for every restart, and returns a new object each time.
    ``shutdown`` is how many seconds the actor gets to finish its message and tear down before it is cancelled.

    A child whose first ``setup`` raises makes its supervisor's start fail when ``on_limit`` is ESCALATE, as in OTP;
    with FAIL_CHILD it counts as a crash, and the others are started meanwhile.
    """

    name: str
    start: Callable[[], Actor]
    restart: Restart = Restart.PERMANENT
    shutdown: float = 5.0
    on_limit: OnLimit = OnLimit.ESCALATE

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a child needs a name")
        if not callable(self.start):
            raise TypeError(f"start of child {self.name!r} must be a function that makes the actor")
        if self.shutdown < 0:
            raise ValueError(f"shutdown of child {self.name!r} must not be negative")


def check_unique(specs: Sequence[ChildSpec]) -> None:
    """Raise ``ValueError`` when two specs have the same name."""
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            raise ValueError(f"two children are named {spec.name!r}")
        seen.add(spec.name)
