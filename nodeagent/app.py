"""The node agent's supervision tree.

nodeagent                      rest_for_one
├── workspace                  the agent's directory; a temporary one goes with the agent
├── runtimes                   waits until every runtime answers, and learns who it is
├── events                     writes Events
├── informers                  services, for the variables that tell of them
├── ranges                     tells each runtime the range of its pods' addresses
├── nodes                      one_for_one
│   └── NODE                   one_for_one
│       ├── keeper             registration, lease, status
│       ├── pods               one worker per pod
│       ├── runtime-events     what happens to containers
│       ├── garbage            what pods left behind
│       └── logs               rotates logs that have grown (on a real runtime)
├── desired                    one watch of pods for all nodes; starts and feeds the workers
├── tunnel                     questions of users, through the apiserver
└── rotation                   renews the agent's client certificate, when it has one in a file
"""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from actors import Actor, ChildSpec, Clock, Strategy, Supervisor
from machinery.client.api import Client
from machinery.client.resources import SERVICES
from machinery.controller.recorder import Events
from machinery.informer.informer import Informers
from machinery.rpc import Channel, LocalChannel, RpcError
from nodeagent.config import Config
from nodeagent.node import facts
from nodeagent.node import object as objects
from nodeagent.node.keeper import NodeKeeper
from nodeagent.node.ranges import PodRanges
from nodeagent.node.rotation import Rotation
from nodeagent.pods.context import NodeContext
from nodeagent.pods.desired import DesiredPods, Latest, NodePods
from nodeagent.pods.events_generator import RuntimeEvents
from nodeagent.pods.garbage import Garbage
from nodeagent.pods.hooks import Hooks
from nodeagent.pods.logrotate import LogRotation
from nodeagent.pods.references import References
from nodeagent.probes.network import FakeNetwork, HostNetwork, Network
from nodeagent.probes.prober import Prober
from nodeagent.runtime.config import Dns
from nodeagent.runtime.cri import Cri
from nodeagent.runtime.fake import FakeRuntime
from nodeagent.runtime.fake import stages as fake_stages
from nodeagent.runtime.images import Images
from nodeagent.tunnel.client import CertificateRenewed, TunnelClient
from nodeagent.tunnel.logs import Logs
from nodeagent.volumes.manager import Volumes

RANGE_BITS = 10
"""Bits of a fake node's range of pod addresses: 1,022 pods."""


