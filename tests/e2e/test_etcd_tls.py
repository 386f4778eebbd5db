"""A real etcd that demands certificates: what a cluster needs for it, and what is said of what is missing."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from actors import SystemClock
from apiserver.storage.servers import EtcdServers
from machinery.client.resources import CONFIG_MAPS
from machinery.pki.tls import TlsFiles
from pilothouse import Cluster
from pilothouse.external_store import StoreUnreachable, examine
from pilothouse.pki import Authority
from tests.support.etcd import EtcdProcess, await_health, etcd_binary, free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(etcd_binary() is None, reason="etcd is not installed (apt-get install etcd-server)"),
]


class Guarded(EtcdProcess):
    """Serves clients with a certificate of `ca` in its directory, and nobody else."""

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__(directory)
        self._health = f"http://127.0.0.1:{free_port()}"

    def command(self) -> list[str]:
        here = self.data_dir.parent
        given = super().command()
        for flag in ("--listen-client-urls", "--advertise-client-urls"):
            given[given.index(flag) + 1] = self.url
        files = ["--cert-file", f"{here}/server.crt", "--key-file", f"{here}/server.key"]
        files += ["--client-cert-auth", "--trusted-ca-file", f"{here}/ca.crt"]
        return [*given, *files, "--listen-metrics-urls", self._health]

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    def _await(self, process: subprocess.Popen[str]) -> None:
        await_health(self._health, process)


@dataclass(frozen=True)
class Place:
    """A server, and the files around it."""

    url: str
    directory: pathlib.Path

    def servers(self, url: str = "", **files: str) -> EtcdServers:
        return EtcdServers.parse(url or self.url, TlsFiles(**{of: self.directory / name for of, name in files.items()}))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory, now = tmp_path_factory.mktemp("etcd"), datetime.now(UTC)
    authority, other = Authority.create("etcd-ca", now=now), Authority.create("other-ca", now=now)
    authority.pair.save(directory, "ca")
    other.pair.save(directory, "other")
    authority.issue("etcd", names=["127.0.0.1"], server=True, client=True, now=now).save(directory, "server")
    authority.issue("client", client=True, now=now).save(directory, "client")
    other.issue("client", client=True, now=now).save(directory, "stranger")
    server = Guarded(directory)
    try:
        server.start()
        yield Place(server.url, directory)
    finally:
        server.kill()


OURS = {"ca": "ca.crt", "cert": "client.crt", "key": "client.key"}


async def test_a_cluster_with_certificates_and_a_dead_member(place: Place) -> None:
    dead = f"https://127.0.0.1:{free_port()}"
    servers = place.servers(f"{dead},{place.url}", **OURS)
    found = await examine(servers, prefix="/registry", clock=SystemClock())
    assert found.silent == {dead: "connection refused"} and found.authority == ""
    async with Cluster(nodes=1, etcd_servers=servers) as cluster:
        await cluster.nodes_ready()
        authority = cluster.authority
        await cluster.client().create(CONFIG_MAPS, {"metadata": {"name": "a"}}, namespace="default")
    async with Cluster(etcd_servers=servers, agents=False) as again:
        assert await again.client().get(CONFIG_MAPS, "a", namespace="default")
    assert (await examine(servers, prefix="/registry", clock=SystemClock())).authority in (authority, again.authority)
    assert (await examine(servers, prefix="/elsewhere", clock=SystemClock())).authority == ""


@pytest.mark.parametrize(
    ("url", "files", "why"),
    [
        ("", {"ca": "ca.crt"}, "it does not accept the certificate of --etcd-certfile, or wants one"),
        ("", {**OURS, "cert": "stranger.crt", "key": "stranger.key"}, "it does not accept the certificate"),
        ("", {**OURS, "ca": "other.crt"}, "its certificate is not of an authority in --etcd-cafile"),
        ("", {"cert": "client.crt", "key": "client.key"}, "its certificate is not of an authority in --etcd-cafile"),
        ("localhost", OURS, "its certificate is not for this host"),
        ("http", {}, "it ends the connection; is it http:// or https://?"),
    ],
    ids=["no certificate", "another's", "another authority", "no authority", "another name", "no TLS"],
)
async def test_why_it_cannot_be_used(place: Place, url: str, files: dict[str, str], why: str) -> None:
    changed = {"localhost": place.url.replace("127.0.0.1", "localhost"), "http": place.url.replace("https", "http")}
    url = changed.get(url, place.url)
    with pytest.raises(StoreUnreachable) as caught:
        await examine(place.servers(url, **files), prefix="/registry", clock=SystemClock())
    assert str(caught.value).startswith(f"{url}: {why}")
