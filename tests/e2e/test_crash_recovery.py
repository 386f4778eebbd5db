"""`kill -9` of any one process: nothing acknowledged is lost, and the cluster goes on by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import kubectl
from tests.support.etcd import free_port
from tests.support.hosts import Host, Running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("hosts"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not kubectl.newest(kubectl.SERVED), reason="kubectl is not on PATH"),
]


@dataclass(frozen=True)
class Cluster:
    """A control plane and a fake node on this machine; the processes that start and restart the components."""

    host: Host
    control_plane: Running
    node: Running

    def pid(self, component: str) -> int:
        """Of the component's process. Raises KeyError when it does not run."""
        return {**self.control_plane.children(), **self.node.children()}[component]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    flags = ("apiserver-bind-port", "grpc-port", "grpc-token-port", "etcd-port", "units-port")
    host = Host("host", tmp_path_factory.mktemp("host"), "127.0.0.1", ports={flag: free_port() for flag in flags})
    with host.init() as control_plane:
        command = control_plane.until("  pilot join ", seconds=60)
        with host.join(command, "fake") as node:
            node.until("has joined the cluster", seconds=60)
            host.kubectl("wait", "--for=condition=Ready", "node/host", "--timeout=30s")
            yield Cluster(host, control_plane, node)


@pytest.mark.parametrize("component", ["etcdlite", "apiserver", "controllermgr", "scheduler", "nodeagent"])
def test_a_killed_process_loses_nothing_and_comes_back(cluster: Cluster, component: str) -> None:
    run, name = cluster.host.kubectl, f"around-{component}"
    pid = cluster.pid(component)
    run("create", "configmap", name, f"--from-literal=component={component}")
    os.kill(pid, signal.SIGKILL)

    if component != "nodeagent":
        cluster.control_plane.until(f"{component} is ready", seconds=60)
    assert run("get", "configmap", name, "-o", "jsonpath={.data.component}") == component
    run("create", "deployment", name, "--image=nginx", "--replicas=2")
    run("wait", "--for=condition=Available", f"deployment/{name}", "--timeout=60s", seconds=70)
    run("wait", "--for=condition=Ready", "node/host", "--timeout=30s")
    # Its supervisor made a new one of it: what became available did so by the new one's work.
    assert cluster.pid(component) != pid
