"""delete in all its manners, finalizers, and namespaces with everything in them."""

from __future__ import annotations

import pytest

from tests.e2e.kubectl.conftest import Cluster
from tests.support.kubectl import Kubectl


async def _left(kubectl: Kubectl) -> list[str]:
    names = (await kubectl("get", "deploy,rs,pods", "-l", "app=web", "-o", "name")).split()
    return sorted(name.partition("/")[0] for name in names)


@pytest.mark.parametrize("cascade", ["background", "foreground"])
async def test_with_all_that_it_owns(kubectl: Kubectl, web: str, cascade: str) -> None:
    pods = (await kubectl("get", "pods", "-l", "app=web", "-o", "name")).split()
    assert await kubectl("delete", "deploy/web", f"--cascade={cascade}") == 'deployment.apps "web" deleted\n'
    if cascade == "foreground":
        assert await _left(kubectl) == []
    await kubectl("wait", "--for=delete", *pods, "--timeout=30s")
    assert await _left(kubectl) == []


async def test_orphans_live_on(kubectl: Kubectl, web: str) -> None:
    await kubectl("delete", "deploy/web", "--cascade=orphan")
    assert await _left(kubectl) == ["pod", "pod", "replicaset.apps"]
    owners = "jsonpath={.items[*].metadata.ownerReferences}"
    assert await kubectl("get", "rs", "-l", "app=web", "-o", owners) == ""
    await kubectl("apply", "-f", "-", stdin=web)
    await kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    assert '"name":"web"' in await kubectl("get", "rs", "-l", "app=web", "-o", owners)
    assert await _left(kubectl) == ["deployment.apps", "pod", "pod", "replicaset.apps"]


async def test_pods_by_force_and_by_selector(kubectl: Kubectl) -> None:
    for name in "abc":
        await kubectl("run", name, "--image=busybox", "--labels=app=p")
    await kubectl("wait", "pods", "-l", "app=p", "--for=condition=Ready", "--timeout=30s")
    result = await kubectl.run("delete", "pod", "a", "--grace-period=0", "--force")
    assert result.code == 0 and result.out.startswith('pod "a" force deleted')
    assert "Warning: Immediate deletion does not wait for confirmation" in result.err
    assert "not found" in await kubectl.fails("get", "pod", "a")
    await kubectl("delete", "pod", "b", "--now")
    out = await kubectl("delete", "pods", "-l", "app=p", "--grace-period=1")
    assert out.startswith('pod "c" deleted')
    assert await kubectl("get", "pods", "-o", "name") == ""


async def test_what_is_not_there(kubectl: Kubectl) -> None:
    assert await kubectl.fails("delete", "cm", "x") == 'Error from server (NotFound): configmaps "x" not found'
    assert await kubectl("delete", "cm", "x", "--ignore-not-found") == ""
    assert await kubectl("delete", "deploy", "--all") == "No resources found\n"
    said = await kubectl.fails("delete", "pods")
    assert said == "error: resource(s) were provided, but no name was specified"


async def test_a_dry_run_deletes_nothing(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c")
    assert (await kubectl("delete", "cm", "c", "--dry-run=server")).startswith('configmap "c" deleted (server dry run)')
    assert await kubectl("get", "cm", "c", "-o", "name") == "configmap/c\n"


async def test_finalizers_hold_an_object(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c")
    await kubectl("patch", "cm", "c", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    said = await kubectl.fails("delete", "cm", "c", "--timeout=2s")
    assert said.splitlines()[-1] == "error: timed out waiting for the condition on configmaps/c"
    assert await kubectl("get", "cm", "c", "-o", "jsonpath={.metadata.deletionTimestamp}")
    more = '{"metadata":{"finalizers":["example.com/hold","example.com/more"]}}'
    said = await kubectl.fails("patch", "cm", "c", "--type=merge", "-p", more)
    assert "no new finalizers can be added if the object is being deleted" in said
    await kubectl("patch", "cm", "c", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "not found" in await kubectl.fails("get", "cm", "c")
    said = await kubectl.fails(
        "patch", "cm", "kube-root-ca.crt", "--type=merge", "-p", '{"metadata":{"finalizers":["bad"]}}'
    )
    assert 'Invalid value: "bad": name is neither a standard finalizer name nor is it fully qualified' in said


async def test_a_namespace_with_everything_in_it(cluster: Cluster, kubectl: Kubectl) -> None:
    name = f"{cluster.namespace}-full"
    inside = ("-n", name)
    await kubectl("create", "namespace", name)
    await kubectl("create", "deployment", "d", "--image=x", "--replicas=2", *inside)
    await kubectl("create", "configmap", "held", *inside)
    hold = '{"metadata":{"finalizers":["example.com/hold"]}}'
    await kubectl("patch", "cm", "held", "--type=merge", "-p", hold, *inside)
    said = await kubectl.fails("delete", "namespace", name, "--timeout=3s")
    assert said.splitlines()[-1] == f"error: timed out waiting for the condition on namespaces/{name}"
    assert (await kubectl("get", "namespace", name, "--no-headers")).split()[1] == "Terminating"
    assert await kubectl.fails("create", "configmap", "new", *inside) == (
        'error: failed to create configmap: configmaps "new" is forbidden: unable to create new content in namespace '
        f"{name} because it is being terminated"
    )
    condition = 'jsonpath={.status.conditions[?(@.type=="NamespaceFinalizersRemaining")].message}'
    await kubectl("wait", f"namespace/{name}", "--for=condition=NamespaceFinalizersRemaining", "--timeout=20s")
    assert "example.com/hold in 1 resource instances" in await kubectl("get", "namespace", name, "-o", condition)
    await kubectl("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}', *inside)
    await kubectl("wait", "--for=delete", f"namespace/{name}", "--timeout=60s")
    assert await kubectl("get", "deploy,rs,pods,cm", "-o", "name", *inside) == ""


async def test_namespaces_that_stay(kubectl: Kubectl) -> None:
    for name in ("default", "kube-system"):
        said = await kubectl.fails("delete", "namespace", name)
        assert (
            said
            == f'Error from server (Forbidden): namespaces "{name}" is forbidden: this namespace may not be deleted'
        )