class NodeAgent:
    """One agent with its nodes.

    tunnel_channel: to the apiserver's Tunnel service; None for an agent that nobody asks anything.
    runtime_channel: to a CRI v1 runtime that is used as if it were real, whatever `config.runtime` says; with None, a
    `fake` runtime is made for each node in this process and another address is dialled.
    certificate: the file that holds the agent's client certificate and key, to be renewed before it runs out; None
    leaves that to somebody else. The agent then has one node, whose certificate it is.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        client: Client,
        tunnel_channel: Channel | None = None,
        runtime_channel: Channel | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.config = config
        self._certificate = certificate
        self._tree: Supervisor | None = None
        self.node_names = config.names()
        self._clock = clock
        self._client = client
        self._tunnel_channel = tunnel_channel
        self._temporary = not config.root_dir
        self._root = Path(config.root_dir or f"{tempfile.gettempdir()}/pilothouse-agent-{uuid.uuid4().hex[:12]}")
        self._real = runtime_channel is not None or config.runtime != "fake"
        self.fakes: dict[str, FakeRuntime] = {}
        """The fake runtime of each node; empty on a real one."""
        self._slots = slots(self.node_names)
        self._latest = Latest()
        self._informers = Informers(client)
        self._events = Events(client)
        references = References(client, clock)
        self._nodes = {name: NodePods(self._context(name, runtime_channel, references)) for name in self.node_names}
        self._registered = {name: asyncio.Event() for name in self.node_names}

    def services(self) -> Mapping[str, object]:
        """The agent serves nobody: it is asked through the tunnel that it dials."""
        return {}

    def context(self, name: str) -> NodeContext:
        """One node as its pods see it. Raises KeyError."""
        return self._nodes[name].context

    async def ready(self) -> None:
        """Return when all nodes are registered."""
        for registered in self._registered.values():
            await registered.wait()

    def spec(self) -> ChildSpec:
        """The tree of the module's picture."""
        latest = self._latest
        services = self._informers.of(SERVICES)
        contexts = {name: node.context for name, node in self._nodes.items()}

        def runtimes() -> Actor:
            return _Runtimes(self, [services] if self.config.service_variables else [])

        children = [
            ChildSpec("workspace", lambda: _Workspace(self._root, temporary=self._temporary)),
            ChildSpec("runtimes", runtimes),
            self._events.spec(),
            self._informers.spec(),
            ChildSpec("ranges", lambda: PodRanges(self._client, {name: each.cri for name, each in contexts.items()})),
            ChildSpec("nodes", lambda: Supervisor([self._node_spec(name) for name in self.node_names])),
            ChildSpec("desired", lambda: DesiredPods(self._client, self._nodes, latest)),
        ]
        channel = self._tunnel_channel
        if channel is not None:
            children.append(ChildSpec("tunnel", lambda: TunnelClient(channel, self.node_names, Logs(contexts, latest))))
        if self._certificate is not None:
            children.append(ChildSpec("rotation", partial(self._rotation, self._certificate)))

        def root() -> Supervisor:
            self._tree = Supervisor(children, strategy=Strategy.REST_FOR_ONE)
            return self._tree

        return ChildSpec("nodeagent", root)

    def _rotation(self, certificate: Path) -> Actor:
        return Rotation(self._client, self.node_names[0], certificate, renewed=self._certificate_renewed)

    def _certificate_renewed(self) -> None:
        if self._tunnel_channel is not None and self._tree is not None:
            self._tree.child("tunnel").tell_nowait(CertificateRenewed())

    def _node_spec(self, name: str) -> ChildSpec:
        node = self._nodes[name]
        context = node.context

        def keeper() -> Actor:
            return NodeKeeper(
                name,
                self._machine(name),
                config=self.config,
                client=self._client,
                cri=context.cri,
                recorder=context.recorder,
                root=self._root if self._real else None,
                registered=self._registered[name].set,
            )

        def children() -> Actor:
            specs = [
                ChildSpec("keeper", keeper),
                node.spec(),
                ChildSpec("runtime-events", lambda: RuntimeEvents(context.cri, self._latest.runtime_changed)),
                ChildSpec("garbage", lambda: Garbage(context, self._latest, self._root)),
            ]
            if self._real:
                specs.append(ChildSpec("logs", lambda: LogRotation(context)))
            return Supervisor(specs)

        return ChildSpec(name, children)

    def _context(self, name: str, runtime_channel: Channel | None, references: References) -> NodeContext:
        config, clock = self.config, self._clock
        network: Network = HostNetwork(clock)
        channel = runtime_channel
        if channel is None and config.runtime == "fake":
            fake = self.fakes[name] = FakeRuntime(
                clock,
                pod_cidr=pod_range(config.pod_cidr, self._slots[name]),
                stages=[stage for document in config.stages for stage in fake_stages.load(document)],
                mountpoint=str(self._root),
            )
            channel = LocalChannel(fake.services(), clock=clock)
            network = FakeNetwork(fake)
        elif channel is None:
            from machinery.rpc.grpc_channel import GrpcChannel

            channel = GrpcChannel(config.runtime)
        cri = Cri(channel)
        store = self._informers.store(SERVICES)
        return NodeContext(
            name=name,
            clock=clock,
            client=self._client,
            cri=cri,
            images=Images(cri, references, clock),
            volumes=Volumes(client=self._client, references=references, clock=clock, root=self._root, files=self._real),
            references=references,
            prober=Prober(cri, network, clock),
            hooks=Hooks(cri, network, clock),
            recorder=self._events.recorder("kubelet", host=name),
            log_root=Path(config.log_dir) if config.log_dir else self._root / "logs",
            files=self._real,
            ended=self._latest.ended,
            services=(lambda: tuple(store.values())) if config.service_variables else tuple,
            dns=Dns(servers=tuple(config.cluster_dns), domain=config.cluster_domain),
        )

    def _machine(self, name: str) -> facts.Machine:
        """What the node's machine has; asked again whenever the keeper starts."""
        config, runtime = self.config, self._runtime_text[name]
        index = self.node_names.index(name)
        if self._real:
            capacity, info = facts.host_capacity(self._root), facts.host_info(runtime)
            address = facts.host_address()
        else:
            capacity, info = dict(facts.FAKE_CAPACITY), facts.fake_info(name, runtime)
            address = facts.fake_address(self._slots[name])
        if index < len(config.node_ips):
            address = config.node_ips[index]
        capacity = {**capacity, "pods": str(config.max_pods), **config.capacity}
        hostname = config.hostname if config.hostname and len(self.node_names) == 1 else name
        return facts.Machine(capacity=capacity, info=info, addresses=(address,), hostname=hostname)

    async def meet_runtimes(self) -> None:
        """Learn each runtime's name, which every pod's status shows. Raises RpcError while one does not answer."""
        self._runtime_text: dict[str, str] = {}
        for name, node in self._nodes.items():
            version = await node.context.cri.version()
            self._runtime_text[name] = f"{version.name}://{version.version}"
            machine = self._machine(name)
            context = node.context
            context.runtime = version.name
            context.host_ips = machine.addresses
            context.allocatable = objects.allocatable(machine)
            context.memory_capacity = context.allocatable["memory"].nano // 10**9

    async def sync(self, informers: Sequence[Any]) -> None:
        """Wait for caches that pods need before they start."""
        await self._informers.sync(*informers)


