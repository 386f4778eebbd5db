"""Nodes that fall silent, and what becomes of their pods; ranges of addresses; pods of nodes that are gone."""

from __future__ import annotations

from typing import Any

from machinery.client.api import Object
from machinery.client.resources import LEASES, NODES, PODS
from machinery.objects import conditions, meta, node, taints, timefmt
from tests.support.workloads import NAMESPACE, Stage, stage, template

UNREACHABLE = "node.kubernetes.io/unreachable"
FOREVER = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}


async def register(on: Stage, *names: str) -> None:
    """Nodes with their Leases, all ready."""
    for name in names:
        await on.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": node.LEASE_NAMESPACE},
            "spec": {"holderIdentity": name},
        }
        await on.client.create(LEASES, lease)
        await say_ready(on, name)
    await on.settle()


async def say_ready(on: Stage, name: str) -> None:
    """A status as an agent writes it."""
    host = await on.client.get(NODES, name)
    stamp = timefmt.format(on.cluster.clock.now())
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
    told = {**host, "status": {"conditions": [{**ready, "reason": "KubeletReady"}]}}
    await on.client.update(NODES, told, subresource="status")


async def renew(on: Stage, *names: str) -> None:
    """A Lease's renewal."""
    for name in names:
        lease = await on.client.get(LEASES, name, namespace=node.LEASE_NAMESPACE)
        spec = {**lease["spec"], "renewTime": timefmt.format_micro(on.cluster.clock.now())}
        await on.client.update(LEASES, {**lease, "spec": spec})


async def live(on: Stage, *names: str, seconds: int) -> None:
    """Time passes, and these nodes give signs of life."""
    for _ in range(seconds // 10):
        await on.advance(seconds=10)
        await renew(on, *names)
    await on.settle()


async def pod_on(on: Stage, name: str, host: str, *tolerations: dict[str, Any]) -> None:
    """A pod that runs on a node."""
    spec = {**template()["spec"], "nodeName": host, "tolerations": list(tolerations)}
    await on.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    await on.play("Running", name)


async def marks(on: Stage, name: str) -> set[tuple[str, str]]:
    return {(each["key"], each["effect"]) for each in node.taints(await on.client.get(NODES, name))}


async def ready(on: Stage, name: str) -> tuple[str, str]:
    told: Object = conditions.get(await on.client.get(NODES, name), "Ready") or {}
    return told["status"], told.get("reason", "")


async def test_a_silent_node_is_noticed_and_its_pods_go_after_their_time() -> None:
    async with stage() as on:
        await register(on, "good", "bad")
        await pod_on(on, "patient", "bad")
        await pod_on(on, "hasty", "bad", {**FOREVER, "tolerationSeconds": 20})
        await pod_on(on, "steady", "bad", {"operator": "Exists"})
        await pod_on(on, "elsewhere", "good")
        await live(on, "good", "bad", seconds=60)
        assert await ready(on, "bad") == ("True", "KubeletReady")
        await live(on, "good", seconds=40)
        assert await marks(on, "bad") == set()
        await live(on, "good", seconds=20)
        assert await ready(on, "bad") == ("Unknown", "NodeStatusUnknown")
        assert await ready(on, "good") == ("True", "KubeletReady")
        assert await marks(on, "bad") == {(UNREACHABLE, taints.NO_SCHEDULE), (UNREACHABLE, taints.NO_EXECUTE)}
        assert conditions.status_of(await on.get(PODS, "patient"), "Ready") == "False"
        assert "NodeNotReady" in await on.reasons("Pod")
        await live(on, "good", seconds=20)
        assert meta.is_deleting(await on.get(PODS, "hasty"))
        assert conditions.is_true(await on.get(PODS, "hasty"), "DisruptionTarget")
        assert not meta.is_deleting(await on.get(PODS, "patient")), "five minutes are everybody's by default"
        await live(on, "good", seconds=300)
        assert meta.is_deleting(await on.get(PODS, "patient"))
        assert not meta.is_deleting(await on.get(PODS, "steady"))
        assert not meta.is_deleting(await on.get(PODS, "elsewhere"))


async def test_a_node_that_comes_back_in_time_keeps_its_pods() -> None:
    async with stage() as on:
        await register(on, "good", "bad")
        await pod_on(on, "patient", "bad")
        await live(on, "good", seconds=100)
        assert (UNREACHABLE, taints.NO_EXECUTE) in await marks(on, "bad")
        await say_ready(on, "bad")
        await on.settle()
        assert await marks(on, "bad") == set()
        await live(on, "good", "bad", seconds=400)
        assert not meta.is_deleting(await on.get(PODS, "patient"))


async def test_while_no_node_is_ready_nothing_is_evicted() -> None:
    async with stage() as on:
        await register(on, "one", "two")
        await on.advance(seconds=120)
        assert await marks(on, "one") == await marks(on, "two") == {(UNREACHABLE, taints.NO_SCHEDULE)}
        await say_ready(on, "one")
        await on.settle()
        assert await marks(on, "one") == set()
        assert (UNREACHABLE, taints.NO_EXECUTE) in await marks(on, "two")


async def test_in_a_zone_that_is_mostly_silent_nothing_is_evicted() -> None:
    async with stage() as on:
        await register(on, "a", "b", "c", "d")
        await live(on, "a", seconds=100)
        silent = ("b", "c", "d")
        assert [await marks(on, name) for name in silent] == [{(UNREACHABLE, taints.NO_SCHEDULE)}] * 3
        await say_ready(on, "d")
        await live(on, "a", "d", seconds=20)
        both = {(UNREACHABLE, taints.NO_SCHEDULE), (UNREACHABLE, taints.NO_EXECUTE)}
        assert [await marks(on, name) for name in silent] == [both, both, set()]


async def test_every_node_gets_a_range_of_its_own() -> None:
    async with stage() as on:
        await register(on, "a", "b", "c")
        ranges = [node.pod_cidrs(await on.client.get(NODES, name)) for name in ("a", "b", "c")]
        assert sorted(ranges) == [["10.244.0.0/24"], ["10.244.1.0/24"], ["10.244.2.0/24"]]


async def test_a_cordoned_node_is_tainted() -> None:
    async with stage() as on:
        await register(on, "a")
        host = await on.client.get(NODES, "a")
        await on.client.update(NODES, {**host, "spec": {**host["spec"], "unschedulable": True}})
        await on.settle()
        assert await marks(on, "a") == {("node.kubernetes.io/unschedulable", taints.NO_SCHEDULE)}


async def test_pods_of_a_node_that_is_gone_are_removed_after_a_quarantine() -> None:
    async with stage() as on:
        await register(on, "a")
        await pod_on(on, "p", "a")
        await on.client.delete(NODES, "a")
        await on.advance(seconds=30)
        assert await on.exists(PODS, "p")
        await on.advance(seconds=40)
        assert not await on.exists(PODS, "p")
        assert (await on.client.list(PODS, namespace=NAMESPACE)).items == []
