"""The embedded cluster and its pytest fixtures: what a user's own test builds on."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors import VirtualClock
from machinery.client.api import Client
from machinery.client.resources import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS
from machinery.client.watch import states
from machinery.errors import NotFound
from pilothouse import Cluster

MakeCluster = Callable[..., Awaitable[Cluster]]


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
        },
    }


async def available(cluster: Cluster, name: str, replicas: int) -> None:
    """Return when a Deployment has that many available replicas."""
    async with asyncio.timeout(30):
        async for obj in states(cluster.client(), DEPLOYMENTS, clock=cluster.clock, namespace="default"):
            if obj["metadata"]["name"] == name and obj.get("status", {}).get("availableReplicas") == replicas:
                return


async def names(client: Client) -> list[str]:
    return [obj["metadata"]["name"] for obj in (await client.list(CONFIG_MAPS, namespace="default")).items]


async def test_the_fixture_gives_a_running_cluster(cluster: Cluster) -> None:
    client = cluster.client()
    await client.create(DEPLOYMENTS, deployment("web", 2), namespace="default")
    await available(cluster, "web", 2)
    pods = (await client.list(PODS, namespace="default")).items
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1"}
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}


async def test_two_clusters_side_by_side_share_nothing(make_cluster: MakeCluster) -> None:
    one, two = await asyncio.gather(make_cluster(name="one"), make_cluster(name="two", nodes=3))
    await one.client().create(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}, namespace="default"
    )
    assert "mine" in await names(one.client())
    assert "mine" not in await names(two.client())
    assert len((await two.client().list(NODES)).items) == 3
    assert (one.tree().name, two.tree().name) == ("one", "two")


async def test_a_virtual_clock_is_moved_by_hand() -> None:
    async with Cluster(nodes=1, clock=VirtualClock()) as cluster:
        await cluster.settle()
        client = cluster.client()
        await client.create(DEPLOYMENTS, deployment("web", 1), namespace="default")
        await cluster.advance(seconds=10)
        created = (await client.get(DEPLOYMENTS, "web", namespace="default"))["metadata"]["creationTimestamp"]
        await cluster.advance(hours=2)
        await client.create(DEPLOYMENTS, deployment("later", 1), namespace="default")
        later = (await client.get(DEPLOYMENTS, "later", namespace="default"))["metadata"]["creationTimestamp"]
        assert later > created
        web = await client.get(DEPLOYMENTS, "web", namespace="default")
        assert web["status"]["availableReplicas"] == 1


async def test_time_cannot_be_moved_on_the_systems_clock(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="VirtualClock"):
        await cluster.advance(hours=1)


async def test_a_fork_goes_its_own_way(cluster: Cluster) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before"}}
    await cluster.client().create(CONFIG_MAPS, body, namespace="default")
    async with await cluster.fork() as fork:
        after = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after"}}
        await fork.client().create(CONFIG_MAPS, after, namespace="default")
        assert {"before", "after"} <= set(await names(fork.client()))
        assert "after" not in await names(cluster.client())


async def test_data_survives_in_a_directory(tmp_path: pathlib.Path) -> None:
    async with Cluster(nodes=0, data_dir=tmp_path) as first:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}
        uid = (await first.client().create(NAMESPACES, namespace))["metadata"]["uid"]
    async with Cluster(nodes=0, data_dir=tmp_path) as second:
        assert (await second.client().get(NAMESPACES, "kept"))["metadata"]["uid"] == uid


async def test_a_loop_can_be_switched_off_by_name() -> None:
    async with Cluster(nodes=1, controllers=("*", "-deployment")) as cluster:
        await cluster.client().create(DEPLOYMENTS, deployment("web", 1), namespace="default")
        await cluster.nodes_ready()
        with pytest.raises(NotFound):
            await cluster.client().get(PODS, "web", namespace="default")
        units = {unit.name: unit for unit in (await _units(cluster)).units}
        assert units["deployment"].active_state == "inactive"
        assert units["replicaset"].active_state == "active"


async def _units(cluster: Cluster) -> Any:
    from machinery.rpc import Stub
    from protos.pool import messages

    return await Stub(cluster.channel(), "pilot.v1.Units").ListUnits(messages("pilot.v1").ListUnitsRequest())


async def test_kubeconfig_needs_a_listener(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="does not listen"):
        cluster.kubeconfig()
