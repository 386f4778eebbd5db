"""Deployments, and their sisters, from one revision to the next."""

from __future__ import annotations

from typing import Any

from tests.support.kubectl import Kubectl

IMAGE = "jsonpath={.spec.template.spec.containers[0].image}"


async def _history(kubectl: Kubectl, name: str = "deploy/web") -> list[str]:
    listed = await kubectl("rollout", "history", name)
    return [row.split()[0] for row in listed.splitlines()[2:] if row.strip()]


async def test_set_image_history_and_undo(kubectl: Kubectl, web: str) -> None:
    assert await kubectl("set", "image", "deploy/web", "web=web:2") == "deployment.apps/web image updated\n"
    await kubectl("annotate", "deploy/web", "kubernetes.io/change-cause=to two")
    out = await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert out.endswith('deployment "web" successfully rolled out\n')
    assert await _history(kubectl) == ["1", "2"]
    assert "2         to two" in await kubectl("rollout", "history", "deploy/web")
    assert "Image:\tweb:1" in await kubectl("rollout", "history", "deploy/web", "--revision=1")
    images = await kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    assert "web:2" in images
    assert await kubectl("rollout", "undo", "deploy/web") == "deployment.apps/web rolled back\n"
    await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert await kubectl("get", "deploy", "web", "-o", IMAGE) == "web:1"
    assert await _history(kubectl) == ["2", "3"]
    await kubectl("rollout", "undo", "deploy/web", "--to-revision=2")
    assert await kubectl("get", "deploy", "web", "-o", IMAGE) == "web:2"
    said = await kubectl.fails("rollout", "undo", "deploy/web", "--to-revision=9")
    assert said == "error: unable to find specified revision 9 in history"
    sets: Any = await kubectl.json("get", "rs", "-l", "app=web")
    assert len(sets["items"]) == 2


async def test_pause_and_resume(kubectl: Kubectl, web: str) -> None:
    assert await kubectl("rollout", "pause", "deploy/web") == "deployment.apps/web paused\n"
    assert "already paused" in await kubectl.fails("rollout", "pause", "deploy/web")
    await kubectl("set", "image", "deploy/web", "web=web:2")
    out = await kubectl("rollout", "status", "deploy/web", "--watch=false")
    assert out == 'Waiting for deployment "web" rollout to finish: 0 out of 2 new replicas have been updated...\n'
    assert await _history(kubectl) == ["1"]
    assert await kubectl("rollout", "resume", "deploy/web") == "deployment.apps/web resumed\n"
    assert "is not paused" in await kubectl.fails("rollout", "resume", "deploy/web")
    await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert await _history(kubectl) == ["1", "2"]
    await kubectl("rollout", "pause", "deploy/web")
    assert "you cannot rollback a paused deployment" in await kubectl.fails("rollout", "undo", "deploy/web")


async def test_restart(kubectl: Kubectl, web: str) -> None:
    before = (await kubectl("get", "pods", "-l", "app=web", "-o", "name")).split()
    assert await kubectl("rollout", "restart", "deploy/web") == "deployment.apps/web restarted\n"
    await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    await kubectl("wait", "--for=delete", *before, "--timeout=30s")
    after = (await kubectl("get", "pods", "-l", "app=web", "-o", "name")).split()
    assert len(after) == 2 and not {*before} & {*after}


async def test_scale_and_autoscale(kubectl: Kubectl, web: str) -> None:
    assert await kubectl("scale", "deploy/web", "--replicas=4") == "deployment.apps/web scaled\n"
    await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert len((await kubectl("get", "pods", "-l", "app=web", "-o", "name")).split()) == 4
    said = await kubectl.fails("scale", "deploy/web", "--replicas=1", "--current-replicas=9")
    assert said == "error: Expected replicas to be 9, was 4"
    await kubectl("scale", "deploy/web", "--replicas=0", "--current-replicas=4")
    await kubectl("wait", "pods", "-l", "app=web", "--for=delete", "--timeout=30s")
    assert await kubectl("get", "deploy/web", "-o", "jsonpath={.status.replicas}") == ""
    await kubectl("autoscale", "deploy/web", "--min=1", "--max=5", "--cpu-percent=50")
    scaler: Any = await kubectl.json("get", "hpa", "web")
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (1, 5)


async def test_sets_roll_and_undo_too(kubectl: Kubectl, web: str) -> None:
    template = web[web.index("  selector") :]
    for kind, name in (("StatefulSet", "sts/web"), ("DaemonSet", "ds/web")):
        text = f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: web}}\nspec:\n{template}".replace(
            "web}", f"{kind.lower()}}}"
        )
        await kubectl("apply", "-f", "-", stdin=text.replace(f"name: {kind.lower()}", "name: web"))
        await kubectl("rollout", "status", name, "--timeout=60s")
        await kubectl("set", "image", name, "web=web:2")
        await kubectl("rollout", "status", name, "--timeout=60s")
        assert await _history(kubectl, name) == ["1", "2"]
        await kubectl("rollout", "undo", name)
        assert await kubectl("get", name, "-o", IMAGE) == "web:1"
        await kubectl("rollout", "restart", name)
        await kubectl("rollout", "status", name, "--timeout=60s")
    assert "pausing is not supported" in await kubectl.fails("rollout", "pause", "ds/web")