class _Runtimes(Actor):
    """Holds up the rest of the tree until every runtime answers."""

    def __init__(self, agent: NodeAgent, informers: Sequence[Any]) -> None:
        self._agent = agent
        self._informers = informers

    async def setup(self) -> None:
        while True:
            try:
                await self._agent.meet_runtimes()
                break
            except RpcError as error:
                self.log.warning("runtime does not answer, trying again error=%s", error)
            await self.clock.sleep(1.0)
        if self._informers:
            self.spawn(self._agent.sync(self._informers), name="sync")


class _Workspace(Actor):
    """The agent's directory. A temporary one is made by whoever first writes into it, and removed here."""

    def __init__(self, root: Path, *, temporary: bool) -> None:
        self._root = root
        self._temporary = temporary

    async def setup(self) -> None:
        if not self._temporary:
            with self.clock.external("make directory"):
                await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)

    async def teardown(self) -> None:
        if self._temporary:
            with self.clock.external("remove directory"):
                await asyncio.to_thread(shutil.rmtree, self._root, ignore_errors=True)


def slots(names: Sequence[str]) -> dict[str, int]:
    """A number for each node, below 8192, the same for the same name wherever it runs; neighbours on a collision.

    Agents know nothing of each other, and their fake nodes should still differ in addresses."""
    taken: dict[int, str] = {}
    for name in names:
        slot = zlib.crc32(name.encode()) % 8192
        while slot in taken:
            slot = (slot + 1) % 8192
        taken[slot] = name
    return {name: slot for slot, name in taken.items()}


def pod_range(cidr: str, slot: int) -> str:
    """The part of the cluster's range that a fake node uses."""
    network = ipaddress.ip_network(cidr)
    if network.max_prefixlen - network.prefixlen <= RANGE_BITS:
        return cidr
    parts = 1 << (network.max_prefixlen - network.prefixlen - RANGE_BITS)
    first = network.network_address + (slot % parts << RANGE_BITS)
    return f"{first}/{network.max_prefixlen - RANGE_BITS}"
