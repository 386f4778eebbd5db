"""A node renews its own certificate, through the controllers that sign it, on a clock that the test moves."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from actors import System, VirtualClock
from machinery.client.api import Client, Object
from machinery.client.resources import CERTIFICATE_SIGNING_REQUESTS, NODES, PODS, SERVICE_ACCOUNTS
from machinery.objects import conditions
from machinery.pki.files import write_file
from machinery.pki.request import node_of, validity
from machinery.pki.tls import Identity
from nodeagent.app import NodeAgent
from nodeagent.config import Config
from nodeagent.node.rotation import deadline
from pilothouse import pki
from pilothouse.cluster import Cluster


@dataclass
class World:
    """A cluster without a scheduler, and node n1 whose certificate is in `path`."""

    cluster: Cluster
    clock: VirtualClock
    client: Client
    path: pathlib.Path

    def certificate(self) -> tuple[Any, Any]:
        """(begin, end) of what is in the file; it must be a pair of the node."""
        both = self.path.read_bytes()
        Identity(both, both).checked()
        assert node_of(both) == "n1"
        return validity(both)

    def issue(self) -> None:
        """What the join left, good for an hour."""
        now, groups, hour = self.clock.now(), ["system:nodes"], timedelta(hours=1)
        authority = pki.Authority.create("any", now=now)
        pair = authority.issue("system:node:n1", now=now, organizations=groups, client=True, lifetime=hour)
        write_file(self.path, pair.certificate + pair.key, secret=True)

    async def approve(self, csr: Object) -> None:
        """`kubectl certificate approve`."""
        approved = {"type": "Approved", "status": "True", "reason": "Test", "message": "by hand"}
        status = {"conditions": [approved]}
        await self.client.update(CERTIFICATE_SIGNING_REQUESTS, {**csr, "status": status}, subresource="approval")
        await self.clock.settle()

    async def requests(self) -> list[Object]:
        return list((await self.client.list(CERTIFICATE_SIGNING_REQUESTS)).items)

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[NodeAgent]:
        identity: dict[str, Any] = {"user": "system:node:n1", "groups": ("system:nodes",)}
        agent = NodeAgent(
            Config(nodes=("n1",)),
            clock=self.clock,
            client=self.cluster.client(**identity),
            tunnel_channel=self.cluster.channel(**identity),
            certificate=self.path,
        )
        async with System(agent.spec(), clock=self.clock, name="agent"):
            await self.clock.settle()
            yield agent


@pytest.fixture
async def world(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """With the controllers that the test names, else with those that approve and sign."""
    clock = VirtualClock()
    controllers = getattr(request, "param", ("csrapproving", "csrsigning"))
    async with Cluster(clock=clock, agents=False, scheduler=False, controllers=controllers) as cluster:
        client = cluster.client()
        await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
        world = World(cluster, clock, client, tmp_path / "kubelet-client-current.pem")
        world.issue()
        yield world


async def test_it_is_renewed_between_70_and_90_percent_of_its_life(world: World) -> None:
    begin, end = world.certificate()
    async with world.agent():
        await world.clock.advance(seconds=(deadline(begin, end, chance=0.0) - world.clock.now()).total_seconds() - 1)
        assert world.certificate() == (begin, end)
        assert await world.requests() == []
        await world.clock.advance(seconds=(deadline(begin, end, chance=1.0) - world.clock.now()).total_seconds())
        renewed = world.certificate()
        assert renewed[0] >= deadline(begin, end, chance=0.0) - timedelta(minutes=5)  # it is backdated
        assert renewed[1] > end
        (made,) = await world.requests()
        assert made["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
        assert made["spec"]["username"] == "system:node:n1"
        assert made["spec"]["usages"] == ["digital signature", "client auth"]
        assert made["metadata"]["name"].startswith("csr-")
        approved = conditions.get(made, "Approved")
        assert approved is not None and approved["reason"] == "AutoApproved"
        assert world.path.stat().st_mode & 0o777 == 0o600
        assert [each.name for each in world.path.parent.iterdir()] == [world.path.name]


async def test_pods_and_open_logs_go_on_while_it_is_renewed(world: World) -> None:
    begin, end = world.certificate()
    async with world.agent() as agent:
        pod = {
            "metadata": {"name": "web", "annotations": {"fake.pilothouse.dev/logs": "one"}},
            "spec": {
                "nodeName": "n1",
                "automountServiceAccountToken": False,
                "containers": [{"name": "app", "image": "nginx:1.25"}],
            },
        }
        await world.client.create(PODS, pod, namespace="default")
        await world.clock.settle()
        before = (await world.client.get(PODS, "web", namespace="default"))["status"]
        fake = agent.fakes["n1"]
        container = fake.find("default", "web", "app")
        followed = world.client.logs("default", "web", {"follow": True})
        assert await anext(followed) == b"one\n"

        await world.clock.advance(seconds=(deadline(begin, end, chance=1.0) - world.clock.now()).total_seconds())
        assert world.certificate()[1] > end
        await world.clock.advance(minutes=1)
        # Two streams: what is followed goes on on the old one, what is asked now is answered on the new one.
        fake.print(container, "two")
        assert await anext(followed) == b"two\n"
        assert [piece async for piece in world.client.logs("default", "web", {})] == [b"one\ntwo\n"]
        assert tunnels(world) == 2
        await followed.aclose()  # type: ignore[attr-defined]  # it is a generator
        await world.clock.settle()
        assert tunnels(world) == 1
        assert [piece async for piece in world.client.logs("default", "web", {})] == [b"one\ntwo\n"]
        after = (await world.client.get(PODS, "web", namespace="default"))["status"]
        assert after["containerStatuses"] == before["containerStatuses"]
        assert conditions.is_true(await world.client.get(NODES, "n1"), "Ready")


def tunnels(world: World) -> int:
    """How many streams of agents the apiserver has."""
    (apiserver,) = [each for each in world.cluster.tree().walk() if each.path.endswith("apiserver/tunnels")]
    return len(apiserver.children)


@pytest.mark.parametrize("world", [("csrsigning",)], indirect=True)
async def test_it_asks_again_when_nobody_answers(world: World) -> None:
    begin, end = world.certificate()
    async with world.agent():
        await world.clock.advance(seconds=(deadline(begin, end, chance=1.0) - world.clock.now()).total_seconds())
        assert world.certificate() == (begin, end)
        (first,) = await world.requests()
        assert conditions.all_of(first) == []
        await world.clock.advance(minutes=16)  # a request waits for fifteen, whenever it was made
        (second,) = [each for each in await world.requests() if each["metadata"]["name"] != first["metadata"]["name"]]
        await world.approve(second)
        assert world.certificate()[1] > end


@pytest.mark.parametrize("world", [("csrsigning",)], indirect=True)
async def test_an_agent_that_died_while_it_asked_asks_again(world: World) -> None:
    begin, end = world.certificate()
    async with world.agent():
        await world.clock.advance(seconds=(deadline(begin, end, chance=1.0) - world.clock.now()).total_seconds())
        (first,) = await world.requests()
    # The key of that request died with the agent: a certificate for it is of no use, and the old pair is whole.
    await world.approve(first)
    assert world.certificate() == (begin, end)
    async with world.agent():
        (second,) = [each for each in await world.requests() if each["metadata"]["name"] != first["metadata"]["name"]]
        await world.approve(second)
        assert world.certificate()[1] > end


async def test_a_file_that_is_gone_is_made_again(world: World) -> None:
    async with world.agent():
        world.path.unlink()
        await world.clock.advance(hours=1, minutes=1)
        assert world.certificate()[1] > world.clock.now()


@pytest.mark.parametrize(("chance", "days"), [(0.0, 70), (0.5, 80), (1.0, 90)])
def test_the_moment_is_each_nodes_own(chance: float, days: int) -> None:
    begin = VirtualClock().now()
    assert deadline(begin, begin + timedelta(days=100), chance=chance) == begin + timedelta(days=days)
