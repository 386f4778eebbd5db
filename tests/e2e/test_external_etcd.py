"""A cluster on a real etcd of three members that are killed, frozen and started again."""

from __future__ import annotations

import asyncio
import collections
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from actors import SystemClock
from apiserver.storage.servers import EtcdServers
from machinery.client.api import WatchEvent
from machinery.client.grpc import ApiClient
from machinery.client.resources import CONFIG_MAPS
from machinery.errors import ApiError, ServiceUnavailable, Timeout
from pilothouse import Cluster
from pilothouse.external_store import StoreUnreachable, examine
from tests.e2e.pilot.conftest import ROOT, Pilot
from tests.support.etcd import etcd_binary, free_port
from tests.support.etcd_cluster import EtcdCluster, etcd_cluster
from tests.support.forks import Forks
from tests.support.hosts import Host

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(etcd_binary() is None, reason="etcd is not installed (apt-get install etcd-server)"),
]

NAMESPACE = "default"
PORTS = ("apiserver-bind-port", "grpc-port", "grpc-token-port", "etcd-port", "units-port")


@asynccontextmanager
async def control_plane(etcd: EtcdCluster) -> AsyncIterator[ApiClient]:
    """An API server on the cluster, without loops of its own that write."""
    servers = EtcdServers(tuple(etcd.urls.split(",")), keepalive=(1.0, 1.0))
    async with Cluster(etcd_servers=servers, controllers=(), scheduler=False, agents=False) as cluster:
        yield cluster.client()


@pytest.fixture
def etcd() -> Iterator[EtcdCluster]:
    with etcd_cluster() as cluster:
        yield cluster


