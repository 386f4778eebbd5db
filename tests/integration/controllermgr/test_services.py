"""Endpoints and EndpointSlices over the real API."""

from __future__ import annotations

from typing import Any

from machinery.client.api import Object
from machinery.client.resources import DEPLOYMENTS, ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from machinery.objects import meta
from tests.support.workloads import NAMESPACE, Stage, stage, workload


def service(**spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "x"}, "ports": ports, **spec},
    }


async def addresses(on: Stage) -> tuple[list[str], list[str]]:
    """(ready, not ready) by Endpoints."""
    found = (await on.get(ENDPOINTS, "x")).get("subsets") or []

    def listed(field: str) -> list[str]:
        return sorted(each["ip"] for subset in found for each in subset.get(field) or ())

    return listed("addresses"), listed("notReadyAddresses")


async def endpoints(on: Stage) -> dict[str, tuple[bool, bool, bool]]:
    """Address -> (ready, serving, terminating) by all slices."""
    return {
        each["addresses"][0]: tuple(each["conditions"][name] for name in ("ready", "serving", "terminating"))
        for found in await on.every(ENDPOINT_SLICES)
        for each in found.get("endpoints") or ()
    }


async def play(on: Stage) -> None:
    """Run all pods, each with an address of its own."""
    for number, name in enumerate(await on.pod_names()):
        ip = f"10.244.0.{number + 1}"
        await on.play("Running", name, podIP=ip, podIPs=[{"ip": ip}])


async def test_a_service_lists_its_pods_as_they_come_get_ready_and_go() -> None:
    async with stage() as on:
        await on.create(SERVICES, service())
        assert await addresses(on) == ([], [])
        (blank,) = await on.every(ENDPOINT_SLICES)
        assert not blank.get("endpoints")
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=2))
        await on.bind()
        await play(on)
        assert await addresses(on) == (["10.244.0.1", "10.244.0.2"], [])
        assert await endpoints(on) == {"10.244.0.1": (True, True, False), "10.244.0.2": (True, True, False)}
        first = (await on.pod_names())[0]
        await on.play("Pending", first, podIP="10.244.0.1", podIPs=[{"ip": "10.244.0.1"}])
        assert await addresses(on) == (["10.244.0.2"], ["10.244.0.1"])
        await on.change(DEPLOYMENTS, "x", replicas=1)
        assert await addresses(on) == (["10.244.0.2"], [])
        assert (await endpoints(on))["10.244.0.1"] == (False, False, True)
        await on.reap()
        assert list(await endpoints(on)) == ["10.244.0.2"]


async def test_slices_say_whose_they_are_and_go_with_the_service() -> None:
    async with stage() as on:
        await on.create(SERVICES, service())
        (found,) = await on.every(ENDPOINT_SLICES)
        assert meta.name(found).startswith("x-")
        assert meta.labels(found) == {
            "team": "a",
            "kubernetes.io/service-name": "x",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        assert found["addressType"] == "IPv4"
        await on.client.delete(SERVICES, "x", namespace=NAMESPACE)
        await on.settle()
        await on.advance(seconds=5)
        assert await on.every(ENDPOINT_SLICES) == [each for each in await on.every(ENDPOINT_SLICES) if _other(each)]
        assert not await on.exists(ENDPOINTS, "x")


def _other(each: Object) -> bool:
    return meta.label(each, "kubernetes.io/service-name") != "x"


async def test_a_headless_service_is_labelled_and_names_its_pods() -> None:
    async with stage() as on:
        await on.create(SERVICES, service(clusterIP="None"))
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "labels": {"app": "x"}},
            "spec": {"hostname": "h", "subdomain": "x", "containers": [{"name": "c", "image": "i"}]},
        }
        await on.create(PODS, pod)
        await on.bind()
        await play(on)
        (found,) = await on.every(ENDPOINT_SLICES)
        assert meta.label(found, "service.kubernetes.io/headless") == ""
        assert found["endpoints"][0]["hostname"] == "h"


async def test_without_a_selector_endpoints_are_left_alone() -> None:
    async with stage() as on:
        own = service()
        del own["spec"]["selector"]
        await on.create(SERVICES, own)
        assert not await on.exists(ENDPOINTS, "x")
        assert [each for each in await on.every(ENDPOINT_SLICES) if not _other(each)] == []


async def test_a_crowd_is_spread_over_slices() -> None:
    async with stage("deployment", "replicaset", "endpointslice", "serviceaccount") as on:
        await on.create(SERVICES, service())
        await on.create(DEPLOYMENTS, workload("Deployment", replicas=120))
        await on.advance(seconds=1)
        await play(on)
        await on.advance(seconds=5)
        assert len(await endpoints(on)) == 120
        assert sorted(len(each["endpoints"]) for each in await on.every(ENDPOINT_SLICES) if not _other(each)) == [
            20,
            100,
        ]
