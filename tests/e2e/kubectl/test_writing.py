"""Creating and changing objects: the state that each command leaves."""

from __future__ import annotations

import pathlib
from typing import Any

import orjson
import pytest

from tests.e2e.kubectl.conftest import WEB, Cluster
from tests.support.kubectl import Kubectl

CREATED = {
    "configmap c --from-literal=a=b": ("configmap/c", {"data": {"a": "b"}}),
    "secret generic s --from-literal=a=b": ("secret/s", {"type": "Opaque", "data": {"a": "Yg=="}}),
    "secret docker-registry d --docker-username=u --docker-password=p": (
        "secret/d", {"type": "kubernetes.io/dockerconfigjson"}),
    "serviceaccount a": ("serviceaccount/a", {}),
    "deployment d --image=x --replicas=3 --port=80": (
        "deployment.apps/d", {"spec": {"replicas": 3, "selector": {"matchLabels": {"app": "d"}}}}),
    "job j --image=x -- true": ("job.batch/j", {"spec": {"completions": 1, "parallelism": 1}}),
    "cronjob cj --image=x --schedule=@hourly -- true": (
        "cronjob.batch/cj", {"spec": {"schedule": "@hourly", "concurrencyPolicy": "Allow"}}),
    "role r --verb=get,list --resource=pods,deployments.apps": (
        "role.rbac.authorization.k8s.io/r",
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
                   {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}]}),
    "rolebinding rb --role=r --user=u --serviceaccount=x:y": (
        "rolebinding.rbac.authorization.k8s.io/rb", {"roleRef": {"kind": "Role", "name": "r"}}),
    "service clusterip sc --tcp=80:8080": (
        "service/sc",
        {"spec": {"type": "ClusterIP",
                  "ports": [{"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080}]}}),
    "service clusterip sh --clusterip=None": ("service/sh", {"spec": {"clusterIP": "None"}}),
    "service nodeport sn --tcp=80": ("service/sn", {"spec": {"type": "NodePort"}}),
    "service loadbalancer sl --tcp=80": ("service/sl", {"spec": {"type": "LoadBalancer"}}),
    "service externalname se --external-name=example.com": (
        "service/se", {"spec": {"type": "ExternalName", "externalName": "example.com"}}),
    "ingress i --rule=host/path*=sc:80": (
        "ingress.networking.k8s.io/i", {"spec": {"rules": [{"host": "host", "http": {"paths": [
            {"path": "/path", "pathType": "Prefix", "backend": {"service": {"name": "sc", "port": {"number": 80}}}}
        ]}}]}}),
    "quota q --hard=pods=5,cpu=2": ("resourcequota/q", {"spec": {"hard": {"cpu": "2", "pods": "5"}}}),
    "poddisruptionbudget p --selector=a=b --min-available=50%": (
        "poddisruptionbudget.policy/p", {"spec": {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}}}),
}  # fmt: skip
"""Command: what it makes, and what must be in it."""


@pytest.mark.parametrize("command", CREATED)
async def test_create(kubectl: Kubectl, command: str) -> None:
    name, expected = CREATED[command]
    path = command.replace("/path", "//path") if "ingress" in command else command
    assert await kubectl("create", *path.replace("//", "/").split()) == f"{name} created\n"
    _contains(await kubectl.json("get", name), expected)
    assert "already exists" in await kubectl.fails("create", *command.split())


def _contains(actual: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        for key, value in expected.items():
            _contains(actual[key], value)
    else:
        assert (actual[: len(expected)] if isinstance(actual, list) and len(expected) > 1 else actual) == expected or (
            isinstance(expected, list) and all(_within(one, other) for one, other in zip(expected, actual, strict=True))
        )


def _within(expected: Any, actual: Any) -> bool:
    if isinstance(expected, dict):
        return all(_within(value, actual.get(key)) for key, value in expected.items())
    return bool(expected == actual)


async def test_create_of_kinds_without_a_namespace(cluster: Cluster, kubectl: Kubectl) -> None:
    name = f"{cluster.namespace}-x"
    for command, created in (
        (f"namespace {name}", f"namespace/{name}"),
        (f"clusterrole {name} --verb=get --resource=nodes", f"clusterrole.rbac.authorization.k8s.io/{name}"),
        (
            f"clusterrolebinding {name} --clusterrole={name} --group=g",
            f"clusterrolebinding.rbac.authorization.k8s.io/{name}",
        ),
        (f"priorityclass {name} --value=7", f"priorityclass.scheduling.k8s.io/{name}"),
    ):
        assert await kubectl("create", *command.split()) == f"{created} created\n"
        assert (await kubectl("get", created, "-o", "name")).strip() == created
        await kubectl("delete", created, "--wait=false")


async def test_dry_runs_leave_nothing(kubectl: Kubectl) -> None:
    text = await kubectl("create", "deployment", "d", "--image=x", "--dry-run=server", "-o", "json")
    made = orjson.loads(text)
    assert made["metadata"]["uid"] and made["spec"]["progressDeadlineSeconds"] == 600
    assert await kubectl("apply", "-f", "-", "--dry-run=server", stdin=WEB) == (
        "deployment.apps/web created (server dry run)\n"
    )
    assert await kubectl("get", "deploy", "-o", "name") == ""


async def test_run_and_expose(kubectl: Kubectl) -> None:
    await kubectl("run", "p", "--image=nginx", "--port=80", "--env=A=b", "--labels=app=p", "--expose")
    await kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    pod: Any = await kubectl.json("get", "pod", "p")
    (container,) = pod["spec"]["containers"]
    assert (container["image"], container["env"]) == ("nginx", [{"name": "A", "value": "b"}])
    service: Any = await kubectl.json("get", "service", "p")
    assert service["spec"]["selector"] == {"app": "p"}
    await kubectl("expose", "pod", "p", "--name=np", "--type=NodePort", "--port=8080", "--target-port=80")
    exposed: Any = await kubectl.json("get", "service", "np")
    (port,) = exposed["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, 80) and 30000 <= port["nodePort"] <= 32767
    await kubectl("wait", "endpoints/np", "--for=jsonpath={.subsets[0].addresses[0].ip}", "--timeout=20s")
    address = await kubectl("get", "endpoints", "np", "-o", "jsonpath={.subsets[0].addresses[0].ip}")
    assert address == pod["status"]["podIP"]
    result = await kubectl.run("run", "once", "--image=busybox", "--restart=Never", "--rm", "-i", "--", "true")
    assert result.code == 0 and 'pod "once" deleted' in result.out
    assert 'pods "once" not found' in await kubectl.fails("get", "pod", "once")


async def test_apply_changes_what_the_file_changed(kubectl: Kubectl, web: str) -> None:
    await kubectl("scale", "deploy/web", "--replicas=3")
    await kubectl("label", "deploy", "web", "mine=kept")
    assert await kubectl("apply", "-f", "-", stdin=web) == "deployment.apps/web configured\n"
    changed = web.replace("web:1", "web:2").replace("ports: [{containerPort: 80}]", "env: [{name: A, value: b}]")
    diff = await kubectl.run("diff", "-f", "-", stdin=changed)
    assert diff.code == 1 and "+        image: web:2" in diff.out.replace("      - image", "        image")
    assert await kubectl("apply", "-f", "-", stdin=changed) == "deployment.apps/web configured\n"
    deployment: Any = await kubectl.json("get", "deploy", "web")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["env"]) == ("web:2", [{"name": "A", "value": "b"}])
    assert "ports" not in container
    assert deployment["metadata"]["labels"] == {"app": "web", "mine": "kept"}
    assert deployment["spec"]["replicas"] == 2
    assert await kubectl("apply", "-f", "-", stdin=changed) == "deployment.apps/web unchanged\n"
    assert await kubectl("diff", "-f", "-", stdin=changed) == ""
    last = await kubectl("apply", "view-last-applied", "deploy/web", "-o", "json")
    assert orjson.loads(last)["spec"]["template"]["spec"]["containers"][0]["image"] == "web:2"


async def test_server_side_apply(kubectl: Kubectl) -> None:
    one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: one, other: x}\n"
    two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: two}\n"
    assert await kubectl("apply", "--server-side", "--field-manager=a", "-f", "-", stdin=one) == (
        "configmap/c serverside-applied\n"
    )
    said = await kubectl.fails("apply", "--server-side", "--field-manager=b", "-f", "-", stdin=two)
    assert said.startswith('error: Apply failed with 1 conflict: conflict with "a": .data.k\n')
    await kubectl("apply", "--server-side", "--field-manager=b", "--force-conflicts", "-f", "-", stdin=two)
    obj: Any = await kubectl.json("get", "cm", "c", "--show-managed-fields")
    assert obj["data"] == {"k": "two", "other": "x"}
    owners = {each["manager"]: each["fieldsV1"]["f:data"] for each in obj["metadata"]["managedFields"]}
    assert owners == {"a": {"f:other": {}}, "b": {"f:k": {}}}
    await kubectl("apply", "--server-side", "--field-manager=a", "-f", "-", stdin=two)
    assert await kubectl("get", "cm", "c", "-o", "jsonpath={.data}") == '{"k":"two"}'


async def test_prune(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    for name in "ab":
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{app: p}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    command = ("apply", "-f", str(tmp_path), "--prune", "-l", "app=p", "--prune-allowlist=core/v1/ConfigMap")
    assert await kubectl(*command) == "configmap/a created\nconfigmap/b created\n"
    (tmp_path / "b.yaml").unlink()
    assert await kubectl(*command) == "configmap/a unchanged\nconfigmap/b pruned\n"
    assert await kubectl("get", "cm", "-l", "app=p", "-o", "name") == "configmap/a\n"


async def test_apply_sets(cluster: Cluster, kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
    command = ("apply", "-n", cluster.namespace, "-f", str(tmp_path), "--prune", "--applyset=set")
    await kubectl(*command, KUBECTL_APPLYSET="true")
    (tmp_path / "b.yaml").unlink()
    assert "configmap/b pruned" in await kubectl(*command, KUBECTL_APPLYSET="true")
    assert await kubectl("get", "cm", "-l", "applyset.kubernetes.io/part-of", "-o", "name") == "configmap/a\n"


async def test_kustomize(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "kustomization.yaml").write_text(
        "namePrefix: my-\nresources: [web.yaml]\nimages: [{name: web, newTag: '7'}]\n"
        "configMapGenerator: [{name: settings, literals: [mode=fast]}]\n"
    )
    out = await kubectl("apply", "-k", str(tmp_path))
    assert "deployment.apps/my-web created" in out and "configmap/my-settings-" in out
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert await kubectl("get", "deploy", "my-web", "-o", image) == "web:7"
    assert await kubectl("diff", "-k", str(tmp_path)) == ""
    await kubectl("delete", "-k", str(tmp_path))
    assert await kubectl("get", "deploy", "-o", "name") == ""


async def test_patches_of_three_types(kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "d", "--image=one")

    async def spec() -> Any:
        return (await kubectl.json("get", "deploy", "d"))["spec"]

    template = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"two"}]}}}}'
    assert await kubectl("patch", "deploy", "d", "-p", template) == "deployment.apps/d patched\n"
    containers = (await spec())["template"]["spec"]["containers"]
    assert sorted(each["image"] for each in containers) == ["one", "two"]
    await kubectl("patch", "deploy", "d", "--type=merge", "-p", template)
    assert [each["image"] for each in (await spec())["template"]["spec"]["containers"]] == ["two"]
    operations = '[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":0}]'
    await kubectl("patch", "deploy", "d", "--type=json", "-p", operations)
    assert (await spec())["replicas"] == 0
    assert await kubectl("patch", "deploy", "d", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":1}}')
    assert (await spec())["replicas"] == 1
    assert "(no change)" in await kubectl("patch", "deploy", "d", "-p", '{"spec":{"replicas":1}}')


async def test_labels_and_annotations(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c")
    assert await kubectl("label", "cm", "c", "a=1", "b=2") == "configmap/c labeled\n"
    assert "already has a value (1), and --overwrite is false" in await kubectl.fails("label", "cm", "c", "a=3")
    await kubectl("label", "cm", "c", "a=3", "--overwrite")
    assert await kubectl("label", "cm", "c", "b-") == "configmap/c unlabeled\n"
    await kubectl("annotate", "cm", "c", "note=some text", "x=y")
    await kubectl("annotate", "cm", "c", "x-")
    obj: Any = await kubectl.json("get", "cm", "c")
    assert obj["metadata"]["labels"] == {"a": "3"} and obj["metadata"]["annotations"] == {"note": "some text"}


async def test_edit_with_a_scripted_editor(kubectl: Kubectl, tmp_path: pathlib.Path) -> None:
    await kubectl("create", "configmap", "c", "--from-literal=mode=fast")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/$FROM/$TO/" "$1"\n')
    editor.chmod(0o755)

    def script(before: str, after: str) -> dict[str, str]:
        return {"KUBE_EDITOR": str(editor), "FROM": before, "TO": after}

    assert await kubectl("edit", "cm", "c", **script("fast", "slow")) == "configmap/c edited\n"
    assert await kubectl("get", "cm", "c", "-o", "jsonpath={.data.mode}") == "slow"
    result = await kubectl.run("edit", "cm", "c", **script("fast", "slow"))
    assert (result.code, result.err) == (0, "Edit cancelled, no changes made.\n")
    said = await kubectl.fails("edit", "cm", "c", **script("name: c", "name: d"))
    assert "At least one of apiVersion, kind and name was changed" in said


async def test_replace(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c", "--from-literal=a=1")
    text = await kubectl("get", "cm", "c", "-o", "yaml")
    assert await kubectl("replace", "-f", "-", stdin=text.replace('"1"', '"2"')) == "configmap/c replaced\n"
    said = await kubectl.fails("replace", "-f", "-", stdin=text.replace('"1"', '"3"'))
    assert said == (
        'Error from server (Conflict): error when replacing "STDIN": Operation cannot be fulfilled on configmaps "c": '
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    before = await kubectl("get", "cm", "c", "-o", "jsonpath={.metadata.uid}")
    await kubectl("replace", "--force", "-f", "-", stdin=text)
    assert await kubectl("get", "cm", "c", "-o", "jsonpath={.data.a}") == "1"
    assert await kubectl("get", "cm", "c", "-o", "jsonpath={.metadata.uid}") != before
    other = text.replace("name: c", "name: other")
    assert 'configmaps "other" not found' in await kubectl.fails("replace", "-f", "-", stdin=other)


async def test_set(kubectl: Kubectl, web: str) -> None:
    await kubectl("create", "serviceaccount", "robot")
    await kubectl("set", "env", "deploy/web", "A=b", "C=d")
    await kubectl("set", "env", "deploy/web", "C-")
    assert await kubectl("set", "env", "deploy/web", "--list") == "# Deployment web, container web\nA=b\n"
    await kubectl("set", "resources", "deploy/web", "--limits=cpu=200m,memory=512Mi", "--requests=cpu=100m")
    await kubectl("set", "serviceaccount", "deploy/web", "robot")
    await kubectl("set", "image", "deploy/web", "web=web:3")
    deployment: Any = await kubectl.json("get", "deploy", "web")
    spec = deployment["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "robot"
    (container,) = spec["containers"]
    assert container["image"] == "web:3" and container["env"] == [{"name": "A", "value": "b"}]
    assert container["resources"] == {"limits": {"cpu": "200m", "memory": "512Mi"}, "requests": {"cpu": "100m"}}
    await kubectl("expose", "deploy", "web", "--port=80")
    await kubectl("set", "selector", "service", "web", "app=other")
    assert await kubectl("get", "svc", "web", "-o", "jsonpath={.spec.selector}") == '{"app":"other"}'
    await kubectl("create", "rolebinding", "rb", "--clusterrole=view", "--user=a")
    await kubectl("set", "subject", "rolebinding", "rb", "--user=b")
    assert await kubectl("get", "rolebinding", "rb", "-o", "jsonpath={.subjects[*].name}") == "a b"
