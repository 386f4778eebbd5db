"""Real kubectl, old and new, against the API server alone: what needs no controller."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.apiserver import Plane, plane
from tests.support.kubectl import OLDEST, WHY_NOT, Kubectl, binaries, minor

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not binaries(), reason=WHY_NOT),
]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: fast}
"""


class World:
    def __init__(self, server: Plane, kubectl: Kubectl, binary: str, directory: pathlib.Path) -> None:
        self.server = server
        self.kubectl = kubectl
        self.binary = binary
        self.directory = directory

    def as_user(self, name: str, *groups: str) -> Kubectl:
        home = self.directory / name
        home.mkdir(exist_ok=True)
        return Kubectl(self.binary, self.server.kubeconfig(home, name, *(groups or ("nobody",))), home)


@pytest_asyncio.fixture(params=binaries(), ids=lambda path: pathlib.Path(path).name)
async def world(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> AsyncIterator[World]:
    async with plane() as server:
        kubectl = Kubectl(request.param, server.kubeconfig(tmp_path), tmp_path)
        yield World(server, kubectl, request.param, tmp_path)


def _of_today(world: World) -> Kubectl:
    if minor(world.binary) < OLDEST:
        pytest.skip(WHY_NOT)
    return world.kubectl


async def test_apply_diff_and_apply_again(world: World) -> None:
    kubectl = world.kubectl
    out = await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert out == "deployment.apps/web created\nconfigmap/settings created\n"
    assert await kubectl("apply", "-f", "-", stdin=DEPLOYMENT) == (
        "deployment.apps/web unchanged\nconfigmap/settings unchanged\n"
    )
    assert await kubectl("diff", "-f", "-", stdin=DEPLOYMENT) == ""
    changed = DEPLOYMENT.replace("web:1", "web:2")
    result = await kubectl.run("diff", "-f", "-", stdin=changed)
    assert result.code == 1
    assert "+      - image: web:2" in result.out
    assert "deployment.apps/web configured" in await kubectl("apply", "-f", "-", stdin=changed)
    deployment: Any = await kubectl.json("get", "deployment", "web")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "web:2"
    assert deployment["metadata"]["generation"] == 2


async def test_server_side_apply_conflicts(world: World) -> None:
    kubectl = world.kubectl
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: one}\n"
    await kubectl("apply", "--server-side", "--field-manager=a", "-f", "-", stdin=text)
    other = text.replace("one", "two")
    err = await kubectl.fails("apply", "--server-side", "--field-manager=b", "-f", "-", stdin=other)
    assert 'conflict with "a": .data.k' in err
    out = await kubectl("apply", "--server-side", "--field-manager=b", "--force-conflicts", "-f", "-", stdin=other)
    assert out == "configmap/c serverside-applied\n"


async def test_get_in_every_format(world: World) -> None:
    kubectl = world.kubectl
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert (await kubectl("get", "cm", "settings")).startswith("NAME")
    assert "settings" in await kubectl("get", "configmaps", "-A", "-o", "wide")
    assert await kubectl("get", "deploy,cm", "-l", "app=web", "-o", "name") == "deployment.apps/web\n"
    assert await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "2"
    assert "mode: fast" in await kubectl("get", "cm", "settings", "-o", "yaml")
    columns = "custom-columns=N:.metadata.name,I:.spec.template.spec.containers[*].image"
    assert (await kubectl("get", "deploy", "-o", columns)).split() == ["N", "I", "web", "web:1"]
    assert await kubectl("get", "cm", "--field-selector", "metadata.name=settings", "-o", "name") == (
        "configmap/settings\n"
    )
    listed = await kubectl("get", "clusterroles", "--chunk-size=7", "-o", "name")
    assert "clusterrole.rbac.authorization.k8s.io/cluster-admin" in listed.split()


