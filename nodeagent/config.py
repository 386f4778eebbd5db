"""What a node agent is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from machinery.objects.names import is_dns_subdomain


@dataclass(frozen=True, slots=True)
class Config:
    """One agent. It carries one node on a real runtime, or any number on the fake one."""

    nodes: int | Sequence[str] = 1
    """Names of the nodes, or how many of them; counted ones are named `NAME_PREFIX-1`, `-2`, …"""
    name_prefix: str = "node"
    """See `nodes`."""
    runtime: str = "fake"
    """`fake`, or the address of a CRI v1 socket: `unix:///run/containerd/containerd.sock`."""
    root_dir: str = ""
    """Where volumes, logs and termination messages are written. "": a temporary directory, made when first needed."""
    log_dir: str = ""
    """Where the runtime writes logs; "" is `ROOT_DIR/logs`."""
    node_ips: Sequence[str] = ()
    """The nodes' addresses, one each. Empty: the address of the host's default route; made-up ones for fake nodes."""
    hostname: str = ""
    """The `kubernetes.io/hostname` label and Hostname address of a single node; "" is the node's name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that every node registers with, besides those that kubelet sets."""
    taints: Sequence[Mapping[str, str]] = ()
    """Taints that every node registers with: key, value, effect."""
    capacity: Mapping[str, str] = field(default_factory=dict)
    """Overrides of what a node has (`cpu`, `memory`, `ephemeral-storage`, `pods`, extended resources)."""
    max_pods: int = 110
    """Pods a node takes; kubelet's default."""
    pod_cidr: str = "10.128.0.0/9"
    """Where fake nodes get their ranges for pod addresses from, one of 1,022 addresses each."""
    cluster_dns: Sequence[str] = ()
    """Name servers of pods with dnsPolicy ClusterFirst; none leaves them the node's."""
    cluster_domain: str = "cluster.local"
    """The domain of services."""
    stages: Sequence[Mapping[str, Any]] = ()
    """Parsed stage files of the fake runtime; they come before its default stages."""
    lease_seconds: float = 40.0
    """How long a node's lease is good for. It is renewed four times as often."""
    status_seconds: float = 10.0
    """How often a node looks at itself; what changed is reported at once."""
    report_seconds: float = 300.0
    """How often a node's status is reported although nothing changed."""
    service_variables: bool = True
    """Whether containers get the environment variables that tell of services."""

    def names(self) -> tuple[str, ...]:
        """The nodes' names. Raises ValueError for none, a name twice, one that no Node can have, or more than one on a
        real runtime."""
        if isinstance(self.nodes, int):
            found = tuple(f"{self.name_prefix}-{index + 1}" for index in range(self.nodes))
        else:
            found = tuple(self.nodes)
        if not found or len(set(found)) != len(found):
            raise ValueError(f"an agent needs nodes with distinct names, not {list(found)}")
        for name in found:
            if problems := is_dns_subdomain(name):
                raise ValueError(f'node name: Invalid value: "{name}": {"; ".join(problems)}')
        if self.runtime != "fake" and len(found) > 1:
            raise ValueError("an agent on a real runtime is one node")
        return found
