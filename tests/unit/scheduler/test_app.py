"""The whole scheduler against an API server in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors import ChildSpec, Strategy, Supervisor, System, SystemClock
from apiserver.app import ApiServer
from apiserver.config import Config as ApiConfig
from etcdlite.app import EtcdLite
from etcdlite.config import Config as StoreConfig
from machinery.client.api import Client, DeleteOptions, Object, PatchType
from machinery.client.grpc import ApiClient
from machinery.client.resources import EVENTS, LEASES, NODES, PODS, SERVICE_ACCOUNTS
from machinery.errors import AlreadyExists, NotFound
from machinery.objects import conditions
from machinery.objects.gvk import GVR
from machinery.rpc import LocalChannel
from machinery.rpc.api import Peer
from scheduler.app import Scheduler
from scheduler.config import Config
from tests.unit.scheduler.build import node, pod

_PRIORITIES = GVR("scheduling.k8s.io", "v1", "priorityclasses")


class Cluster:
    """A client with all rights, and the scheduler."""

    def __init__(self, client: Client, scheduler: Scheduler, system: System) -> None:
        self.client = client
        self.scheduler = scheduler
        self.system = system

    async def add_node(self, obj: Object) -> None:
        """A node that is ready: without the taint that admission puts on new ones."""
        await self.client.create(NODES, obj)
        name = obj["metadata"]["name"]
        await self.client.patch(NODES, name, {"status": obj["status"]}, PatchType.MERGE, subresource="status")
        await self.client.patch(NODES, name, {"spec": {"taints": obj["spec"]["taints"] or None}}, PatchType.MERGE)

    async def add_pod(self, obj: Object) -> None:
        """A new pod; the server gives the uid."""
        del obj["metadata"]["uid"]
        await self.client.create(PODS, obj, namespace="default")

    async def pod(self, name: str) -> Object:
        return await self.client.get(PODS, name, namespace="default")

    async def node_of(self, name: str) -> str:
        return str((await self.pod(name))["spec"].get("nodeName") or "")

    async def condition(self, name: str) -> Object:
        return conditions.get(await self.pod(name), "PodScheduled") or {}

    async def events(self, reason: str) -> list[str]:
        page = await self.client.list(EVENTS, namespace="default")
        return [each["message"] for each in page.items if each["reason"] == reason]

    async def until(self, check: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> None:
        """Until the world is so. Real time: everything in it is pushed, so this is soon."""
        async with asyncio.timeout(seconds):
            while not await check():  # noqa: ASYNC110 - the API is asked as any client would
                await asyncio.sleep(0.01)

    async def until_on(self, name: str, wanted: str) -> None:
        async def there() -> bool:
            return await self.node_of(name) == wanted

        await self.until(there)

    async def until_says(self, name: str, text: str) -> None:
        async def says() -> bool:
            return text in str((await self.condition(name)).get("message"))

        await self.until(says)


@asynccontextmanager
async def cluster(**settings: Any) -> AsyncIterator[Cluster]:
    clock = SystemClock()
    store = EtcdLite(StoreConfig(), clock=clock)
    server = ApiServer(ApiConfig(), clock=clock, etcd=LocalChannel(store.services()))

    def client(name: str, *groups: str) -> Client:
        return ApiClient(LocalChannel(server.services(), peer=Peer(name, groups)))

    settings = {"pod_initial_backoff": 0.01, "pod_max_backoff": 0.05, **settings}
    scheduler = Scheduler(Config(**settings), clock=clock, client=client("system:kube-scheduler"))
    children = [store.spec(), server.spec(), scheduler.spec()]
    root = ChildSpec("test", lambda: Supervisor(children, strategy=Strategy.REST_FOR_ONE))
    async with System(root, clock=clock) as system:
        admin = client("admin", "system:masters")
        await scheduler.ready()
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "default"},
        }
        async with asyncio.timeout(10):
            while True:
                try:
                    await admin.create(SERVICE_ACCOUNTS, account, namespace="default")
                    break
                except AlreadyExists:
                    break
                except NotFound:  # the namespace is being made
                    await asyncio.sleep(0.01)
        yield Cluster(admin, scheduler, system)


async def test_pods_are_bound_with_an_event_and_a_condition() -> None:
    async with cluster() as c:
        for name in ("a", "b"):
            await c.add_node(node(name))
        for number in range(20):
            await c.add_pod(pod(f"p{number}"))
        for number in range(20):
            await c.until(lambda name=f"p{number}": c.node_of(name))
        assert Counter([await c.node_of(f"p{number}") for number in range(20)]) == {"a": 10, "b": 10}
        assert (await c.condition("p0"))["status"] == "True"

        async def told() -> bool:
            return f"Successfully assigned default/p0 to {await c.node_of('p0')}" in await c.events("Scheduled")

        await c.until(told)
        decision = await c.scheduler.why("default", "p0")
        assert decision is not None and decision.node_name == await c.node_of("p0")


async def test_an_unschedulable_pod_says_why_and_is_woken_by_what_helps() -> None:
    async with cluster() as c:
        await c.add_pod(pod("p", nodeSelector={"disk": "ssd"}))
        await c.until_says("p", "no nodes available to schedule pods")
        await c.add_node(node("a"))
        message = (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. "
            "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        )
        await c.until_says("p", message)
        condition = await c.condition("p")
        assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")

        async def told() -> bool:
            return message in await c.events("FailedScheduling")

        await c.until(told)
        await c.client.patch(NODES, "a", {"metadata": {"labels": {"disk": "ssd"}}}, PatchType.MERGE)
        await c.until_on("p", "a")


@pytest.mark.parametrize(
    ("block", "free"),
    [
        pytest.param({"spec": {"unschedulable": True}}, {"spec": {"unschedulable": None}}, id="uncordon"),
        pytest.param(
            {"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}}, {"spec": {"taints": None}}, id="untaint"
        ),
    ],
)
async def test_nodes_open_again(block: Object, free: Object) -> None:
    async with cluster() as c:
        await c.add_node(node("a"))
        await c.client.patch(NODES, "a", block, PatchType.MERGE)
        await c.add_pod(pod("p"))
        await c.until_says("p", "0/1 nodes are available")
        await c.client.patch(NODES, "a", free, PatchType.MERGE)
        await c.until_on("p", "a")


async def test_a_pod_that_ends_or_goes_makes_room() -> None:
    async with cluster() as c:
        await c.add_node(node("a", cpu="1"))
        await c.add_pod(pod("first", cpu="1"))
        await c.until_on("first", "a")
        await c.add_pod(pod("second", cpu="1"))
        await c.until_says("second", "1 Insufficient cpu")
        await c.client.patch(
            PODS,
            "first",
            {"status": {"phase": "Succeeded"}},
            PatchType.MERGE,
            namespace="default",
            subresource="status",
        )
        await c.until_on("second", "a")
        await c.add_pod(pod("third", cpu="1"))
        await c.until_says("third", "1 Insufficient cpu")
        await c.client.delete(PODS, "second", namespace="default", options=DeleteOptions(grace_period_seconds=0))
        await c.until_on("third", "a")


async def test_gates_and_other_schedulers_are_respected() -> None:
    async with cluster() as c:
        await c.add_node(node("a"))
        await c.add_pod(pod("gated", schedulingGates=[{"name": "example.com/quota"}]))
        await c.add_pod(pod("foreign", schedulerName="another"))
        await c.add_pod(pod("plain"))
        await c.until_on("plain", "a")
        assert [await c.node_of("gated"), await c.node_of("foreign")] == ["", ""]
        assert (await c.condition("gated"))["reason"] == "SchedulingGated"
        await c.client.patch(PODS, "gated", {"spec": {"schedulingGates": None}}, PatchType.MERGE, namespace="default")
        await c.until_on("gated", "a")
        assert await c.node_of("foreign") == ""


async def test_a_more_important_pod_preempts() -> None:
    async with cluster() as c:
        await c.add_node(node("a", cpu="1"))
        await c.client.create(
            _PRIORITIES,
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": "high"},
                "value": 1000,
            },
        )
        await c.add_pod(pod("low", cpu="1"))
        await c.until_on("low", "a")
        await c.add_pod(pod("high", cpu="1", priorityClassName="high"))

        async def nominated_or_bound() -> bool:
            found = await c.pod("high")
            return bool(found["status"].get("nominatedNodeName") or found["spec"].get("nodeName"))

        await c.until(nominated_or_bound)

        async def leaving() -> bool:
            try:
                return "deletionTimestamp" in (await c.pod("low"))["metadata"]
            except NotFound:
                return True

        await c.until(leaving)
        low = await c.pod("low")
        assert conditions.get(low, "DisruptionTarget")["reason"] == "PreemptionByScheduler"  # type: ignore[index]
        await c.client.delete(PODS, "low", namespace="default", options=DeleteOptions(grace_period_seconds=0))
        await c.until_on("high", "a")
        uid = (await c.pod("high"))["metadata"]["uid"]

        async def told() -> bool:
            return f"Preempted by pod {uid} on node a" in await c.events("Preempted")

        await c.until(told)


async def test_a_crash_of_the_cycle_loses_nothing() -> None:
    async with cluster() as c:
        await c.add_node(node("a", cpu="1"))
        await c.add_pod(pod("first", cpu="600m"))
        await c.until_on("first", "a")
        await c.add_pod(pod("waits", cpu="600m"))
        await c.until_says("waits", "1 Insufficient cpu")
        await c.system.ref("scheduler/core/cycle").tell("nonsense")

        async def restarted() -> bool:
            return any(each.path == "scheduler/core/cycle" and each.restarts for each in c.system.tree().walk())

        await c.until(restarted)
        await c.add_pod(pod("small", cpu="300m"))
        await c.until_on("small", "a")
        assert await c.node_of("waits") == ""
        await c.client.delete(PODS, "first", namespace="default", options=DeleteOptions(grace_period_seconds=0))
        await c.until_on("waits", "a")


async def test_with_leader_election_the_leader_schedules() -> None:
    async with cluster(leader_elect=True, identity="me") as c:
        await c.add_node(node("a"))
        await c.add_pod(pod("p"))
        await c.until_on("p", "a")
        lease = await c.client.get(LEASES, "kube-scheduler", namespace="kube-system")
        assert lease["spec"]["holderIdentity"] == "me"
