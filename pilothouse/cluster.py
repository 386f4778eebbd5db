"""`Cluster`: a whole Kubernetes cluster in this process and on this event loop.

    async with Cluster(nodes=3) as cluster:
        await cluster.nodes_ready()
        client = cluster.client()
        await client.create(PODS, pod, namespace="default")

etcdlite, apiserver, controllermgr, scheduler and nodeagent are the same objects that run as processes elsewhere; here
they talk through in-process channels that pass the same messages. Nothing is global: any number of clusters live side
by side. With `Listen` the cluster is reached from outside as well: REST for kubectl, gRPC for pilot, etcd v3.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from actors import ChildSpec, Clock, Supervisor, System, SystemClock, VirtualClock
from apiserver.app import ApiServer
from apiserver.auth.config import AuthConfig
from apiserver.config import Config as ApiConfig
from apiserver.storage.keys import DEFAULT_PREFIX
from apiserver.storage.servers import EtcdServers
from controllermgr.app import ControllerManager
from controllermgr.config import Config as ControllerConfig
from etcdlite.app import EtcdLite
from etcdlite.config import Config as StoreConfig
from machinery.client.grpc import ApiClient
from machinery.client.resources import NODES
from machinery.client.watch import states
from machinery.objects import conditions
from machinery.rpc import LocalChannel, Peer
from machinery.rpc.inspect import INSPECT, InspectService
from machinery.rpc.restricted import Restricted
from pilothouse.credentials import ADMIN, ADMIN_GROUP, Credentials
from pilothouse.entry import KubeConfigEntry
from pilothouse.holding import Holding

if TYPE_CHECKING:
    from actors.tree import Node
    from etcdlite.store.export import Export
    from machinery.controller.spec import ControllerSpec
    from machinery.rpc.api import Channel
    from nodeagent.app import NodeAgent
    from scheduler.app import Scheduler

CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
AGENT = "pilothouse:node-agent"
LOOPBACK = "127.0.0.1"
ANY = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a cluster is reached from outside its process. Port 0 is any free one."""

    host: str = LOOPBACK
    """A name or an address, IPv6 without brackets."""
    port: int = 0
    """REST over TLS, for kubectl."""
    grpc_port: int = 0
    """gRPC over TLS, for clients with a certificate."""
    grpc_token_port: int = 0
    """gRPC over TLS, for clients with a bearer token and no certificate."""
    etcd_port: int | None = None
    """etcd v3 over plain gRPC, for etcdctl; on the loopback address. None: not served."""
    names: Sequence[str] = ()
    """Further names and addresses that the serving certificate is for."""


