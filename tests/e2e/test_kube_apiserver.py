"""Kubernetes' own API server, controllers and scheduler on etcdlite, unmodified; the store killed under them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from machinery import manifest
from tests.support import kubectl as binaries
from tests.support.etcd import EtcdliteProcess
from tests.support.kubectl import Kubectl
from tests.support.kubernetes import ControlPlane, beside, control_plane, kube_apiserver

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("kube-apiserver"),
    pytest.mark.skipif(kube_apiserver() is None, reason="$KUBE_APISERVER does not name a kube-apiserver"),
    pytest.mark.skipif(not binaries.newest(), reason=binaries.WHY_NOT),
]

NODES = 3
REPLICAS = 30

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
                        "size": {"type": "integer"}}}}}
                },
            }
        ],
    },
}  # fmt: skip


def config_map(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"cm-{number:03d}", "labels": {"of": "many"}},
        "data": {"number": str(number)},
    }


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[EtcdliteProcess, ControlPlane, Kubectl]]:
    store = EtcdliteProcess(tmp_path)
    await asyncio.to_thread(store.start)
    with contextlib.ExitStack() as stack:
        stack.callback(store.kill)
        plane = await asyncio.to_thread(stack.enter_context, control_plane(tmp_path, f"http://{store.address}"))
        yield store, plane, Kubectl(binaries.newest(), plane.kubeconfig, tmp_path)


async def done(kubectl: Kubectl, *arguments: str, stdin: Any = None) -> str:
    """What it printed; tried again while the API server has no store."""
    text = "" if stdin is None else "---\n".join(manifest.dump(each) for each in stdin)
    async with asyncio.timeout(60):
        while True:
            result = await kubectl.run(*arguments, stdin=text)
            if result.code == 0:
                return result.out
            await asyncio.sleep(0.5)


async def test_everything_lives_on_it_through_kills(
    cluster: tuple[EtcdliteProcess, ControlPlane, Kubectl],
) -> None:
    store, plane, kubectl = cluster
    await done(kubectl, "apply", "--validate=false", "-f", "-", stdin=[CRD])
    await done(kubectl, "wait", "--for=condition=Established", "crd/widgets.example.com")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}}
    await done(kubectl, "apply", "--validate=false", "-f", "-", stdin=[widget])
    maps = [config_map(number) for number in range(120)]
    heard: Counter[tuple[str, str]] = Counter()

    async def follow() -> None:
        watch = ("get", "cm", "-l", "of=many", "--watch", "--output-watch-events", "--no-headers")
        async with kubectl.streaming(*watch) as line:
            while True:
                kind, name, *_ = (await line()).split()
                heard[kind, name] += 1

    following = asyncio.create_task(follow())
    await done(kubectl, "apply", "--validate=false", "-f", "-", stdin=maps[:60])
    store.kill()
    await asyncio.to_thread(store.start)
    await done(kubectl, "apply", "--validate=false", "-f", "-", stdin=maps[60:])
    listed = json.loads(await done(kubectl, "get", "cm", "-l", "of=many", "-o", "json", "--chunk-size=17"))
    assert [item["data"]["number"] for item in listed["items"]] == [str(number) for number in range(120)]
    expected = Counter({("ADDED", each["metadata"]["name"]): 1 for each in maps})
    async with asyncio.timeout(30):
        while sum(heard.values()) < len(maps):  # noqa: ASYNC110  # kubectl tells as it hears
            await asyncio.sleep(0.05)
    assert heard == expected, "each object was told once, also across the kill"
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    assert json.loads(await done(kubectl, "get", "widget", "w", "-o", "json"))["spec"] == {"size": 3}
    assert "panic" not in plane.log("kube-apiserver")


@pytest.mark.skipif(
    not (beside("kube-scheduler") and beside("kube-controller-manager")),
    reason="there is no kube-scheduler or no kube-controller-manager beside kube-apiserver",
)
async def test_its_controllers_and_scheduler_converge_while_the_store_is_killed(
    cluster: tuple[EtcdliteProcess, ControlPlane, Kubectl],
) -> None:
    store, _, kubectl = cluster
    ready = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}]
    capacity = {"cpu": "64", "memory": "64Gi", "pods": "110"}
    nodes = [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}"},
         "status": {"conditions": ready, "capacity": capacity, "allocatable": capacity}}
        for number in range(NODES)
    ]  # fmt: skip
    await done(kubectl, "create", "--validate=false", "-f", "-", stdin=nodes)
    await done(kubectl, "create", "deployment", "web", "--image=web:1")
    await done(kubectl, "scale", "deployment", "web", f"--replicas={REPLICAS}")
    for _ in range(3):
        store.kill()
        await asyncio.to_thread(store.start)
        await asyncio.sleep(1)  # the work goes on, and is cut off again
    async with asyncio.timeout(120):
        while True:
            pods = json.loads(await done(kubectl, "get", "pods", "-l", "app=web", "-o", "json"))["items"]
            sets = json.loads(await done(kubectl, "get", "rs", "-o", "json"))["items"]
            bound = [pod for pod in pods if pod["spec"].get("nodeName")]
            if len(bound) == REPLICAS and [each["status"]["replicas"] for each in sets] == [REPLICAS]:
                break
            await asyncio.sleep(0.5)
    assert len(pods) == len({pod["metadata"]["uid"] for pod in pods}) == REPLICAS
    assert {pod["spec"]["nodeName"] for pod in pods} == {node["metadata"]["name"] for node in nodes}
    await done(kubectl, "delete", "deployment", "web", "--wait=false")
    async with asyncio.timeout(120):
        while json.loads(await done(kubectl, "get", "rs", "-o", "json"))["items"]:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