class Writer:
    """Creates objects one after the other, each labelled with its number, as client-go does it: an answer that names a
    time to retry after is no answer, any other error is one."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []
        self.progress = asyncio.Condition()

    async def run(self, name: str) -> None:
        number = 0
        while True:
            number += 1
            label = f"{name}-{number}"
            obj = {"metadata": {"generateName": f"{name}-", "labels": {"number": label}}}
            while True:
                try:
                    await self._client.create(CONFIG_MAPS, obj, namespace=NAMESPACE)
                    self.acknowledged.append(label)
                except ApiError as error:
                    if error.retry_after:
                        await asyncio.sleep(0.05)
                        continue
                    self.unknown.append(label)
                break
            async with self.progress:
                self.progress.notify_all()

    async def write(self, more: int) -> None:
        """Return when so many more were acknowledged."""
        wanted = len(self.acknowledged) + more
        async with asyncio.timeout(30), self.progress:
            await self.progress.wait_for(lambda: len(self.acknowledged) >= wanted)


class Watcher:
    """Collects what watches tell from a version on, each resuming where the one before ended."""

    def __init__(self, client: ApiClient, start: str) -> None:
        self._client = client
        self._from = start
        self._moved = asyncio.Condition()
        self.events: list[WatchEvent] = []

    async def run(self) -> None:
        while True:
            with suppress(ServiceUnavailable, Timeout):
                async for event in self._client.watch(CONFIG_MAPS, namespace=NAMESPACE, resource_version=self._from):
                    self.events.append(event)
                    self._from = event.object["metadata"]["resourceVersion"]
                    async with self._moved:
                        self._moved.notify_all()

    async def reached(self, wanted: int) -> None:
        """Return when what happened up to a version was told."""
        async with self._moved:
            await self._moved.wait_for(lambda: int(self._from) >= wanted)


def version(obj: Any) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def test_members_die_and_come_back_and_nothing_is_lost_or_made_twice(etcd: EtcdCluster) -> None:
    async with control_plane(etcd) as client:
        start = (await client.list(CONFIG_MAPS, namespace=NAMESPACE)).resource_version
        seen = Watcher(client, start)
        writer = Writer(client)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(seen.run())]
            running += [tasks.create_task(writer.run(name)) for name in ("a", "b", "c")]
            await writer.write(30)
            leader = await etcd.leader()
            leader.kill()
            await writer.write(30)
            await asyncio.to_thread(etcd.start, leader)
            leader = await etcd.leader()
            next(each for each in etcd.members if each is not leader).kill()
            await writer.write(30)
            for task in running[1:]:
                task.cancel()
            await asyncio.wait(running[1:])
            page = await client.list(CONFIG_MAPS, namespace=NAMESPACE)
            await asyncio.wait_for(seen.reached(max(map(version, page.items))), 10)
            running[0].cancel()
        made = collections.Counter(item["metadata"].get("labels", {}).get("number") for item in page.items)
        assert all(made[label] == 1 for label in writer.acknowledged)
        assert all(made[label] <= 1 for label in writer.unknown)
        versions = [version(event.object) for event in seen.events]
        assert versions == sorted(set(versions))
        told = [event.object["metadata"]["name"] for event in seen.events if event.type == "ADDED"]
        assert sorted(told) == sorted(item["metadata"]["name"] for item in page.items)


async def test_without_a_quorum_writes_are_refused_clearly_and_go_on_when_it_is_back(
    etcd: EtcdCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apiserver.storage.etcd.CONFIRM_SECONDS", 0.5)
    monkeypatch.setattr("pilothouse.external_store.QUORUM_SECONDS", 3.0)
    async with control_plane(etcd) as client:
        await client.create(CONFIG_MAPS, {"metadata": {"name": "before"}}, namespace=NAMESPACE)
        events = client.watch(CONFIG_MAPS, namespace=NAMESPACE, send_initial_events=True, timeout_seconds=3600)
        assert (await anext(events)).object["metadata"]["name"] == "before"
        for member in etcd.members[1:]:
            member.kill()
        wrote, read, examined = await asyncio.gather(
            client.create(CONFIG_MAPS, {"metadata": {"name": "lost"}}, namespace=NAMESPACE),
            client.get(CONFIG_MAPS, "before", namespace=NAMESPACE),
            examine(EtcdServers.parse(etcd.urls), prefix="/registry", clock=SystemClock()),
            return_exceptions=True,
        )
        assert isinstance(wrote, Timeout) and "the store did not confirm the write" in wrote.message
        assert isinstance(read, ServiceUnavailable) and read.retry_after, read
        alive, *dead = (member.url for member in etcd.members)
        assert isinstance(examined, StoreUnreachable)
        assert str(examined).startswith(f"{alive}: no quorum answers: ")
        assert all(f"; {url}: connection refused" in str(examined) for url in dead)
        page = await client.list(CONFIG_MAPS, namespace=NAMESPACE, resource_version="0")
        assert [item["metadata"]["name"] for item in page.items] == ["before"]
        await asyncio.to_thread(etcd.start, etcd.members[1])
        async with asyncio.timeout(20):
            while True:
                with suppress(ApiError):
                    await client.create(CONFIG_MAPS, {"metadata": {"name": "after"}}, namespace=NAMESPACE)
                    break
            told = [(await anext(events)).object["metadata"]["name"]]
            while told[-1] != "after":
                told.append((await anext(events)).object["metadata"]["name"])
        page = await client.list(CONFIG_MAPS, namespace=NAMESPACE)
        assert sorted(["before", *told]) == sorted(item["metadata"]["name"] for item in page.items)
        await events.aclose()  # type: ignore[attr-defined]  # a generator


async def test_a_member_that_hangs_is_left(etcd: EtcdCluster) -> None:
    async with control_plane(etcd) as client:
        await client.create(CONFIG_MAPS, {"metadata": {"name": "before"}}, namespace=NAMESPACE)
        events = client.watch(CONFIG_MAPS, namespace=NAMESPACE, send_initial_events=True, timeout_seconds=3600)
        assert (await anext(events)).object["metadata"]["name"] == "before"
        etcd.members[0].signal(signal.SIGSTOP)  # the one that is used: it takes what is sent, and says nothing
        async with asyncio.timeout(15):
            assert await client.get(CONFIG_MAPS, "before", namespace=NAMESPACE)
            while True:
                with suppress(ApiError):
                    await client.create(CONFIG_MAPS, {"metadata": {"name": "after"}}, namespace=NAMESPACE)
                    break
            assert (await anext(events)).object["metadata"]["name"] == "after"
        await events.aclose()  # type: ignore[attr-defined]  # a generator


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = Forks(str(ROOT))
    yield forks
    forks.close()


@pytest.fixture
def pilot(forks: Forks, tmp_path: pathlib.Path) -> Iterator[Pilot]:
    pilot = Pilot(forks, tmp_path)
    yield pilot
    pilot.run("down")


GUESTBOOK = str(ROOT / "examples" / "guestbook")


def test_the_guestbook_is_rolled_while_the_leader_dies(pilot: Pilot, etcd: EtcdCluster, tmp_path: pathlib.Path) -> None:
    up = ("up", "--nodes", "2", "--etcd-servers", etcd.urls, "--data-dir", "identity", "--detach")
    follower = next(each for each in etcd.members if each is not asyncio.run(etcd.leader()))
    follower.kill()
    said = pilot(*up)
    assert f"Data       in {etcd.urls}" in said
    pilot("apply", "-f", GUESTBOOK)
    pilot("rollout", "status", "deployment/frontend", "-n", "guestbook", "--timeout=60s")
    etcd.start(follower)
    pilot("set", "image", "deployment/frontend", "*=example.com/frontend:2", "-n", "guestbook")
    asyncio.run(etcd.leader()).kill()
    pilot("rollout", "status", "deployment/frontend", "-n", "guestbook", "--timeout=60s")
    status = "{.status.updatedReplicas}/{.status.readyReplicas}/{.status.replicas}"
    assert pilot("get", "deployment/frontend", "-n", "guestbook", "-o", f"jsonpath={status}") == "3/3/3"
    assert f"Its data stays in {etcd.urls}." in pilot("down")

    said = pilot(*up)
    assert "another authority" not in said
    assert "frontend" in pilot("get", "deployments", "-n", "guestbook")
    err = pilot.fails("up", "--name", "second", "--etcd-servers", etcd.urls)
    assert err.splitlines()[0].startswith('error: --etcd-servers: cluster "pilothouse" of host ')
    assert err.splitlines()[0].endswith(" runs on it already, at /registry")
    record = json.loads((tmp_path / "home" / "pilothouse" / "instance.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)  # it has no time to say so, and its next life needs no word
    assert "was made with another authority" in pilot(*up[:-3], "--data-dir", "other", "--detach")


def test_a_control_plane_of_processes(tmp_path: pathlib.Path, etcd: EtcdCluster) -> None:
    control = Host("control", tmp_path, "127.0.0.1", ports={flag: free_port() for flag in PORTS})
    etcd.members[0].kill()
    with control.init(f"--etcd-servers={etcd.urls}", "--etcd-prefix=/its/own") as running:
        running.until("  pilot join ", seconds=60)
        control.pilot("create", "configmap", "kept", "--from-literal=a=b")
    assert not (control.config_dir / "etcdlite.yaml").exists()
    with control.init() as running:
        running.until("  pilot join ", seconds=60)
        assert "kept" in control.pilot("get", "configmaps")
    other = Host("other", tmp_path / "other", "127.0.0.1", ports=control.ports)
    said = other.init_refused(f"--etcd-servers={etcd.urls}", "--etcd-prefix=/its/own")
    assert "[ERROR ExternalEtcd]: the cluster at /its/own there was made with another authority" in said
    assert not other.config_dir.exists()


@pytest.mark.skipif(shutil.which("etcdctl") is None, reason="etcdctl is not installed (apt-get install etcd-client)")
def test_a_cluster_moves_to_etcd_by_make_mirror(pilot: Pilot, etcd: EtcdCluster) -> None:
    port, target = free_port(), etcd.members[0].address
    etcdctl = ("etcdctl", "--endpoints")
    environment = {**os.environ, "ETCDCTL_API": "3"}

    def keys(endpoint: str) -> set[str]:
        words = [*etcdctl, endpoint, "get", "/registry/", "--prefix", "--keys-only"]
        return set(subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split())

    pilot("up", "--data-dir", "here", "--etcd-port", str(port), "--detach")
    pilot("create", "deployment", "web", "--image=nginx", "--replicas=2")
    pilot("rollout", "status", "deployment/web", "--timeout=60s")
    mirror = subprocess.Popen([*etcdctl, f"127.0.0.1:{port}", "make-mirror", target], env=environment)
    try:
        pilot("create", "configmap", "late", "--from-literal=a=b")
        deadline = time.monotonic() + 30
        while (missing := keys(f"127.0.0.1:{port}") - keys(target)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not missing
        pilot("down")
    finally:
        mirror.terminate()
        mirror.wait()
    assert "another authority" not in pilot("up", "--data-dir", "here", "--etcd-servers", etcd.urls, "--detach")
    assert "late" in pilot("get", "configmaps")
    pilot("scale", "deployment/web", "--replicas=3")
    pilot("rollout", "status", "deployment/web", "--timeout=60s")


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["foreground", "detached"])
def test_an_etcd_that_does_not_answer_is_one_line(pilot: Pilot, detach: tuple[str, ...]) -> None:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    err = pilot.fails("up", "--etcd-servers", ",".join(urls), *detach)
    assert err.splitlines()[0] == "error: --etcd-servers: " + "; ".join(f"{url}: connection refused" for url in urls)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--etcd-servers", "nonsense"], "'nonsense' is no list of http:// or https:// URLs with ports"),
        (["--etcd-servers", "http://a:1,https://b:1"], "is no list of http:// or https:// URLs"),
        (["--etcd-servers", "http://a:1", "--etcd-prefix", "/"], "--etcd-prefix: '/' is no path"),
        (["--etcd-servers", "http://a:1", "--etcd-port", "1"], "--etcd-port serves our own store's API"),
        (["--etcd-servers", "http://a:1", "--etcd-cafile", "x"], "are for https:// URLs"),
        (["--etcd-servers", "https://a:1", "--etcd-cafile", "/nosuch"], "/nosuch"),
        (["--etcd-servers", "https://a:1", "--etcd-certfile", __file__], "a certificate needs its key"),
        (["--etcd-prefix", "/a"], "--etcd-prefix goes with --etcd-servers"),
    ],
    ids=lambda value: " ".join(value[-2:]).replace(__file__, "FILE") if isinstance(value, list) else "",
)
def test_what_is_no_store_is_refused(pilot: Pilot, flags: list[str], says: str) -> None:
    err = pilot.fails("up", *flags)
    assert err.startswith("error: ") and says in err
