"""The fake runtime's memory: sandboxes and containers, kept small because there are thousands of them.

A record keeps the few values that CRI can ask for again, not the configuration it was made from.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Mapping
from typing import Any

from actors.clock import Timer
from nodeagent.runtime.fake.stages import Stage
from nodeagent.runtime.model import State
from protos.pool import messages


class FakeSandbox:
    """One sandbox; `ip` is "" in the node's network."""

    __slots__ = (
        "annotations",
        "attempt",
        "containers",
        "created_at",
        "id",
        "ip",
        "labels",
        "log_directory",
        "name",
        "namespace",
        "ready",
        "uid",
    )

    def __init__(self, id: str, config: Any, *, created_at: int, ip: str) -> None:
        self.id = id
        self.name = config.metadata.name
        self.namespace = sys.intern(config.metadata.namespace)
        self.uid = config.metadata.uid
        self.attempt = config.metadata.attempt
        self.labels = small(config.labels)
        self.annotations = small(config.annotations)
        self.log_directory = config.log_directory
        self.created_at = created_at
        self.ip = ip
        self.ready = True
        self.containers: list[FakeContainer] = []


class FakeContainer:
    """One container and the stage that it plays."""

    __slots__ = (
        "annotations",
        "attempt",
        "created_at",
        "exit_code",
        "finished_at",
        "id",
        "image",
        "image_ref",
        "labels",
        "lines",
        "log_path",
        "log_written",
        "message",
        "name",
        "reason",
        "sandbox",
        "stage",
        "started_at",
        "state",
        "timer",
    )

    def __init__(
        self, id: str, sandbox: FakeSandbox, config: Any, *, created_at: int, stage: Stage, image_ref: str
    ) -> None:
        self.id = id
        self.sandbox = sandbox
        self.name = sys.intern(config.metadata.name)
        self.attempt = config.metadata.attempt
        self.image = sys.intern(config.image.user_specified_image or config.image.image)
        self.image_ref = image_ref
        self.labels = small(config.labels)
        self.annotations = small(config.annotations)
        self.log_path = config.log_path
        self.stage = stage
        self.state = State.CREATED
        self.created_at = created_at
        self.started_at = 0
        self.finished_at = 0
        self.exit_code = 0
        self.reason = ""
        self.message = ""
        self.lines: list[tuple[int, str]] = []
        self.log_written = False
        self.timer: Timer | None = None

    def full_log_path(self) -> str:
        """Where the log belongs; "" when the client named no directory."""
        return f"{self.sandbox.log_directory}/{self.log_path}" if self.sandbox.log_directory and self.log_path else ""


def small(source: Mapping[str, str]) -> dict[str, str]:
    """A plain copy whose keys, alike in every pod, are shared."""
    return {sys.intern(key): value for key, value in source.items()}


def sandbox_status(sandbox: FakeSandbox) -> Any:
    """The record as CRI tells it."""
    m = messages("runtime.v1")
    return m.PodSandboxStatus(
        id=sandbox.id,
        metadata=_sandbox_metadata(sandbox),
        state=0 if sandbox.ready else 1,
        created_at=sandbox.created_at,
        network=m.PodSandboxNetworkStatus(ip=sandbox.ip),
        labels=sandbox.labels,
        annotations=sandbox.annotations,
    )


def sandbox_item(sandbox: FakeSandbox) -> Any:
    """The record as a list shows it."""
    return messages("runtime.v1").PodSandbox(
        id=sandbox.id,
        metadata=_sandbox_metadata(sandbox),
        state=0 if sandbox.ready else 1,
        created_at=sandbox.created_at,
        labels=sandbox.labels,
        annotations=sandbox.annotations,
    )


def _sandbox_metadata(sandbox: FakeSandbox) -> Any:
    return messages("runtime.v1").PodSandboxMetadata(
        name=sandbox.name, uid=sandbox.uid, namespace=sandbox.namespace, attempt=sandbox.attempt
    )


def container_status(container: FakeContainer) -> Any:
    """The record as CRI tells it."""
    m = messages("runtime.v1")
    return m.ContainerStatus(
        id=container.id,
        metadata=m.ContainerMetadata(name=container.name, attempt=container.attempt),
        state=int(container.state),
        created_at=container.created_at,
        started_at=container.started_at,
        finished_at=container.finished_at,
        exit_code=container.exit_code,
        image=m.ImageSpec(image=container.image),
        image_ref=container.image_ref,
        reason=container.reason,
        message=container.message,
        labels=container.labels,
        annotations=container.annotations,
        log_path=container.full_log_path(),
    )


def container_item(container: FakeContainer) -> Any:
    """The record as a list shows it."""
    m = messages("runtime.v1")
    return m.Container(
        id=container.id,
        pod_sandbox_id=container.sandbox.id,
        metadata=m.ContainerMetadata(name=container.name, attempt=container.attempt),
        image=m.ImageSpec(image=container.image),
        image_ref=container.image_ref,
        state=int(container.state),
        created_at=container.created_at,
        labels=container.labels,
        annotations=container.annotations,
    )


class Addresses:
    """Hands out the addresses of one range, lowest first after the last given, as host-local IPAM does."""

    def __init__(self, cidr: str) -> None:
        self._use(cidr)

    def _use(self, cidr: str) -> None:
        network = ipaddress.ip_network(cidr)
        self._base = int(network.network_address)
        self._size = network.num_addresses
        self._next = 2  # .0 names the network and .1 is the bridge's
        self._taken: set[int] = set()

    def change(self, cidr: str) -> None:
        """Give out of another range from now on; what was given stays valid."""
        self._use(cidr)

    def take(self) -> str:
        """A free address; "" when there is none."""
        for _ in range(self._size):
            candidate = self._next
            self._next = candidate + 1 if candidate + 2 < self._size else 2
            if candidate not in self._taken and candidate < self._size - 1:
                self._taken.add(candidate)
                return str(ipaddress.ip_address(self._base + candidate))
        return ""

    def give_back(self, address: str) -> None:
        """Make an address free again."""
        if address:
            self._taken.discard(int(ipaddress.ip_address(address)) - self._base)
