"""The supervision tree of one API server, and how its parts are put together.

apiserver          one for one
  feed             the watch of the store that fills the caches
  compactor        discards old history of the store
  bootstrap        what every cluster begins with
  roles            the default roles and the sums of roles
  definitions      turns CustomResourceDefinitions into served resources
  tunnels          one receiver per connected node agent
  grpc, grpc-tokens, rest   the listeners that are configured
  ready            says that the others run
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import ip_network
from random import Random
from typing import TYPE_CHECKING, Any

from actors import Actor, ChildSpec, Clock, DynamicSupervisor, Supervisor
from apiserver.admission import registry as admission
from apiserver.auth.bootstrap.keeper import RoleKeeper
from apiserver.auth.service import Auth
from apiserver.bootstrap.actor import Bootstrap
from apiserver.bootstrap.objects import advertised
from apiserver.bootstrap.writer import SystemWriter
from apiserver.config import Config
from apiserver.crds.actor import Definitions
from apiserver.documents.discovery import Discovery
from apiserver.documents.health import Health
from apiserver.documents.metrics import Metrics
from apiserver.documents.openapi import OpenApi
from apiserver.documents.service import Documents
from apiserver.grpc.identity import identify
from apiserver.grpc.service import ApiService
from apiserver.resources.lookup import Resources
from apiserver.resources.registry import RESOURCES
from apiserver.storage.caches import WatchCaches
from apiserver.storage.compactor import Compactor
from apiserver.storage.etcd import EtcdClient
from apiserver.storage.feed import Feed
from apiserver.storage.store import Store
from apiserver.tunnel.hub import TunnelHub
from apiserver.tunnel.service import TunnelService
from apiserver.verbs.parts import Parts
from apiserver.verbs.schemas import Schemas
from apiserver.verbs.service import VerbService
from machinery.errors import ApiError
from machinery.pki.tls import Held, Identity, reloading_server_credentials
from machinery.rpc.api import Channel, Code, RpcError

if TYPE_CHECKING:
    from apiserver.rest.server import RestServer


HEALTH_SECONDS = 2.0
"""How long the store may take to answer for the server to be healthy: kube-apiserver's --etcd-healthcheck-timeout."""


class Announce(Actor):
    """The last child: once it starts, everything before it has."""

    def __init__(self, started: asyncio.Event) -> None:
        self._started = started

    async def setup(self) -> None:
        self._started.set()

    async def teardown(self) -> None:
        self._started.clear()


