"""Nodes: cordon, drain, taint, and what the scheduler and disruption budgets make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.support.kubectl import Kubectl

NODE = "node-3"


@pytest_asyncio.fixture
async def node(kubectl: Kubectl) -> AsyncIterator[str]:
    """A node that is put right afterwards."""
    yield NODE
    await kubectl("uncordon", NODE)
    await kubectl.run("taint", "node", NODE, "key-")


async def test_cordon_and_uncordon(kubectl: Kubectl, node: str) -> None:
    assert await kubectl("cordon", node) == f"node/{node} cordoned\n"
    assert await kubectl("cordon", node) == f"node/{node} already cordoned\n"
    assert (await kubectl("get", "node", node, "--no-headers")).split()[1] == "Ready,SchedulingDisabled"
    await kubectl("create", "deployment", "d", "--image=x", "--replicas=6")
    await kubectl("rollout", "status", "deploy/d", "--timeout=60s")
    assert node not in await kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
    assert await kubectl("uncordon", node) == f"node/{node} uncordoned\n"
    assert (await kubectl("get", "node", node, "--no-headers")).split()[1] == "Ready"


async def test_drain(kubectl: Kubectl, node: str, web: str) -> None:
    pin = f'{{"spec":{{"nodeName":"{node}"}}}}'
    await kubectl("run", "lonely", "--image=busybox", f"--overrides={pin}")
    await kubectl("scale", "deploy/web", "--replicas=6")
    daemons = web.replace("Deployment", "DaemonSet").replace("web", "daemon").replace("  replicas: 2\n", "")
    await kubectl("apply", "-f", "-", stdin=daemons)
    await kubectl("rollout", "status", "ds/daemon", "--timeout=60s")
    await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    said = await kubectl.fails("drain", node)
    assert "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" in said
    assert "cannot delete Pods that declare no controller (use --force to override)" in said
    out = await kubectl("drain", node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s")
    assert "pod/lonely evicted" in out and out.endswith(f"node/{node} drained\n")
    listed = await kubectl("get", "pods", "--field-selector", f"spec.nodeName={node}", "-o", "name")
    assert [name for name in listed.split() if not name.startswith("pod/daemon-")] == []
    await kubectl("rollout", "status", "deploy/web", "--timeout=60s")


async def test_a_drain_waits_for_a_disruption_budget(kubectl: Kubectl, node: str) -> None:
    await kubectl("create", "deployment", "d", "--image=x")
    pin = f'{{"spec":{{"template":{{"spec":{{"nodeSelector":{{"kubernetes.io/hostname":"{node}"}}}}}}}}}}'
    await kubectl("patch", "deploy", "d", "-p", pin)
    await kubectl("rollout", "status", "deploy/d", "--timeout=60s")
    await kubectl("create", "pdb", "d", "--selector=app=d", "--min-available=1")
    await kubectl("wait", "pdb/d", "--for=jsonpath={.status.currentHealthy}=1", "--timeout=20s")
    command = ("drain", node, "--ignore-daemonsets", "--force", "--pod-selector=app=d", "--timeout=2s")
    said = await kubectl.fails(*command)
    assert "Cannot evict pod as it would violate the pod's disruption budget." in said
    await kubectl("delete", "pdb", "d")
    assert "evicted" in await kubectl(*command[:-1], "--timeout=60s")


async def test_taints(kubectl: Kubectl, node: str) -> None:
    assert await kubectl("taint", "node", node, "key=value:NoSchedule") == f"node/{node} tainted\n"
    obj: Any = await kubectl.json("get", "node", node)
    assert {"key": "key", "value": "value", "effect": "NoSchedule"} in obj["spec"]["taints"]
    said = await kubectl.fails("taint", "node", node, "key=value:NoSchedule")
    assert "already has key taint(s)" in said or "already has a taint" in said
    pin = f'{{"spec":{{"nodeSelector":{{"kubernetes.io/hostname":"{node}"}}}}}}'
    await kubectl("run", "p", "--image=busybox", f"--overrides={pin}")
    await kubectl("wait", "pod/p", "--for=condition=PodScheduled=False", "--timeout=20s")
    message = await kubectl("get", "pod", "p", "-o", "jsonpath={.status.conditions[0].message}")
    assert message.startswith("0/3 nodes are available: 1 node(s) had untolerated taint")
    assert await kubectl("taint", "node", node, "key-") == f"node/{node} untainted\n"
    await kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    assert "not found" in await kubectl.fails("taint", "node", node, "key-")


async def test_labels_of_nodes_steer_pods(kubectl: Kubectl, node: str) -> None:
    await kubectl("label", "node", node, "node-role.kubernetes.io/worker=")
    assert (await kubectl("get", "node", node, "--no-headers")).split()[2] == "worker"
    await kubectl("label", "node", node, "node-role.kubernetes.io/worker-")