async def test_create_of_each_kind_that_kubectl_creates(world: World) -> None:
    kubectl = _of_today(world)
    commands = {
        "namespace n": "namespace/n",
        "configmap c --from-literal=a=b": "configmap/c",
        "secret generic s --from-literal=a=b": "secret/s",
        "serviceaccount a": "serviceaccount/a",
        "deployment d --image=x --replicas=3": "deployment.apps/d",
        "job j --image=x -- true": "job.batch/j",
        "cronjob cj --image=x --schedule=@hourly": "cronjob.batch/cj",
        "role r --verb=get,list --resource=pods": "role.rbac.authorization.k8s.io/r",
        "clusterrole cr --verb=get --resource=nodes": "clusterrole.rbac.authorization.k8s.io/cr",
        "rolebinding rb --role=r --user=u": "rolebinding.rbac.authorization.k8s.io/rb",
        "clusterrolebinding crb --clusterrole=cr --group=g": "clusterrolebinding.rbac.authorization.k8s.io/crb",
        "service clusterip sc --tcp=80:8080": "service/sc",
        "service nodeport sn --tcp=80:8080": "service/sn",
        "ingress i --rule=host/path=sc:80": "ingress.networking.k8s.io/i",
        "quota q --hard=pods=5,cpu=2": "resourcequota/q",
        "poddisruptionbudget p --selector=a=b --min-available=1": "poddisruptionbudget.policy/p",
        "priorityclass pc --value=7": "priorityclass.scheduling.k8s.io/pc",
    }
    for command, created in commands.items():
        assert await kubectl("create", *command.split()) == f"{created} created\n"
    quota: Any = await kubectl.json("get", "quota", "q")
    assert quota["spec"]["hard"] == {"cpu": "2", "pods": "5"}
    deployment: Any = await kubectl.json("get", "deployment", "d")
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "d"}}
    service: Any = await kubectl.json("get", "service", "sc")
    assert service["spec"]["ports"] == [{"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080}]
    token = await kubectl("create", "token", "a", "--duration=10m")
    assert token.count(".") == 2


async def test_patch_label_scale_replace_and_edit(world: World) -> None:
    kubectl = world.kubectl
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    await kubectl("label", "deploy", "web", "tier=front")
    await kubectl("annotate", "deploy", "web", "note=hello")
    await kubectl("patch", "deploy", "web", "-p", '{"spec":{"replicas":3}}')
    await kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"metadata":{"labels":{"tier":null}}}')
    await kubectl(
        "patch", "deploy", "web", "--type=json", "-p", '[{"op":"remove","path":"/metadata/annotations/note"}]'
    )
    await kubectl("scale", "deploy", "web", "--replicas=4")
    await kubectl("set", "image", "deploy/web", "web=web:9")
    deployment: Any = await kubectl.json("get", "deploy", "web")
    assert deployment["metadata"]["labels"] == {"app": "web"}
    assert "note" not in deployment["metadata"]["annotations"]
    assert deployment["spec"]["replicas"] == 4
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "web:9"
    editor = world.directory / "editor"
    editor.write_text("#!/bin/sh\nsed -i s/fast/slow/ $1\n")
    editor.chmod(0o755)
    await kubectl("edit", "cm", "settings", KUBE_EDITOR=str(editor))
    assert await kubectl("get", "cm", "settings", "-o", "jsonpath={.data.mode}") == "slow"
    text = await kubectl("get", "cm", "settings", "-o", "yaml")
    await kubectl("replace", "-f", "-", stdin=text.replace("slow", "even slower"))
    assert await kubectl("get", "cm", "settings", "-o", "jsonpath={.data.mode}") == "even slower"


async def test_watch(world: World) -> None:
    kubectl = world.kubectl

    async def change() -> None:
        await asyncio.sleep(0.5)
        await kubectl("create", "configmap", "late", "--from-literal=a=b")

    watching = asyncio.create_task(kubectl.run("get", "cm", "-w", "-o", "name", "--request-timeout=4s"))
    await change()
    assert "configmap/late" in (await watching).out


async def test_delete(world: World) -> None:
    kubectl = world.kubectl
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert (await kubectl("delete", "cm", "settings")).startswith('configmap "settings" deleted')
    assert 'configmaps "settings" not found' in await kubectl.fails("get", "cm", "settings")
    await kubectl("delete", "deploy", "--all")
    assert await kubectl("get", "deploy", "-o", "name") == ""
    assert await kubectl("delete", "cm", "settings", "--ignore-not-found") == ""


async def test_discovery_and_explain(world: World) -> None:
    kubectl = world.kubectl
    resources = await kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name")
    assert {"pods", "deployments.apps", "cronjobs.batch", "roles.rbac.authorization.k8s.io"} <= set(resources.split())
    assert {"v1", "apps/v1", "autoscaling/v2"} <= set((await kubectl("api-versions")).split())
    assert "kind of the referent" not in await kubectl("explain", "deployment.spec.replicas")
    explained = await kubectl("explain", "pods.spec.containers.resources")
    assert "limits" in explained
    assert "field" in await kubectl.fails("explain", "pods.spec.nonsense")
    assert "v1.37.0" in await kubectl("version", "-o", "json")
    assert "is running at" in await kubectl("cluster-info")


async def test_auth(world: World) -> None:
    kubectl = world.kubectl
    assert await kubectl("auth", "can-i", "delete", "nodes") == "yes\n"
    result = await kubectl.run("auth", "can-i", "delete", "nodes", "--as=somebody")
    assert (result.code, result.out) == (1, "no\n")
    await kubectl("create", "rolebinding", "viewers", "--clusterrole=view", "--group=watchers")
    watcher = world.as_user("walter", "watchers")
    assert await watcher("auth", "can-i", "list", "pods") == "yes\n"
    assert "pods" in await watcher("auth", "can-i", "--list")
    err = await watcher.fails("get", "secrets")
    assert err == (
        'Error from server (Forbidden): secrets is forbidden: User "walter" cannot list resource "secrets" in API '
        'group "" in the namespace "default"'
    )
    assert 'cannot create resource "configmaps"' in await watcher.fails("create", "configmap", "x")


BAD = {
    "unknown field": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ncolour: red\n",
        'strict decoding error: unknown field "colour"',
    ),
    "wrong type": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: many}\n",
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ),
    "no name": ("apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n", "resource name may not be empty"),
    "bad name": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_Good}\n",
        'The ConfigMap "Not_Good" is invalid: metadata.name: Invalid value: "Not_Good": a lowercase RFC 1123 subdomain',
    ),
    "unknown kind": (
        "apiVersion: v1\nkind: Bogus\nmetadata: {name: x}\n",
        'no matches for kind "Bogus" in version "v1"',
    ),
    "no selector": (
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
            "spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}\n"
        ),
        "spec.selector: Required value",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_manifests_are_refused_in_upstreams_words(world: World, case: str) -> None:
    _of_today(world)
    text, expected = BAD[case]
    assert expected in await world.kubectl.fails("apply", "-f", "-", stdin=text)


async def test_immutable_fields_and_conflicts(world: World) -> None:
    kubectl = world.kubectl
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    text = DEPLOYMENT.partition("---")[0].replace("{app: web}", "{app: other}")
    err = await kubectl.fails("apply", "-f", "-", stdin=text)
    assert "field is immutable" in err
    stale = await kubectl("get", "cm", "settings", "-o", "yaml")
    await kubectl("patch", "cm", "settings", "-p", '{"data":{"x":"y"}}')
    err = await kubectl.fails("replace", "-f", "-", stdin=stale)
    assert "the object has been modified; please apply your changes to the latest version and try again" in err