class Cluster:
    """A cluster that starts with `async with` (or `start`) and leaves nothing behind at the end.

    name: the cluster's name in its kubeconfig.
    nodes: how many fake nodes (`node-1`, ...), or their names.
    data_dir: where the store and the certificates are kept; None keeps everything in memory.
    clock: a `VirtualClock` to move time by hand.
    controllers: which loops run, as kube-controller-manager's flag: ("*", "-job").
    extra_controllers: further loops beside the registered ones.
    scheduler, agents: False leaves the scheduler out, or the nodes' agents (then `nodes` is not used).
    listen: where the cluster is reached from outside; None opens no socket.
    etcd: a channel to another store that speaks etcd v3; None runs etcdlite.
    etcd_servers: that store by its members' URLs, comma-separated or with their TLS files; not beside `etcd`.
    etcd_prefix: what the keys begin with in the store: clusters under different ones may share it.
    holder: this process's name for itself, the same for all its lives; with one, `start` raises
        `holding.StoreTaken` while a process of another name runs a cluster on the same keys. "" neither asks nor tells.
    seed: what a store in memory starts from, as `export` of another cluster gave it.
    """

    def __init__(
        self,
        *,
        name: str = "pilothouse",
        nodes: int | Sequence[str] = 1,
        data_dir: str | pathlib.Path | None = None,
        clock: Clock | None = None,
        controllers: Sequence[str] = ("*",),
        extra_controllers: Sequence[ControllerSpec] = (),
        scheduler: bool = True,
        agents: bool = True,
        listen: Listen | None = None,
        etcd: Channel | None = None,
        etcd_servers: str | EtcdServers | None = None,
        etcd_prefix: str = DEFAULT_PREFIX,
        holder: str = "",
        seed: Export | None = None,
    ) -> None:
        """Raises ValueError for bad `etcd_servers` or `etcd_prefix`, TlsError for bad TLS files of theirs."""
        if etcd is not None and etcd_servers is not None:
            raise ValueError("either etcd or etcd_servers")
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self.node_names = [f"node-{number + 1}" for number in range(nodes)] if isinstance(nodes, int) else list(nodes)
        self._data_dir = pathlib.Path(data_dir) if data_dir is not None else None
        self._listen = listen
        self._again: dict[str, Any] = {
            "name": name,
            "nodes": self.node_names,
            "controllers": controllers,
            "extra_controllers": extra_controllers,
            "scheduler": scheduler,
            "agents": agents,
            "etcd_prefix": etcd_prefix,
        }
        self._credentials: Credentials | None = None
        self._etcd_prefix = etcd_prefix
        self._own_channel: Channel | None = None
        if etcd_servers is not None:
            servers = (
                EtcdServers.parse(etcd_servers, flag="etcd_servers") if isinstance(etcd_servers, str) else etcd_servers
            )
            etcd = self._own_channel = servers.channel(self.clock)
        self.store = EtcdLite(self._store_config(), clock=self.clock, seed=seed) if etcd is None else None
        channel = LocalChannel(self.store.services(), clock=self.clock) if self.store is not None else etcd
        assert channel is not None, "either a channel was given or a store was made"
        self._holding = Holding(channel, prefix=etcd_prefix, holder=holder, clock=self.clock) if holder else None
        self._system: System | None = None
        inspect = InspectService(self.tree)
        beside = {
            INSPECT: Restricted(INSPECT, lambda: inspect),
            "pilot.v1.Units": Restricted("pilot.v1.Units", lambda: self.controllers.services()["pilot.v1.Units"]),
        }
        self.api = ApiServer(self._api_config(), clock=self.clock, etcd=channel, beside=beside)
        self.controllers = ControllerManager(
            self._controller_config(controllers),
            clock=self.clock,
            client=self.client(user=CONTROLLER_MANAGER, groups=()),
            extra=extra_controllers,
        )
        self.scheduler = self._make_scheduler() if scheduler else None
        self.agent = self._node_agent() if agents and self.node_names else None

    async def start(self) -> None:
        """Start everything; returns when the API answers. Raises what a component could not start for."""
        self._system = System(self.spec(), clock=self.clock, name=self.name)
        await self._system.start()
        await self.api.ready()

    async def stop(self) -> None:
        """Stop everything in order. May be called repeatedly."""
        if self._system is not None:
            await self._system.stop()
        if self._own_channel is not None:
            await self._own_channel.close()

    async def wait(self) -> None:
        """Until the cluster has ended; raises what ended it. Raises RuntimeError before `start`."""
        if self._system is None:
            raise RuntimeError("the cluster has not been started")
        await self._system.wait()

    def spec(self) -> ChildSpec:
        """The whole tree, for who runs it under a system of their own."""
        parts = (self.store, self._holding, self.api, self.controllers, self.scheduler, self.agent)
        children = [part.spec() for part in parts if part is not None]
        return ChildSpec(self.name, lambda: Supervisor(children))

    def channel(self, *, user: str = ADMIN, groups: Sequence[str] = (ADMIN_GROUP,)) -> LocalChannel:
        """An in-process channel to every service of the API server, as `user`."""
        return LocalChannel(self.api.services(), peer=Peer(user, tuple(groups)), clock=self.clock)

    def client(self, *, user: str = ADMIN, groups: Sequence[str] = (ADMIN_GROUP,)) -> ApiClient:
        """An in-process client; by default the administrator's."""
        return ApiClient(self.channel(user=user, groups=groups), user_agent=user.rpartition(":")[2])

    async def nodes_ready(self) -> None:
        """Return when every node of this cluster's agent is Ready."""
        waiting = set(self.node_names) if self.agent is not None else set()
        if not waiting:
            return
        async with contextlib.aclosing(states(self.client(), NODES, clock=self.clock)) as nodes:
            async for node in nodes:
                if conditions.is_true(node, "Ready"):
                    waiting.discard(node["metadata"]["name"])
                if not waiting:
                    return

    @property
    def authority(self) -> str:
        """The certificate (PEM) that this cluster's API is trusted by."""
        return self._secrets().ca.decode()

    def tree(self) -> Node:
        """Every actor at this moment. Raises RuntimeError before `start`."""
        if self._system is None:
            raise RuntimeError("the cluster has not been started")
        return self._system.tree()

    def entry(self) -> KubeConfigEntry:
        """The administrator's kubeconfig entry. Raises RuntimeError for a cluster that does not listen."""
        if self._listen is None or self._credentials is None:
            raise RuntimeError("the cluster does not listen: Cluster(listen=Listen())")
        host = _bracketed({"0.0.0.0": LOOPBACK, "::": "::1"}.get(self._listen.host, self._listen.host))

        def reached(listener: str) -> str:
            return f"{host}:{self.api.grpc_addresses[listener].rpartition(':')[2]}"

        return KubeConfigEntry.admin(
            self.name,
            server=f"https://{host}:{self.api.rest_port}",
            grpc=reached("grpc"),
            grpc_tokens=reached("grpc-tokens"),
            credentials=self._credentials,
        )

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig document that reaches this cluster as its administrator. Raises RuntimeError, as `entry`."""
        return self.entry().document()

    async def export(self) -> Export:
        """Everything the store holds, for `Cluster(seed=...)`. Raises RuntimeError when the store is not etcdlite."""
        if self.store is None:
            raise RuntimeError("the store is not etcdlite")
        return await self.store.export()

    async def fork(self, *, clock: Clock | None = None) -> Cluster:
        """Another cluster, not started yet, that begins with what this one holds now and then goes its own way."""
        return Cluster(**self._again, clock=clock, seed=await self.export())

    async def advance(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Let virtual time pass. Raises RuntimeError on a clock that is not virtual."""
        await self._virtual().advance(seconds=seconds, minutes=minutes, hours=hours)

    async def settle(self) -> None:
        """Return when everything waits for time or for the outside. Raises RuntimeError as `advance`."""
        await self._virtual().settle()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _virtual(self) -> VirtualClock:
        if not isinstance(self.clock, VirtualClock):
            raise RuntimeError("only a VirtualClock can be moved: Cluster(clock=VirtualClock())")
        return self.clock

    def _store_config(self) -> StoreConfig:
        listen = self._listen
        urls = (f"http://{LOOPBACK}:{listen.etcd_port}",) if listen and listen.etcd_port is not None else ()
        data_dir = str(self._data_dir / "etcd") if self._data_dir else None
        return StoreConfig(data_dir=data_dir, listen_client_urls=urls)

    def _api_config(self) -> ApiConfig:
        listen = self._listen
        if listen is None:
            return ApiConfig(
                auth=AuthConfig(service_account_key=self._secrets().service_account_key), etcd_prefix=self._etcd_prefix
            )
        credentials = self._secrets()
        return ApiConfig(
            bind_address=listen.host,
            secure_port=listen.port,
            grpc_address=f"{_bracketed(listen.host)}:{listen.grpc_port}",
            grpc_token_address=f"{_bracketed(listen.host)}:{listen.grpc_token_port}",
            tls_cert=credentials.serving.certificate,
            tls_key=credentials.serving.key,
            client_ca=credentials.ca,
            auth=AuthConfig(service_account_key=credentials.service_account_key),
            etcd_prefix=self._etcd_prefix,
        )

    def _controller_config(self, controllers: Sequence[str]) -> ControllerConfig:
        credentials = self._secrets()
        return ControllerConfig(
            controllers=tuple(controllers),
            root_ca=credentials.ca.decode(),
            cluster_signing_cert=credentials.ca.decode(),
            cluster_signing_key=credentials.authority.pair.key.decode(),
        )

    def _secrets(self) -> Credentials:
        if self._credentials is None:
            names = [LOOPBACK, "::1", "localhost"]
            if self._listen is not None:
                names += [name for name in (self._listen.host, *self._listen.names) if name not in (*names, *ANY)]
            now = self.clock.now()
            self._credentials = (
                Credentials.load_or_create(self._data_dir / "pki", names=names, now=now)
                if self._data_dir
                else Credentials.create(names=names, now=now)
            )
        return self._credentials

    def _make_scheduler(self) -> Scheduler:
        from scheduler.app import Scheduler  # imports NumPy, which a cluster without a scheduler does not need
        from scheduler.config import Config as SchedulerConfig

        return Scheduler(SchedulerConfig(), clock=self.clock, client=self.client(user=SCHEDULER, groups=()))

    def _node_agent(self) -> NodeAgent:
        from nodeagent.app import NodeAgent
        from nodeagent.config import Config as AgentConfig

        return NodeAgent(
            AgentConfig(nodes=tuple(self.node_names)),
            clock=self.clock,
            client=self.client(user=AGENT),
            tunnel_channel=self.channel(user=AGENT),
        )


def _bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
