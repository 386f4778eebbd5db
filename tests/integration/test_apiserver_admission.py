"""What admission adds to objects, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.config import Config
from machinery.errors import Forbidden, Invalid
from machinery.objects.gvk import GVR
from tests.support.inprocess import ACCOUNTS, CONFIGMAPS, NODES, PODS, SERVICES, Server, configmap, pod, serving

LIMITS = GVR("", "v1", "limitranges")
QUOTAS = GVR("", "v1", "resourcequotas")
CLASSES = GVR("scheduling.k8s.io", "v1", "priorityclasses")
CLAIMS = GVR("", "v1", "persistentvolumeclaims")
STORAGE = GVR("storage.k8s.io", "v1", "storageclasses")
LEASES = GVR("coordination.k8s.io", "v1", "leases")
Object = dict[str, Any]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(Config()) as running:
        await running.client().create(ACCOUNTS, {"metadata": {"name": "default"}}, namespace="default")
        yield running


async def test_a_pod_gets_its_accounts_token(server: Server) -> None:
    made = await server.client().create(PODS, pod("a"))
    assert made["spec"]["serviceAccountName"] == made["spec"]["serviceAccount"] == "default"
    (volume,) = made["spec"]["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    sources = volume["projected"]["sources"]
    assert sources[0]["serviceAccountToken"] == {"expirationSeconds": 3607, "path": "token"}
    assert made["spec"]["containers"][0]["volumeMounts"] == [
        {"name": volume["name"], "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    ]
    without = await server.client().create(PODS, pod("b", automountServiceAccountToken=False))
    assert "volumes" not in without["spec"]


async def test_an_account_that_comes_a_moment_later_is_waited_for(server: Server) -> None:
    client = server.client()
    asking = asyncio.ensure_future(client.create(PODS, pod("a", serviceAccountName="late")))
    await asyncio.sleep(0.02)
    await client.create(ACCOUNTS, {"metadata": {"name": "late"}}, namespace="default")
    assert (await asking)["spec"]["serviceAccountName"] == "late"
    with pytest.raises(Forbidden) as caught:
        await client.create(PODS, pod("b", serviceAccountName="never"))
    assert caught.value.message == (
        'pods "b" is forbidden: error looking up service account default/never: serviceaccount "never" not found'
    )


async def test_defaults_of_pods_and_nodes(server: Server) -> None:
    client = server.client()
    made = await client.create(PODS, pod("a"))
    assert {each["key"]: each["tolerationSeconds"] for each in made["spec"]["tolerations"]} == {
        "node.kubernetes.io/not-ready": 300,
        "node.kubernetes.io/unreachable": 300,
    }
    assert made["spec"]["priority"] == 0
    assert made["spec"]["preemptionPolicy"] == "PreemptLowerPriority"
    critical = await client.create(PODS, pod("b", priorityClassName="system-node-critical"))
    assert critical["spec"]["priority"] == 2000001000
    with pytest.raises(Forbidden, match="no PriorityClass with name nope was found"):
        await client.create(PODS, pod("c", priorityClassName="nope"))
    with pytest.raises(Forbidden, match=r"the integer value of priority \(7\) must not be provided in pod spec"):
        await client.create(PODS, pod("d", priority=7))
    node = await client.create(NODES, {"metadata": {"name": "n1"}})
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


async def test_one_priority_class_is_the_default(server: Server) -> None:
    client = server.client()
    await client.create(CLASSES, {"metadata": {"name": "usual"}, "value": 5, "globalDefault": True})
    made = await client.create(PODS, pod("a"))
    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("usual", 5)
    with pytest.raises(Forbidden, match="PriorityClass usual is already marked as globalDefault"):
        await client.create(CLASSES, {"metadata": {"name": "other"}, "value": 6, "globalDefault": True})


async def test_the_default_storage_class(server: Server) -> None:
    client = server.client()
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    await client.create(STORAGE, {"metadata": {"name": "fast", "annotations": marked}, "provisioner": "x/y"})
    claim = {
        "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    made = await client.create(CLAIMS, claim, namespace="default")
    assert made["spec"]["storageClassName"] == "fast"


async def test_limit_ranges(server: Server) -> None:
    client = server.client()
    limit = {
        "type": "Container",
        "default": {"cpu": "500m"},
        "defaultRequest": {"cpu": "100m"},
        "max": {"cpu": "1"},
        "min": {"cpu": "50m"},
    }
    await client.create(LIMITS, {"metadata": {"name": "l"}, "spec": {"limits": [limit]}}, namespace="default")
    made = await client.create(PODS, pod("a"))
    assert made["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "100m"}, "limits": {"cpu": "500m"}}
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"].startswith("LimitRanger plugin set: cpu")
    greedy = [{"name": "main", "image": "i", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}}]
    with pytest.raises(Forbidden, match="maximum cpu usage per Container is 1, but limit is 2"):
        await client.create(PODS, pod("b", containers=greedy))


async def test_quotas_count_what_is_there(server: Server) -> None:
    client = server.client()
    hard = {"configmaps": "2", "requests.cpu": "1", "pods": "10"}
    await client.create(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard}}, namespace="default")
    results = await asyncio.gather(
        *(client.create(CONFIGMAPS, configmap(f"c{number}")) for number in range(6)), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, Forbidden)]
    assert len(refused) == 4
    assert "is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2" in str(
        refused[0]
    )
    page = await client.list(CONFIGMAPS, namespace="default")
    await client.delete(CONFIGMAPS, page.items[0]["metadata"]["name"], namespace="default")
    await client.create(CONFIGMAPS, configmap("again"))
    with pytest.raises(Forbidden, match=r"failed quota: q: must specify requests.cpu for: main"):
        await client.create(PODS, pod("a"))
    sized = [{"name": "main", "image": "i", "resources": {"requests": {"cpu": "600m"}}}]
    await client.create(PODS, pod("a", containers=sized))
    with pytest.raises(
        Forbidden, match=r"requested: requests\.cpu=600m, used: requests\.cpu=600m, limited: requests\.cpu=1"
    ):
        await client.create(PODS, pod("b", containers=sized))


def service(name: str, **spec: Any) -> Object:
    body = {"selector": {"app": name}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": body}


async def test_services_get_addresses_of_their_own(server: Server) -> None:
    client = server.client()
    made = await asyncio.gather(*(client.create(SERVICES, service(f"s{n}", type="NodePort")) for n in range(20)))
    assert len({each["spec"]["clusterIP"] for each in made}) == 20
    assert len({each["spec"]["ports"][0]["nodePort"] for each in made}) == 20
    taken = made[0]["spec"]["clusterIP"]
    with pytest.raises(Invalid, match="provided IP is already allocated"):
        await client.create(SERVICES, service("copy", clusterIP=taken))
    await client.delete(SERVICES, "s0", namespace="default")
    assert (await client.create(SERVICES, service("copy", clusterIP=taken)))["spec"]["clusterIP"] == taken
    headless = await client.create(SERVICES, service("headless", clusterIP="None"))
    assert headless["spec"]["clusterIP"] == "None"
    changed = {**made[1], "spec": {**made[1]["spec"], "ports": [{**made[1]["spec"]["ports"][0], "port": 81}]}}
    updated = await client.update(SERVICES, changed)
    assert updated["spec"]["clusterIP"] == made[1]["spec"]["clusterIP"]
    kubernetes = await client.get(SERVICES, "kubernetes", namespace="default")
    assert kubernetes["spec"]["clusterIP"] == "10.96.0.1"


async def test_a_refused_service_holds_no_address(server: Server) -> None:
    client = server.client()
    for _ in range(3):
        with pytest.raises(Invalid):
            await client.create(SERVICES, service("bad", clusterIP="10.96.0.77", ports=[{"port": 0}]))
    assert (await client.create(SERVICES, service("good", clusterIP="10.96.0.77")))["spec"]["clusterIP"] == "10.96.0.77"


async def test_nodes_write_their_own_things_only(server: Server) -> None:
    admin = server.client()
    node = server.client("system:node:n1", "system:nodes", "system:authenticated")
    await node.create(NODES, {"metadata": {"name": "n1"}})
    with pytest.raises(Forbidden, match='node "n1" is not allowed to modify node "n2"'):
        await node.create(NODES, {"metadata": {"name": "n2"}})
    with pytest.raises(Forbidden, match="is not allowed to set the following labels"):
        await node.create(NODES, {"metadata": {"name": "n1", "labels": {"node-restriction.kubernetes.io/x": "y"}}})
    mine = await admin.create(PODS, pod("mine", node="n1"))
    other = await admin.create(PODS, pod("other", node="n2"))
    await node.update(PODS, {**mine, "status": {"phase": "Running"}}, subresource="status")
    with pytest.raises(Forbidden):
        await node.update(PODS, {**other, "status": {"phase": "Running"}}, subresource="status")
    lease = {"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}}
    await node.create(LEASES, lease, namespace="kube-node-lease")
    with pytest.raises(Forbidden):
        await node.create(LEASES, {"metadata": {"name": "n2"}}, namespace="kube-node-lease")


async def test_an_unknown_plugin_is_no_setting() -> None:
    with pytest.raises(ValueError, match="unknown admission plugins: Nope"):
        async with serving(Config(admission_plugins_off=frozenset({"Nope"}))):
            pass
