"""What the workers of one node's pods share: the node's name and its tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors import Clock
from machinery.client.api import Client
from machinery.controller.recorder import Recorder
from machinery.objects import meta
from machinery.objects import pod as pods
from machinery.objects.quantity import Quantity
from nodeagent.pods import env
from nodeagent.pods.hooks import Hooks
from nodeagent.pods.references import References
from nodeagent.pods.status import NodeFacts
from nodeagent.probes.prober import Prober
from nodeagent.runtime.config import Dns
from nodeagent.runtime.cri import Cri
from nodeagent.runtime.images import Images
from nodeagent.volumes.manager import Volumes

Object = Mapping[str, Any]


@dataclass(slots=True)
class NodeContext:
    """One node of this agent, as its pods see it."""

    name: str
    clock: Clock
    client: Client
    cri: Cri
    images: Images
    volumes: Volumes
    references: References
    prober: Prober
    hooks: Hooks
    recorder: Recorder
    log_root: Path
    files: bool
    """Whether containers read files: volumes, /etc/hosts and termination messages are written then."""
    ended: Callable[[str], None]
    """Called with the id of a container that was seen to have ended: whoever follows its log is told."""
    services: Callable[[], Sequence[Object]]
    """All services, for the variables that tell of them; () when nobody wants those."""
    dns: Dns = field(default_factory=Dns)
    runtime: str = "unknown"
    """The runtime's name in container ids; known once it answered."""
    host_ips: Sequence[str] = ()
    allocatable: Mapping[str, Quantity] = field(default_factory=dict)
    memory_capacity: int = 0

    def facts(self) -> NodeFacts:
        """What of the node shows in a pod's status."""
        return NodeFacts(self.runtime, self.host_ips)

    def sources(self, pod: Object, pod_ips: Sequence[str]) -> env.Sources:
        """Where variables and downward files of a pod come from; references are not fetched yet."""
        return env.Sources(pod=pod, pod_ips=pod_ips, host_ips=self.host_ips, allocatable=self.allocatable)

    def log_directory(self, pod: Object) -> str:
        """Where the runtime writes a pod's logs, in kubelet's layout."""
        return str(self.log_root / f"{meta.namespace(pod)}_{meta.name(pod)}_{meta.uid(pod)}")

    def service_variables(self, pod: Object) -> dict[str, str]:
        """The variables that tell a pod of services."""
        links = pods.spec(pod).get("enableServiceLinks") is not False
        return env.service_variables(self.services(), meta.namespace(pod), links=links)
