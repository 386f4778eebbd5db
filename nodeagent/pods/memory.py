"""What only the agent knows of a pod: waits, probe results, and why something does not run.

It is lost when the agent restarts; `adopt` brings back from the pod's status what must not flap (a container that was
ready stays so until its probe says otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeagent.pods.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run: `state.waiting` of its status."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A container that could not be started is not tried again before `until`, in seconds since the epoch."""

    waiting: Waiting
    until: float


@dataclass(slots=True)
class Memory:
    """One pod's. Keys are container names, except where they are container ids."""

    restarts: dict[str, Backoff] = field(default_factory=dict)
    """Waits between restarts, by container name."""
    pulls: dict[str, Backoff] = field(default_factory=dict)
    """Waits between pulls, by image."""
    pull_errors: dict[str, str] = field(default_factory=dict)
    """What the last pull answered, by image."""
    held: dict[str, Hold] = field(default_factory=dict)
    """Containers that could not be started, by container name."""
    started: set[str] = field(default_factory=set)
    """Ids of containers whose startup probe succeeded."""
    ready: set[str] = field(default_factory=set)
    """Ids of containers whose readiness probe succeeds."""
    unhealthy: dict[str, str] = field(default_factory=dict)
    """Ids of containers that must be killed, and the message of the Killing event."""
    hooking: set[str] = field(default_factory=set)
    """Ids of containers whose postStart hook has not returned."""
    phase: str = ""
    """Succeeded or Failed once the agent decided so; nothing of the pod runs again."""
    reason: str = ""
    message: str = ""
    """With `phase`: why, in the pod's status."""

    @property
    def terminal(self) -> bool:
        return self.phase != ""

    def end(self, phase: str, reason: str = "", message: str = "") -> None:
        """Decide that the pod is at its end. The first decision stands."""
        if not self.phase:
            self.phase, self.reason, self.message = phase, reason, message

    def adopt(self, status: Mapping[str, Any]) -> None:
        """Remember what an earlier agent wrote into the pod's status."""
        if status.get("phase") in ("Succeeded", "Failed"):
            self.end(status["phase"], status.get("reason") or "", status.get("message") or "")
        for key in ("initContainerStatuses", "containerStatuses"):
            for each in status.get(key) or ():
                id = str(each.get("containerID") or "").partition("://")[2]
                if not id:
                    continue
                if each.get("started"):
                    self.started.add(id)
                if each.get("ready"):
                    self.ready.add(id)
