"""The supervision tree of one store.

etcdlite            one for one
  core              one for all: what holds state belongs together
    store           opens the file, commits, sweeps
    lessor          lets leases run out
    streams         one child per Watch call
  http, https ...   a gRPC server per kind of listener, which outlives a restart of the core
  metrics           HTTP for monitoring alone, where it was asked for
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from actors import Actor, ChildSpec, Clock, DynamicSupervisor, Strategy, Supervisor
from etcdlite.auth.access import Access
from etcdlite.auth.jwt import make_tokens
from etcdlite.auth.passwords import Passwords
from etcdlite.config import MESSAGE_OVERHEAD, Config
from etcdlite.lease.lessor import Lessor
from etcdlite.listen import Listener, check_metrics_urls, listeners, metrics_credentials
from etcdlite.parts import Parts
from etcdlite.rpc.auth import Auth
from etcdlite.rpc.cluster import Cluster
from etcdlite.rpc.election import Election
from etcdlite.rpc.health import Health
from etcdlite.rpc.kv import KV
from etcdlite.rpc.lease import LeaseService
from etcdlite.rpc.lock import Lock
from etcdlite.rpc.maintenance import API_VERSION, Maintenance
from etcdlite.rpc.reflection import VERSIONS, Reflection
from etcdlite.rpc.watch import WatchService
from etcdlite.store.actor import StoreActor
from etcdlite.store.compaction import parse_retention
from etcdlite.store.export import Export
from etcdlite.store.points import Reach, pass_by
from protos.pool import service

if TYPE_CHECKING:
    from etcdlite.http.site import MonitoringSite


class EtcdLite:
    """A store that speaks etcd v3.

    seed: what a store in memory starts from, as `export` of another gave it. reach: called at the named points, for
    tests that have the process end there.
    Raises ValueError for a configuration that contradicts itself.
    """

    def __init__(self, config: Config, *, clock: Clock, seed: Export | None = None, reach: Reach = pass_by) -> None:
        parse_retention(config.auto_compaction_mode, config.auto_compaction_retention)
        self._config = config
        self._clock = clock
        self._seed = seed
        self._reach = reach
        self._parts = Parts()
        self._listeners = listeners(config)
        self._urls: dict[str, Sequence[str]] = {}
        self.metrics_urls: Sequence[str] = ()
        """Where monitoring alone is served, ports filled in; complete once `ready`."""
        check_metrics_urls(config)
        tokens = make_tokens(config.auth_token, config.auth_token_ttl, clock=clock)
        access = Access(self._parts, tokens, certificate_names=config.client_cert_auth)
        services: dict[str, object] = {
            "etcdserverpb.KV": KV(self._parts, access, max_ops=config.max_txn_ops, max_bytes=config.max_request_bytes),
            "etcdserverpb.Watch": WatchService(
                self._parts,
                access,
                max_bytes=config.max_request_bytes,
                progress_interval=config.watch_progress_notify_interval,
            ),
            "etcdserverpb.Lease": LeaseService(self._parts, access, clock=clock),
            "etcdserverpb.Cluster": Cluster(self._parts, access, name=config.name, urls=self._advertised),
            "etcdserverpb.Maintenance": Maintenance(self._parts, access, clock=clock),
            "etcdserverpb.Auth": Auth(
                self._parts,
                access,
                tokens,
                Passwords(config.bcrypt_cost, clock=clock),
                max_bytes=config.max_request_bytes,
            ),
        }
        services["v3lockpb.Lock"] = Lock(services)
        services["v3electionpb.Election"] = Election(services)
        services["grpc.health.v1.Health"] = Health(self._parts, services=frozenset(services))
        for version in VERSIONS:
            services[f"grpc.reflection.{version}.ServerReflection"] = Reflection(version, lambda: services)
        self._services = services
        if config.metrics == "extensive":
            self._parts.counts.time_calls(method.path for name in services for method in service(name).values())
        self._bound()

    def spec(self) -> ChildSpec:
        """The whole tree."""
        children = [ChildSpec("core", self._core)]
        children += [ChildSpec(listener.name, partial(self._server, listener)) for listener in self._listeners]
        if self._config.listen_metrics_urls:
            children.append(ChildSpec("metrics", self._monitoring))
        return ChildSpec("etcdlite", lambda: Supervisor(children))

    def services(self) -> Mapping[str, object]:
        """Full gRPC service name -> implementation. Calls answer UNAVAILABLE while the store does not run."""
        return self._services

    async def ready(self) -> None:
        """Returns once the store answers, and every listener is bound."""
        await self._parts.open.wait()
        await self._parts.serving.wait()

    @property
    def client_urls(self) -> Sequence[str]:
        """Where it listens, ports filled in; complete once `ready`."""
        return [url for urls in self._urls.values() for url in urls]

    async def export(self) -> Export:
        """Everything it holds, for another store to start from. Raises Unavailable."""
        return await self._parts.store.export()

    def _core(self) -> Supervisor:
        return Supervisor(
            [
                ChildSpec("store", lambda: StoreActor(self._config, self._parts, seed=self._seed, reach=self._reach)),
                ChildSpec("lessor", lambda: Lessor(self._parts)),
                ChildSpec("streams", lambda: self._parts.streams_under(DynamicSupervisor())),
            ],
            strategy=Strategy.ONE_FOR_ALL,
        )

    def _server(self, listener: Listener) -> Actor:
        from etcdlite.http.protocol import HttpProtocol
        from machinery.rpc.server import GrpcServer  # what a store without a socket does not need

        def bound(addresses: Sequence[str]) -> None:
            self._urls[listener.name] = [listener.url(address) for address in addresses]
            self._bound()

        return GrpcServer(
            self._services,
            listener.addresses,
            credentials=listener.credentials(),
            bound=bound,
            counts=self._parts.counts.calls,
            foreign=partial(HttpProtocol, self._site()),
            max_message=self._config.max_request_bytes + MESSAGE_OVERHEAD,
        )

    def _monitoring(self) -> Actor:
        from etcdlite.http.listener import HttpListener

        def bound(urls: Sequence[str]) -> None:
            self.metrics_urls = urls
            self._bound()

        urls = self._config.listen_metrics_urls
        return HttpListener(self._site(), urls, credentials=metrics_credentials(self._config), bound=bound)

    def _site(self) -> MonitoringSite:
        from etcdlite.http.site import MonitoringSite

        return MonitoringSite(self._parts, API_VERSION, clock=self._clock)

    def _bound(self) -> None:
        """Everything serves once every listener is bound."""
        if len(self._urls) == len(self._listeners) and len(self.metrics_urls) == len(self._config.listen_metrics_urls):
            self._parts.serving.set()

    def _advertised(self) -> Sequence[str]:
        return self._config.advertise_client_urls or self.client_urls
