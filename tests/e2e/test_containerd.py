"""Pods on a real containerd: what only a real runtime can prove."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from actors import System, SystemClock
from machinery.client.api import Client, DeleteOptions
from machinery.client.resources import CONFIG_MAPS, EVENTS, NODES, PODS, SECRETS
from machinery.errors import NotFound
from nodeagent.app import NodeAgent
from nodeagent.config import Config
from pilothouse.cluster import Cluster
from tests.support.containerd import IMAGE, Containerd, containerd, missing

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.root,
    pytest.mark.xdist_group("containerd"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "present"),
]

NAMESPACE = "default"
NODE: dict[str, Any] = {"user": "system:node:host", "groups": ("system:nodes",)}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    with containerd(tmp_path_factory.mktemp("containerd")) as running:
        yield running


@pytest.fixture
async def client(runtime: Containerd, tmp_path: Path) -> AsyncIterator[Client]:
    """A cluster whose one node is on containerd."""
    clock = SystemClock()
    async with Cluster(clock=clock, agents=False, scheduler=False) as cluster:
        config = Config(nodes=("host",), runtime=runtime.address, root_dir=str(tmp_path / "agent"))
        agent = NodeAgent(config, clock=clock, client=cluster.client(**NODE), tunnel_channel=cluster.channel(**NODE))
        async with System(agent.spec(), clock=clock, name="agent"):
            await asyncio.wait_for(agent.ready(), 20)
            client = cluster.client()
            await until(lambda: exists(client, "kube-root-ca.crt"))
            yield client
            for pod in (await client.list(PODS, namespace=NAMESPACE)).items:
                await client.delete(
                    PODS, pod["metadata"]["name"], namespace=NAMESPACE, options=DeleteOptions(grace_period_seconds=1)
                )
            await until(lambda: no_pods(client))


async def exists(client: Client, name: str) -> bool:
    try:
        await client.get(CONFIG_MAPS, name, namespace=NAMESPACE)
    except NotFound:
        return False
    return True


async def no_pods(client: Client) -> bool:
    return not (await client.list(PODS, namespace=NAMESPACE)).items


async def until(holds: Any, *, seconds: float = 30.0) -> Any:
    """Wait for the world: containers are other processes."""
    async with asyncio.timeout(seconds):
        while not (found := await holds()):  # noqa: ASYNC110  # the condition lives in other processes
            await asyncio.sleep(0.05)
    return found


async def pod_in(client: Client, name: str, phase: str, *, ready: bool | None = None) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        pod = await client.get(PODS, name, namespace=NAMESPACE)
        status = pod["status"]
        is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        fits = status.get("phase") == phase and (ready is None or is_ready == ready)
        return pod if fits else None

    try:
        return await until(look)  # type: ignore[no-any-return]  # what `look` found
    except TimeoutError:
        pod = await client.get(PODS, name, namespace=NAMESPACE)
        events = [each["message"] for each in (await client.list(EVENTS, namespace=NAMESPACE)).items]
        raise AssertionError(f"{name} is not {phase}: {json.dumps([pod['status'], events], indent=1)}") from None


async def logs(client: Client, name: str, **options: Any) -> str:
    return b"".join([piece async for piece in client.logs(NAMESPACE, name, options)]).decode()


def pod(name: str, containers: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": "host", "containers": containers, **spec},
    }


def shell(name: str, script: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "command": ["/bin/sh", "-c", script], **fields}


async def test_a_pod_with_everything(runtime: Containerd, client: Client) -> None:
    await client.create(
        CONFIG_MAPS,
        {"metadata": {"name": "conf"}, "data": {"colour": "blue", "file": "from a file\n"}},
        namespace=NAMESPACE,
    )
    await client.create(SECRETS, {"metadata": {"name": "hush"}, "stringData": {"word": "sesame"}}, namespace=NAMESPACE)
    env = [
        {"name": "PLAIN", "value": "one"},
        {"name": "BUILT", "value": "$(PLAIN)-two"},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "colour"}}},
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "hush", "key": "word"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    main = shell(
        "main",
        'echo "$BUILT $COLOUR $WORD $NODE $LIMIT"; cat /shared/seen; cat /conf/file; cat /one; '
        "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; hostname; grep alias.example /etc/hosts; "
        'trap "echo bye > /dev/termination-log; echo stopping; exit 3" TERM; touch /tmp/up; '
        "while true; do sleep 0.1; done",
        env=env,
        resources={"limits": {"memory": "64Mi", "cpu": "500m"}},
        volumeMounts=[
            {"name": "shared", "mountPath": "/shared"},
            {"name": "conf", "mountPath": "/conf"},
            {"name": "conf", "mountPath": "/one", "subPath": "colour"},
        ],
        readinessProbe={"exec": {"command": ["test", "-f", "/tmp/up"]}, "periodSeconds": 1},
    )
    wanted = pod(
        "everything",
        [main],
        initContainers=[
            shell("first", "echo prepared > /shared/seen", volumeMounts=[{"name": "shared", "mountPath": "/shared"}])
        ],
        volumes=[{"name": "shared", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "conf"}}],
        hostAliases=[{"ip": "10.9.8.7", "hostnames": ["alias.example"]}],
        terminationGracePeriodSeconds=5,
    )
    await client.create(PODS, wanted, namespace=NAMESPACE)
    running = await pod_in(client, "everything", "Running", ready=True)
    status = running["status"]
    assert ip_address(status["podIP"]) in ip_network(runtime.subnet)
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert status["containerStatuses"][0]["containerID"].startswith("containerd://")

    async def printed() -> list[str] | None:
        lines = (await logs(client, "everything")).splitlines()
        return lines if len(lines) >= 6 else None

    lines = await until(printed)
    assert lines[:3] == ["one-two blue sesame host 64", "prepared", "from a file"]
    assert lines[3:] == ["bluedefault", "everything", "10.9.8.7\talias.example"]
    assert await logs(client, "everything", tailLines=1) == "10.9.8.7\talias.example\n"

    following = asyncio.create_task(logs(client, "everything", follow=True, tailLines=0))
    await asyncio.sleep(0.3)
    await client.delete(PODS, "everything", namespace=NAMESPACE)
    assert (await asyncio.wait_for(following, 5)) == "stopping\n"
    await until(lambda: no_pods(client))


async def test_it_restarts_what_fails_and_tells_why(client: Client) -> None:
    await client.create(
        PODS, pod("flaky", [shell("main", "echo dying; echo why > /dev/termination-log; exit 7")]), namespace=NAMESPACE
    )

    async def looping() -> dict[str, Any] | None:
        found = await client.get(PODS, "flaky", namespace=NAMESPACE)
        for status in found["status"].get("containerStatuses") or ():
            if (status["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff":
                return dict(status)
        return None

    status = await until(looping)
    assert status["restartCount"] >= 1
    assert status["lastState"]["terminated"]["exitCode"] == 7
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert status["lastState"]["terminated"]["message"] == "why\n"
    assert await logs(client, "flaky", previous=True) == "dying\n"


async def test_liveness_kills_and_jobs_complete(client: Client) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await client.create(
        PODS,
        pod("sick", [shell("main", "sleep 1000", livenessProbe=probe)], terminationGracePeriodSeconds=1),
        namespace=NAMESPACE,
    )
    await client.create(PODS, pod("task", [shell("main", "echo done")], restartPolicy="Never"), namespace=NAMESPACE)
    done = await pod_in(client, "task", "Succeeded")
    assert done["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"

    async def restarted() -> bool:
        found = await client.get(PODS, "sick", namespace=NAMESPACE)
        return any(each["restartCount"] > 0 for each in found["status"].get("containerStatuses") or ())

    await until(restarted)


async def test_http_and_tcp_probes_reach_the_pod(client: Client) -> None:
    server = shell(
        "web",
        "mkdir /www; echo hi > /www/index.html; exec httpd -f -p 8080 -h /www",
        ports=[{"name": "http", "containerPort": 8080}],
        startupProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        readinessProbe={"httpGet": {"path": "/index.html", "port": "http"}, "periodSeconds": 1},
    )
    await client.create(PODS, pod("web", [server], terminationGracePeriodSeconds=0), namespace=NAMESPACE)
    ready = await pod_in(client, "web", "Running", ready=True)
    assert ready["status"]["containerStatuses"][0]["started"] is True


async def test_an_image_that_is_not_there(client: Client) -> None:
    container = {"name": "main", "image": "registry.invalid/none:1"}
    await client.create(PODS, pod("nothing", [container]), namespace=NAMESPACE)

    async def waiting() -> str | None:
        found = await client.get(PODS, "nothing", namespace=NAMESPACE)
        for status in found["status"].get("containerStatuses") or ():
            reason = (status["state"].get("waiting") or {}).get("reason")
            if reason in ("ErrImagePull", "ImagePullBackOff"):
                return str(reason)
        return None

    assert await until(waiting, seconds=60)
    assert (await client.get(PODS, "nothing", namespace=NAMESPACE))["status"]["phase"] == "Pending"


async def test_a_new_agent_adopts_what_runs(runtime: Containerd, tmp_path: Path) -> None:
    clock = SystemClock()
    async with Cluster(clock=clock, agents=False, scheduler=False) as cluster:
        client = cluster.client()
        await until(lambda: exists(client, "kube-root-ca.crt"))
        config = Config(nodes=("host",), runtime=runtime.address, root_dir=str(tmp_path / "agent"))

        def agent() -> NodeAgent:
            return NodeAgent(config, clock=clock, client=cluster.client(**NODE), tunnel_channel=cluster.channel(**NODE))

        async with System(agent().spec(), clock=clock, name="agent"):
            await client.create(
                PODS,
                pod("stays", [shell("main", "sleep 1000")], terminationGracePeriodSeconds=0),
                namespace=NAMESPACE,
            )
            before = await pod_in(client, "stays", "Running", ready=True)
        assert (await client.get(NODES, "host"))["status"]["nodeInfo"]["containerRuntimeVersion"].startswith(
            "containerd://"
        )
        async with System(agent().spec(), clock=clock, name="agent"):
            await asyncio.sleep(1.5)
            after = await pod_in(client, "stays", "Running", ready=True)
            assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]
            await client.delete(PODS, "stays", namespace=NAMESPACE)
            await until(lambda: no_pods(client))
