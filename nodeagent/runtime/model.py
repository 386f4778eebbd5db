"""What the runtime says of a pod, as plain values: the half of the truth that does not come from the API.

CRI messages stop at `runtime/cri.py`; what is above it (plan, status, worker) reads these. Times are nanoseconds since
the epoch as in CRI, 0 for "not yet".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.IntEnum):
    """A container's state, with CRI's numbers."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Container:
    """One container, dead or alive. `attempt` is its restart count; `image_id` what the image resolved to."""

    id: str
    name: str
    sandbox_id: str
    attempt: int = 0
    state: State = State.CREATED
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_id: str = ""
    log_path: str = ""
    hash: str = ""
    """What the container was made from (`plan.spec_hash`); "" when somebody else made it."""
    message_file: str = ""
    """The host's file behind terminationMessagePath; "" without one."""

    @property
    def running(self) -> bool:
        return self.state is State.RUNNING

    @property
    def exited(self) -> bool:
        return self.state is State.EXITED

    @property
    def failed(self) -> bool:
        """Ended in any way but exit code 0; an unknown state counts, as nobody can vouch for it."""
        return self.state is State.UNKNOWN or (self.exited and self.exit_code != 0)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One sandbox. `ips` is empty for one in the node's network; its addresses are the node's."""

    id: str
    attempt: int = 0
    ready: bool = True
    created_at: int = 0
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything the runtime still knows of one pod, newest first."""

    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Container, ...] = ()

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest sandbox; None before the first."""
        return self.sandboxes[0] if self.sandboxes else None

    def latest(self, name: str) -> Container | None:
        """The newest container of that name; None when there was none, or its trace is gone."""
        for container in self.containers:
            if container.name == name:
                return container
        return None

    def of(self, name: str) -> list[Container]:
        """All containers of that name, newest first."""
        return [container for container in self.containers if container.name == name]

    def running(self) -> list[Container]:
        """All that run."""
        return [container for container in self.containers if container.running]


NOTHING = Observed()


@dataclass(frozen=True, slots=True)
class PodRef:
    """Whose a sandbox is, by the labels that the agent gave it."""

    uid: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Image:
    """One image on the node. `id` is what containers are made from, `digest` what status shows when there is one."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: str = ""
    pinned: bool = False

    @property
    def reference(self) -> str:
        """What `imageID` of a container status says: the repository's digest, or the id of an image without one."""
        return self.digests[0] if self.digests else self.id


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command inside a container ended."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
