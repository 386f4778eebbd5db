"""A control plane without nodes on a clock that tests move, and the part of the nodes played by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors import VirtualClock
from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import EVENTS, NODES, PODS
from machinery.errors import NotFound
from machinery.objects import conditions, meta, pod
from machinery.objects.gvk import GVR
from pilothouse.cluster import Cluster

NAMESPACE = "default"
AT_ONCE = DeleteOptions(grace_period_seconds=0)


class Stage:
    """A running control plane: its API, its clock, and pods whose fate the test decides."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = cluster.client()

    async def settle(self) -> None:
        """Let every loop do what it can do now."""
        await self.cluster.settle()

    async def advance(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Let virtual time pass."""
        await self.cluster.advance(seconds=seconds, minutes=minutes, hours=hours)

    async def create(self, resource: GVR, obj: Object) -> Object:
        """Create an object in the test's namespace and let the loops act on it."""
        made = await self.client.create(resource, obj, namespace="" if resource == NODES else NAMESPACE)
        await self.settle()
        return made

    async def change(self, resource: GVR, name: str, **spec: Any) -> None:
        """Set fields of an object's spec and let the loops act on it."""
        current = await self.get(resource, name)
        await self.client.update(resource, {**current, "spec": {**current["spec"], **spec}})
        await self.settle()

    async def get(self, resource: GVR, name: str) -> Object:
        """An object of the test's namespace."""
        return await self.client.get(resource, name, namespace=NAMESPACE)

    async def exists(self, resource: GVR, name: str) -> bool:
        """Whether there is an object of that name."""
        try:
            await self.get(resource, name)
        except NotFound:
            return False
        return True

    async def every(self, resource: GVR) -> Sequence[Object]:
        """All objects of the test's namespace."""
        return (await self.client.list(resource, namespace=NAMESPACE)).items

    async def pods(self) -> list[Object]:
        """The pods that are not at their end or on their way there, by name."""
        return sorted(filter(pod.is_active, await self.every(PODS)), key=meta.name)

    async def pod_names(self) -> list[str]:
        """Their names."""
        return [meta.name(each) for each in await self.pods()]

    async def bind(self) -> None:
        """What a scheduler would do, to a node that nobody has to know: deletions of the pods wait for `reap`."""
        for each in await self.pods():
            if not pod.node_name(each):
                target = {"apiVersion": "v1", "kind": "Node", "name": "somewhere"}
                binding = {"apiVersion": "v1", "kind": "Binding", "metadata": each["metadata"], "target": target}
                await self.client.create(
                    PODS, binding, namespace=NAMESPACE, name=meta.name(each), subresource="binding"
                )
        await self.settle()

    async def play(self, phase: str = "Running", *names: str, **status: Any) -> None:
        """What a node would report of active pods: Running means ready too. Without names, of all that are new."""
        for each in await self.pods():
            if (meta.name(each) in names) if names else not conditions.all_of(each):
                ready = {"type": "Ready", "status": str(phase == "Running")}
                ready["lastTransitionTime"] = meta.metadata(each)["creationTimestamp"]
                told = {"phase": phase, "conditions": [ready], **status}
                await self.client.update(PODS, {**each, "status": told}, subresource="status")
        await self.settle()

    async def reap(self) -> None:
        """What nodes do in the end: pods that are being deleted go."""
        for each in await self.every(PODS):
            if meta.is_deleting(each):
                await self.client.delete(PODS, meta.name(each), namespace=NAMESPACE, options=AT_ONCE)
        await self.settle()

    async def reasons(self, kind: str) -> list[str]:
        """The reasons of the events about objects of a kind, sorted."""
        return sorted(each["reason"] for each in await self.every(EVENTS) if each["involvedObject"]["kind"] == kind)


@asynccontextmanager
async def stage(*controllers: str) -> AsyncIterator[Stage]:
    """A stage with all loops, or those that are named."""
    async with Cluster(
        clock=VirtualClock(), scheduler=False, agents=False, controllers=controllers or ("*",)
    ) as cluster:
        await cluster.settle()
        yield Stage(cluster)


def template(restart_policy: str = "Always", image: str = "image:1") -> Object:
    """A pod template with the label app=x."""
    containers = [{"name": "main", "image": image}]
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": restart_policy, "containers": containers}}


def workload(kind: str, name: str = "x", **spec: Any) -> Object:
    """An object of the apps group that selects app=x."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template(), **spec},
    }
