"""An API server over a store in memory, served over TLS on a free port, with identities for tests."""

from __future__ import annotations

import base64
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from actors import ChildSpec, Clock, Strategy, Supervisor, System, SystemClock
from apiserver.app import ApiServer
from apiserver.auth.config import AuthConfig
from apiserver.config import Config
from apiserver.verbs.context import UserInfo
from etcdlite.app import EtcdLite
from etcdlite.config import Config as StoreConfig
from machinery.client.kubeconfig import encoded, write
from machinery.client.rest import RestClient
from machinery.pki.tls import client_context
from machinery.rpc import LocalChannel
from pilothouse.pki import Authority, KeyPair, service_account_key

ADMIN = ("admin", ("system:masters",))
TOKENS: Mapping[str, UserInfo] = {
    "token-of-alice": UserInfo("alice", ("developers",)),
    "token-of-bob": UserInfo("bob"),
}


@dataclasses.dataclass
class Plane:
    """A running server. Everything made of it (clients, kubeconfigs) names its real address and authority."""

    server: ApiServer
    authority: Authority

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.rest_port}"

    def certificate(self, name: str, *groups: str) -> KeyPair:
        """A client certificate of the server's authority."""
        return self.authority.issue(name, now=datetime.now(UTC), organizations=groups, client=True)

    def client(self, name: str = ADMIN[0], *groups: str, user_agent: str = "tests/1") -> RestClient:
        """A REST client with a certificate; the admin when no groups are named."""
        pair = self.certificate(name, *(groups or ADMIN[1]))
        context = client_context(ca=self.authority.pair.certificate, certificate=pair.certificate, key=pair.key)
        return RestClient(self.url, context=context, user_agent=user_agent)

    def token_client(self, token: str) -> RestClient:
        """A REST client with a bearer token, "" for nobody."""
        return RestClient(self.url, context=client_context(ca=self.authority.pair.certificate), token=token)

    def kubeconfig(self, directory: pathlib.Path, name: str = ADMIN[0], *groups: str) -> pathlib.Path:
        """A kubeconfig file with a client certificate; the admin's when no groups are named."""
        pair = self.certificate(name, *(groups or ADMIN[1]))
        cluster = {"server": self.url, "certificate-authority-data": encoded(self.authority.pair.certificate)}
        user = {
            "client-certificate-data": base64.b64encode(pair.certificate).decode(),
            "client-key-data": base64.b64encode(pair.key).decode(),
        }
        path = directory / f"{name}.kubeconfig"
        write(
            path,
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": name, "user": user}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
                "current-context": "test",
            },
        )
        return path


@asynccontextmanager
async def plane(*, clock: Clock | None = None, auth: AuthConfig | None = None) -> AsyncIterator[Plane]:
    """A store and a server, from nothing to ready, and stopped in order."""
    clock = clock or SystemClock()
    authority = Authority.create("test-ca", now=datetime.now(UTC))
    serving = authority.issue("kube-apiserver", now=datetime.now(UTC), names=["127.0.0.1", "localhost"], server=True)
    store = EtcdLite(StoreConfig(), clock=clock)
    if auth is None:
        auth = AuthConfig(service_account_key=service_account_key()[0], static_tokens=TOKENS)
    config = Config(
        bind_address="127.0.0.1",
        secure_port=0,
        tls_cert=serving.certificate,
        tls_key=serving.key,
        client_ca=authority.pair.certificate,
        auth=auth,
    )
    server = ApiServer(config, clock=clock, etcd=LocalChannel(store.services()))
    children = [store.spec(), server.spec()]
    root = ChildSpec("test", lambda: Supervisor(children, strategy=Strategy.REST_FOR_ONE))
    async with System(root, clock=clock):
        await store.ready()
        await server.ready()
        yield Plane(server, authority)
