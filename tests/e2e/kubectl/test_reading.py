"""get in all its forms, watches, events, discovery and documents."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.e2e.kubectl.conftest import Cluster
from tests.support.kubectl import Kubectl


async def test_get_in_every_format(kubectl: Kubectl, web: str) -> None:
    assert (await kubectl("get", "deploy")).splitlines()[0].split() == [
        *("NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE")
    ]
    assert (await kubectl("get", "deploy", "--no-headers")).split()[:4] == ["web", "2/2", "2", "2"]
    assert (await kubectl("get", "deploy", "-o", "wide", "--no-headers")).split()[5:] == ["web", "web:1", "app=web"]
    assert await kubectl("get", "deploy", "-o", "name") == "deployment.apps/web\n"
    assert await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}") == "web:1"
    assert await kubectl("get", "deploy", "-o", "go-template={{range .items}}{{.metadata.name}}{{end}}") == "web"
    columns = "custom-columns=N:.metadata.name,R:.spec.replicas,X:.spec.nope"
    assert (await kubectl("get", "deploy", "-o", columns)).split() == ["N", "R", "X", "web", "2", "<none>"]
    yaml = await kubectl("get", "deploy", "web", "-o", "yaml")
    assert "\nkind: Deployment\n" in yaml and "managedFields" not in yaml
    assert "managedFields" in await kubectl("get", "deploy", "web", "-o", "yaml", "--show-managed-fields")
    listed: Any = await kubectl.json("get", "deploy,rs,pods")
    assert listed["kind"] == "List"
    assert sorted(each["kind"] for each in listed["items"]) == ["Deployment", "Pod", "Pod", "ReplicaSet"]
    assert (await kubectl("get", "pods", "-L", "app", "--no-headers")).splitlines()[0].split()[-1] == "web"
    assert "pod-template-hash=" in await kubectl("get", "pods", "--show-labels")
    assert await kubectl("get", "deploy", "web", "--subresource=scale", "-o", "jsonpath={.spec.replicas}") == "2"


async def test_selectors_namespaces_and_order(cluster: Cluster, kubectl: Kubectl) -> None:
    for name, labels in (("b", "tier=back,env=prod"), ("a", "tier=front,env=prod"), ("c", "tier=front,env=test")):
        await kubectl("create", "configmap", name)
        await kubectl("label", "configmap", name, *labels.split(","))

    async def names(*arguments: str) -> list[str]:
        listed = await kubectl("get", "cm", "-o", "name", *arguments)
        return [name.removeprefix("configmap/") for name in listed.split()]

    assert await names("-l", "tier=front") == ["a", "c"]
    assert await names("-l", "tier in (front,back),env!=test") == ["a", "b"]
    assert await names("-l", "env,tier notin (front)") == ["b"]
    assert await names("-l", "!tier") == ["kube-root-ca.crt"]
    assert await names("--field-selector", "metadata.name!=a", "-l", "tier") == ["b", "c"]
    assert await names("-l", "tier", "--sort-by", ".metadata.labels.tier") == ["b", "a", "c"]
    assert await names("--chunk-size=2") == ["a", "b", "c", "kube-root-ca.crt"]
    everywhere = await kubectl("get", "cm", "-A", "-l", "tier")
    assert [row.split()[:2] for row in everywhere.splitlines()[1:]] == [[cluster.namespace, name] for name in "abc"]
    result = await kubectl.run("get", "cm", "-l", "tier=none")
    assert (result.code, result.err) == (0, f"No resources found in {cluster.namespace} namespace.\n")


async def test_watching_a_pod_from_birth_to_death(kubectl: Kubectl) -> None:
    await kubectl("run", "before", "--image=busybox", "--restart=Never")
    await kubectl("wait", "pod/before", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    async with kubectl.streaming("get", "pods", "-w", "--output-watch-events", "--no-headers") as line:
        assert (await line()).split()[:4] == ["ADDED", "before", "0/1", "Completed"]
        await kubectl("run", "p", "--image=busybox")
        seen: list[list[str]] = []
        while not seen or seen[-1][3] != "Running":
            seen.append((await line()).split())
        assert seen[0][:4] == ["ADDED", "p", "0/1", "Pending"]
        assert seen[-1][:4] == ["MODIFIED", "p", "1/1", "Running"]
        await kubectl("delete", "pod", "p", "--now")
        while seen[-1][0] != "DELETED":
            seen.append((await line()).split())
        assert seen[-1][1] == "p"


async def test_watching_by_label(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "a")
    await kubectl("label", "cm", "a", "seen=yes")
    async with kubectl.streaming("get", "cm", "-w", "--output-watch-events", "-l", "seen", "--no-headers") as line:
        assert (await line()).split()[:2] == ["ADDED", "a"]
        await kubectl("create", "configmap", "b")
        await kubectl("label", "cm", "b", "seen=yes")
        assert (await line()).split()[:2] == ["ADDED", "b"]
        await kubectl("label", "cm", "a", "seen-")
        assert (await line()).split()[:2] == ["DELETED", "a"]


async def test_events(cluster: Cluster, kubectl: Kubectl) -> None:
    await kubectl("run", "p", "--image=busybox")
    await kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    reasons = ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    listed = await kubectl("events", "--for", "pod/p", "--no-headers")
    assert [row.split()[2] for row in listed.splitlines()] == reasons
    selector = "involvedObject.name=p,reason=Scheduled"
    listed = await kubectl("get", "events", "--field-selector", selector, "-o", "jsonpath={.items[*].message}")
    assert listed.startswith(f"Successfully assigned {cluster.namespace}/p to node-")
    assert "Successfully assigned" in await kubectl("get", "events.v1.events.k8s.io")


async def test_discovery(kubectl: Kubectl) -> None:
    names = (await kubectl("api-resources", "-o", "name")).split()
    assert {"pods", "deployments.apps", "cronjobs.batch", "events.events.k8s.io", "leases.coordination.k8s.io"} < {
        *names
    }
    listable = (await kubectl("api-resources", "--verbs=list", "--namespaced=false", "-o", "name")).split()
    assert "nodes" in listable and "pods" not in listable and "tokenreviews.authentication.k8s.io" not in listable
    row = next(row for row in (await kubectl("api-resources")).splitlines() if row.startswith("deployments "))
    assert row.split() == ["deployments", "deploy", "apps/v1", "true", "Deployment"]
    versions = (await kubectl("api-versions")).split()
    assert {"v1", "apps/v1", "autoscaling/v1", "autoscaling/v2", "batch/v1"} <= {*versions}
    for kind in (await kubectl("api-resources", "--verbs=list", "-o", "name")).split():
        result = await kubectl.run("get", kind, "-A")
        if kind == "componentstatuses":
            assert "componentstatuses is not served by this server" in result.err
        else:
            assert result.code == 0, f"{kind}: {result.err}"


async def test_explain(kubectl: Kubectl) -> None:
    text = await kubectl("explain", "deployments")
    assert "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n" in text
    text = await kubectl("explain", "pod.spec.containers.resources")
    assert "FIELD: resources <ResourceRequirements>" in text and "limits\t<map[string]Quantity>" in text
    text = await kubectl("explain", "pod.spec.containers")
    assert "name\t<string> -required-" in text
    assert "rollingUpdate" in await kubectl("explain", "deploy", "--recursive")
    assert "targetCPUUtilizationPercentage" in await kubectl("explain", "hpa.spec", "--api-version=autoscaling/v1")
    assert 'error: field "nope" does not exist' in await kubectl.fails("explain", "pod.spec.nope")
    assert "the server doesn't have a resource type" in await kubectl.fails("explain", "nopes")


async def test_the_server_itself(kubectl: Kubectl) -> None:
    version = orjson.loads(await kubectl("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"].startswith("v1.37.0")
    assert "Kubernetes control plane" in await kubectl("cluster-info")
    for path in ("/healthz", "/readyz", "/livez"):
        assert await kubectl("get", "--raw", path) == "ok"
    assert "[+]etcd ok" in await kubectl("get", "--raw", "/readyz?verbose")
    assert orjson.loads(await kubectl("get", "--raw", "/apis/apps/v1"))["groupVersion"] == "apps/v1"
    assert "apiserver_request_total" in await kubectl("get", "--raw", "/metrics")
    assert "openapi" in orjson.loads(await kubectl("get", "--raw", "/openapi/v3/apis/apps/v1"))
    said = await kubectl.fails("get", "--raw", "/nope")
    assert said == "Error from server (NotFound): the server could not find the requested resource"


async def test_cluster_info_dump(cluster: Cluster, kubectl: Kubectl, web: str) -> None:
    target = cluster.directory / "dump"
    await kubectl("cluster-info", "dump", "--namespaces", cluster.namespace, "--output-directory", str(target))
    pods = orjson.loads((target / cluster.namespace / "pods.json").read_bytes())
    assert len(pods["items"]) == 2
    assert (target / "nodes.json").exists()


async def test_a_proxy_on_the_clients_side(cluster: Cluster, kubectl: Kubectl) -> None:
    import aiohttp

    await kubectl("create", "configmap", "c", "--from-literal=a=b")
    async with (
        kubectl.streaming("proxy", "--port=0") as line,
        aiohttp.ClientSession() as session,
    ):
        url = "http://" + (await line()).rpartition(" ")[2]
        maps = f"{url}/api/v1/namespaces/{cluster.namespace}/configmaps"
        async with session.get(f"{maps}/c") as response:
            assert (response.status, (await response.json())["data"]) == (200, {"a": "b"})
        async with session.get(f"{maps}/nope") as response:
            assert (response.status, (await response.json())["reason"]) == (404, "NotFound")
        async with session.get(maps, params={"watch": "1"}) as response:
            event = orjson.loads(await response.content.readline())
            assert event["type"] == "ADDED"


@pytest.mark.parametrize("what", ["pods", "nodes"])
async def test_top_needs_a_metrics_server(kubectl: Kubectl, what: str) -> None:
    assert await kubectl.fails("top", what) == "error: Metrics API not available"
