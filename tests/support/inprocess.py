"""An API server without a socket over a store in memory: what most tests of the verbs need."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from actors import ChildSpec, Clock, Strategy, Supervisor, System, SystemClock
from apiserver.app import ApiServer
from apiserver.config import Config
from apiserver.storage.etcd import EtcdClient
from apiserver.storage.keys import DEFAULT_PREFIX
from etcdlite.app import EtcdLite
from etcdlite.config import Config as StoreConfig
from machinery.client.grpc import ApiClient
from machinery.objects.gvk import GVR
from machinery.rpc import Channel, LocalChannel, Peer
from protos.pool import messages

Object = dict[str, Any]

NAMESPACES = GVR("", "v1", "namespaces")
PODS = GVR("", "v1", "pods")
CONFIGMAPS = GVR("", "v1", "configmaps")
SERVICES = GVR("", "v1", "services")
ACCOUNTS = GVR("", "v1", "serviceaccounts")
NODES = GVR("", "v1", "nodes")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
JOBS = GVR("batch", "v1", "jobs")


@dataclasses.dataclass
class Server:
    """A running server and its store's channel."""

    api: ApiServer
    store: Channel
    clock: Clock

    @property
    def etcd(self) -> EtcdClient:
        """Somebody else who writes where the server keeps its objects."""
        return EtcdClient(self.store, self.clock, prefix=self.api.config.etcd_prefix)

    async def compact(self, revision: int) -> None:
        """Discard the history of the store before a revision."""
        await self.etcd.kv.Compact(messages("etcdserverpb").CompactionRequest(revision=revision))

    def client(self, user: str = "admin", *groups: str, user_agent: str = "tests/1") -> ApiClient:
        """A client as `user`; an administrator when no groups are named."""
        peer = Peer(user, groups or ("system:masters",))
        return ApiClient(LocalChannel(self.api.services(), peer=peer), user_agent=user_agent)


@asynccontextmanager
async def serving(
    config: Config | None = None,
    *,
    clock: Clock | None = None,
    etcd: Channel | None = None,
    prefix: str = DEFAULT_PREFIX,
) -> AsyncIterator[Server]:
    """From nothing to ready, and stopped in order. etcd: another store than one in memory; prefix: its keys there.

    Pods need no service account, unless `config` says otherwise."""
    clock = clock or SystemClock()
    children: list[ChildSpec] = []
    if etcd is None:
        store = EtcdLite(StoreConfig(), clock=clock)
        children.append(store.spec())
        etcd = LocalChannel(store.services(), clock=clock)
    config = dataclasses.replace(
        config or Config(admission_plugins_off=frozenset({"ServiceAccount"})), etcd_prefix=prefix
    )
    api = ApiServer(config, clock=clock, etcd=etcd)
    children.append(api.spec())
    root = ChildSpec("test", lambda: Supervisor(children, strategy=Strategy.REST_FOR_ONE))
    async with System(root, clock=clock):
        await api.ready()
        yield Server(api, etcd, clock)


def configmap(name: str, *, namespace: str = "default", labels: dict[str, str] | None = None, **data: str) -> Object:
    """A ConfigMap with these data."""
    metadata: Object = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pod(name: str, *, namespace: str = "default", node: str = "", **spec: Any) -> Object:
    """A Pod of one container."""
    containers = [{"name": "main", "image": "busybox"}]
    body = {"containers": containers, **({"nodeName": node} if node else {}), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": body}


def deployment(name: str, *, replicas: int = 1, image: str = "nginx") -> Object:
    """A Deployment of one container."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }
