"""One cluster for all tests with real kubectl: `pilot up` as a user runs it. Each test has a namespace of its own."""

from __future__ import annotations

import itertools
import os
import pathlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
import yaml

from tests.support.kubectl import WHY_NOT, Kubectl, newest

ROOT = pathlib.Path(__file__).parents[3]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = pathlib.Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if not newest():
                item.add_marker(pytest.mark.skip(reason=WHY_NOT))


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `kubeconfig` is the admin's; what tests write lies below `directory`."""

    kubeconfig: pathlib.Path
    directory: pathlib.Path
    namespace: str = "default"

    def kubectl(self, binary: str = "") -> Kubectl:
        """kubectl as the admin, in the namespace."""
        return Kubectl(binary or newest(), self._written(f"{self.namespace}.admin", None), self._home())

    def with_user(self, name: str, user: dict[str, str]) -> Kubectl:
        """kubectl as somebody else. user: the user entry of a kubeconfig, empty for nobody."""
        return Kubectl(newest(), self._written(f"{self.namespace}.{name}", user), self._home())

    def _home(self) -> pathlib.Path:
        """Its own for each namespace: kubectl remembers what kinds there were, and tests make and remove kinds."""
        home = self.directory / self.namespace
        home.mkdir(exist_ok=True)
        return home

    def _written(self, name: str, user: dict[str, str] | None) -> pathlib.Path:
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = self.namespace
        if user is not None:
            config["users"][0]["user"] = user
        path = self.directory / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("cluster")
    kubeconfig = directory / "kubeconfig"
    environment = {**os.environ, "PILOTHOUSE_HOME": str(directory / "pilothouse")}

    def pilot(*arguments: str) -> None:
        command = [sys.executable, "-m", "cli", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr

    pilot("up", "--name", "e2e", "--nodes", "3", "--kubeconfig", str(kubeconfig), "--detach")
    try:
        yield Cluster(kubeconfig, directory)
    finally:
        pilot("down", "--name", "e2e")


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest_asyncio.fixture
async def cluster(running: Cluster, numbers: Iterator[int], tmp_path: pathlib.Path) -> AsyncIterator[Cluster]:
    """The cluster, with a fresh namespace."""
    mine = replace(running, namespace=f"t{next(numbers)}")
    kubectl = mine.kubectl()
    await kubectl("create", "namespace", mine.namespace)
    yield mine
    await kubectl("delete", "namespace", mine.namespace, "--wait=false")


@pytest_asyncio.fixture
async def kubectl(cluster: Cluster) -> Kubectl:
    """The newest kubectl as the admin, in a fresh namespace."""
    return cluster.kubectl()


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80}]
"""


@pytest_asyncio.fixture
async def web(kubectl: Kubectl) -> str:
    """The manifest of a Deployment of two, called web, that is rolled out."""
    await kubectl("apply", "-f", "-", stdin=WEB)
    await kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return WEB
