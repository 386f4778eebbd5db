"""The commands that everybody uses, with each kubectl that is installed, from 1.27 on."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from tests.e2e.kubectl.conftest import WEB, Cluster
from tests.support.kubectl import every_version


@pytest.mark.parametrize("binary", every_version(), ids=lambda path: pathlib.Path(path).name)
async def test_the_essential_commands(cluster: Cluster, binary: str) -> None:
    kubectl = cluster.kubectl(binary)
    assert await kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\n"
    assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert await kubectl("apply", "-f", "-", stdin=WEB) == "deployment.apps/web unchanged\n"
    assert "serverside-applied" in await kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=WEB.replace("web:1", "web:2")
    )
    await kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    header, row = (await kubectl("get", "deploy", "-o", "wide")).splitlines()
    assert header.split()[:3] == ["NAME", "READY", "UP-TO-DATE"]
    assert row.split()[:4] == ["web", "2/2", "2", "2"] and "web:2" in row
    deployment: Any = await kubectl.json("get", "deploy", "web")
    assert deployment["status"]["readyReplicas"] == 2
    assert "web:2" in await kubectl("describe", "deploy", "web")
    assert await kubectl("create", "deployment", "d", "--image=x") == "deployment.apps/d created\n"
    await kubectl("rollout", "status", "deploy/d", "--timeout=60s")
    assert (await kubectl.run("logs", "deploy/d")).code == 0
    assert "resources" in await kubectl("explain", "pod.spec.containers")
    assert "rollingUpdate" in await kubectl("explain", "deploy.spec.strategy")
    await kubectl("rollout", "restart", "deploy/web")
    await kubectl("rollout", "undo", "deploy/web")
    assert "REVISION" in await kubectl("rollout", "history", "deploy/web")
    assert "web" in await kubectl("get", "all", "-o", "name")
    said = await kubectl.fails(
        "create", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nx: 1\n"
    )
    assert 'unknown field "x"' in said
    assert "deleted" in await kubectl("delete", "deploy", "web", "d")
