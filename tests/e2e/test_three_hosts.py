"""Three hosts: the control plane on one, a fake node and a node on containerd on the others, and one agent's death."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import containerd, hosts, kubectl
from tests.support.hosts import Host, Running

WHY_NOT = (
    hosts.missing() or containerd.missing() or ("" if kubectl.newest(kubectl.SERVED) else "kubectl is not on PATH")
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.root,
    pytest.mark.xdist_group("containerd"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "present"),
]

GRACE_SECONDS = 15
"""More than an agent's lease is silent for between two renewals: 10 s."""


@dataclass(frozen=True)
class Cluster:
    """host-1 has the control plane; `fake` and `real` run the agents of nodes host-2 and host-3."""

    control: Host
    fake: Running
    real: Running


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with hosts.network(tmp_path, count=3) as (first, second, third):
        first.init_phase("config")
        first.configure("controllermgr", node_monitor_grace_period=GRACE_SECONDS)
        with (
            first.init() as control_plane,
            containerd.containerd(third.directory, netns=third.netns) as runtime,
        ):
            command = control_plane.until("  pilot join ", seconds=60)
            with second.join(command, "fake") as fake, third.join(command, runtime.address) as real:
                for agent in (fake, real):
                    agent.until("has joined the cluster", seconds=60)
                yield Cluster(first, fake, real)


def pods_of(name: str) -> dict[str, Any]:
    """A pod's template that both runtimes can run, and that leaves a dead node soon."""
    gone = [
        {"key": f"node.kubernetes.io/{each}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
        for each in ("not-ready", "unreachable")
    ]
    container = {
        "name": "main",
        "image": containerd.IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"echo {name} is here; sleep 3600"],
    }
    spec = {"containers": [container], "tolerations": gone, "terminationGracePeriodSeconds": 1}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def workload(kind: str, name: str, **more: Any) -> str:
    spec = {"selector": {"matchLabels": {"app": name}}, "template": pods_of(name), **more}
    return json.dumps({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def places(control: Host, app: str) -> dict[str, str]:
    """Pod -> node, of the pods that are not being deleted."""
    items = json.loads(control.kubectl("get", "pods", "-l", f"app={app}", "-o", "json"))["items"]
    return {
        each["metadata"]["name"]: each["spec"]["nodeName"]
        for each in items
        if "deletionTimestamp" not in each["metadata"]
    }


def ready_on(control: Host, app: str, *, node: str, count: int) -> set[str]:
    """Wait until `count` pods that are not being deleted are ready on a node; their names."""
    ready: set[str] = set()
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    form = "{.metadata.name}|{.spec.nodeName}|{.metadata.deletionTimestamp}|" + condition + '{"\\n"}'
    with control.watch("pods", "-l", f"app={app}", "-o", f"jsonpath={form}") as pods:
        for line in pods.lines(seconds=60):
            name, *state = line.split("|")
            if state == [node, "", "True"]:
                ready.add(name)
            else:
                ready.discard(name)
            if len(ready) == count:
                return ready
    raise AssertionError("lines ends with an error or never")


def test_workloads_run_on_both_nodes_and_leave_the_one_that_dies(cluster: Cluster) -> None:
    control = cluster.control
    control.kubectl("wait", "--for=condition=Ready", "node/host-2", "node/host-3", "--timeout=60s")

    # Each agent has a certificate of its own, asked for with the bootstrap token.
    requests = json.loads(control.kubectl("get", "certificatesigningrequests", "-o", "json"))["items"]
    assert len(requests) == 2
    for request in requests:
        assert request["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
        assert request["spec"]["username"].startswith("system:bootstrap:")
        assert request["status"]["certificate"]
    address = "jsonpath={.status.addresses[?(@.type=='InternalIP')].address}"
    assert control.kubectl("get", "node", "host-3", "-o", address) == f"{hosts.SUBNET}.3"

    control.kubectl("apply", "-f", "-", stdin=workload("Deployment", "web", replicas=4))
    control.kubectl("apply", "-f", "-", stdin=workload("DaemonSet", "each"))
    control.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    control.kubectl("rollout", "status", "daemonset/each", "--timeout=60s")
    web, each = places(control, "web"), places(control, "each")
    assert len(web) == 4
    assert set(web.values()) == {"host-2", "host-3"}
    assert sorted(each.values()) == ["host-2", "host-3"]
    for app, found in (("web", web), ("each", each)):
        for pod in found:
            assert control.kubectl("logs", pod) == f"{app} is here\n"
            assert control.pilot("logs", pod) == f"{app} is here\n"

    (agent,) = cluster.fake.children().values()
    os.kill(agent, 9)
    cluster.fake.kill()  # it would start the agent again

    control.kubectl("wait", "--for=condition=Ready=Unknown", "node/host-2", "--timeout=60s")
    taint = "--for=jsonpath={.spec.taints[?(@.effect=='NoExecute')].key}=node.kubernetes.io/unreachable"
    control.pilot("wait", taint, "node/host-2", "--timeout=20s")
    assert "NotReady" in control.kubectl("get", "node", "host-2")
    moved = ready_on(control, "web", node="host-3", count=4)
    assert places(control, "web") == dict.fromkeys(moved, "host-3")
    assert moved > {pod for pod, node in web.items() if node == "host-3"}