class ApiServer:
    """An API server over a store that speaks etcd v3. Without addresses in its configuration it opens no socket."""

    def __init__(
        self, config: Config, *, clock: Clock, etcd: Channel, beside: Mapping[str, object] | None = None
    ) -> None:
        """beside: further services that the gRPC listener serves; they look after their callers' rights themselves.

        Raises ValueError for a configuration that contradicts itself."""
        ip_network(config.service_cluster_ip_range)
        self.config = config
        self.resources = Resources(RESOURCES.values())
        randomness = Random(config.seed)
        client = EtcdClient(etcd, clock, prefix=config.etcd_prefix)
        self.caches = WatchCaches(client, self.resources, clock)
        store = Store(client, self.caches, lifetimes={"events": config.event_ttl})
        self.auth = Auth(config.auth, caches=self.caches, clock=clock)
        # All caches are loaded from the start, those that decisions read first: a watch may begin at the version of any
        # object that was written since.
        for resource in dict.fromkeys((*admission.READS, *RESOURCES)):
            if RESOURCES[resource].storage:
                self.caches.keep(resource)
        self._hub = TunnelHub()
        around = admission.Surroundings(config, clock, self.caches, self.resources, self.auth.authorizer, randomness)
        parts = Parts(
            clock=clock,
            resources=self.resources,
            store=store,
            caches=self.caches,
            schemas=Schemas(),
            authorizer=self.auth.authorizer,
            guard=self.auth.guard,
            reviews=self.auth.reviews,
            admission=admission.chain(around),
            nodes=self._hub,
            randomness=randomness,
        )
        self.verbs = VerbService(parts)
        self._clock = clock
        self._identity = Held(Identity(config.tls_cert, config.tls_key, config.client_ca))
        self._etcd = client
        self._store = store
        self._writer = SystemWriter(store, self.resources, clock, randomness)
        self._streams: DynamicSupervisor | None = None
        self._started = asyncio.Event()
        self._rest: RestServer | None = None
        self.grpc_addresses = {"grpc": config.grpc_address, "grpc-tokens": config.grpc_token_address}
        """Where gRPC is served, by listener, ports filled in once `ready`."""
        self.metrics, self.health = Metrics(), Health()
        self.health.register("etcd", self._store_answers)
        self.health.register("poststarthook/bootstrap", self._bootstrapped)
        self.documents = Documents(
            authorizer=self.auth.authorizer,
            discovery=Discovery(self.resources, address=self._address),
            openapi=OpenApi(self.resources),
            health=self.health,
            metrics=self.metrics,
            tokens=self.auth.tokens,
        )
        who = identify(self.auth.authenticator)
        self._services: Mapping[str, object] = {
            "pilot.v1.API": ApiService(self.verbs, self.resources, self.documents, who),
            "pilot.v1.Tunnel": TunnelService(self._hub, who, self.auth.authorizer, self._running_streams),
            **(beside or {}),
        }

    def spec(self) -> ChildSpec:
        """The whole tree."""
        reads = [spec for spec in RESOURCES.values() if spec.storage]
        children = [
            ChildSpec("feed", lambda: Feed(self._etcd, self.caches)),
            *self._compactor(),
            ChildSpec(
                "bootstrap",
                lambda: Bootstrap(self.config, self.caches, self._writer, reads=reads),
            ),
            ChildSpec("roles", lambda: RoleKeeper(self.caches, self._writer)),
            ChildSpec("definitions", lambda: Definitions(self.caches, self.resources, self._store, self.verbs)),
            ChildSpec("tunnels", self._tunnels),
        ]
        for name, address, certificates in (
            ("grpc", self.config.grpc_address, True),
            ("grpc-tokens", self.config.grpc_token_address, False),
        ):
            if address:
                children.append(ChildSpec(name, partial(self._grpc_server, name, certificates=certificates)))
        if self.config.bind_address:
            children.append(ChildSpec("rest", self._rest_server))
        children.append(ChildSpec("ready", lambda: Announce(self._started)))
        return ChildSpec("apiserver", lambda: Supervisor(children))

    def services(self) -> Mapping[str, object]:
        """Full gRPC service name -> implementation."""
        return self._services

    async def ready(self) -> None:
        """Returns when requests are answered, and every listener is bound."""
        await self._started.wait()

    def _compactor(self) -> Sequence[ChildSpec]:
        seconds = self.config.etcd_compaction_interval
        return [ChildSpec("compactor", lambda: Compactor(self._etcd, seconds))] if seconds else []

    async def _store_answers(self) -> str:
        try:
            await self._etcd.revision(timeout=HEALTH_SECONDS)
        except ApiError as error:
            return error.message
        return ""

    async def _bootstrapped(self) -> str:
        return "" if self._started.is_set() else "what every cluster begins with is not in place yet"

    def _address(self) -> str:
        """Where REST is served, as discovery tells clients that ask for it."""
        return f"{advertised(self.config) or self.config.bind_address or '127.0.0.1'}:{self.rest_port}"

    def renew(self, certificate: bytes, key: bytes) -> None:
        """Show another serving certificate (PEM) from the next connection on. Raises TlsError."""
        if self._rest is not None:
            self._rest.renew(certificate=certificate, key=key)
        self._identity.identity = Identity(certificate, key, self.config.client_ca)

    @property
    def rest_port(self) -> int:
        """The TCP port of REST; the configured one before `ready`."""
        return self._rest.port if self._rest is not None and self._rest.port else self.config.secure_port

    def _rest_server(self) -> Actor:
        from apiserver.rest.config import RestConfig
        from apiserver.rest.handler import Served
        from apiserver.rest.server import RestServer  # imports aiohttp, which a server without REST does not need

        config, shown = self.config, self._identity.identity
        served = Served(
            verbs=self.verbs,
            authenticator=self.auth.authenticator,
            authorizer=self.auth.authorizer,
            resources=self.resources,
            documents=self.documents,
            metrics=self.metrics,
            clock=self._clock,
        )
        listen = RestConfig(
            host=config.bind_address,
            port=self.rest_port,  # after a restart the one it had
            certificate=shown.cert,
            key=shown.key,
            client_ca=config.client_ca,
        )
        self._rest = RestServer(listen, served)
        return self._rest

    def _grpc_server(self, name: str, *, certificates: bool) -> Actor:
        from machinery.rpc.server import GrpcServer  # imports grpc, which a server without a socket does not need

        def bound(addresses: Sequence[str]) -> None:
            (self.grpc_addresses[name],) = addresses

        credentials = self._grpc_credentials(certificates=certificates) if self.config.tls_cert else None
        # After a restart the port it had.
        return GrpcServer(self._services, [self.grpc_addresses[name]], credentials=credentials, bound=bound)

    def _grpc_credentials(self, *, certificates: bool) -> Any:
        """Credentials that show the present certificate at every handshake."""
        # gRPC in Python either demands a client's certificate or does not ask for one.
        demand = certificates and bool(self.config.client_ca)
        return reloading_server_credentials(self._identity, require_client=demand)

    def _tunnels(self) -> Actor:
        self._streams = DynamicSupervisor()
        return self._streams

    def _running_streams(self) -> DynamicSupervisor:
        if self._streams is None:
            raise RpcError(Code.UNAVAILABLE, "the server does not run")
        return self._streams
