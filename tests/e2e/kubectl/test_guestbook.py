"""The guestbook example, from apply to the last object gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.kubectl.conftest import ROOT, Cluster
from tests.support.kubectl import Kubectl

EXAMPLE = str(ROOT / "examples" / "guestbook")


@pytest_asyncio.fixture
async def guestbook(running: Cluster) -> AsyncIterator[Kubectl]:
    """kubectl in the example's namespace, with all of it ready."""
    kubectl = Cluster(running.kubeconfig, running.directory, "guestbook").kubectl()
    await kubectl("apply", "-f", EXAMPLE)
    await kubectl("rollout", "status", "deployment/frontend", "--timeout=60s")
    await kubectl("rollout", "status", "deployment/moderator", "--timeout=60s")
    await kubectl("rollout", "status", "statefulset/redis", "--timeout=60s")
    await kubectl("rollout", "status", "daemonset/node-metrics", "--timeout=60s")
    await kubectl("wait", "job/load-sample-entries", "--for=condition=Complete", "--timeout=60s")
    yield kubectl
    await kubectl("delete", "namespace", "guestbook", "--ignore-not-found")


async def test_all_of_it_is_seen(guestbook: Kubectl) -> None:
    listed = await guestbook("get", "all", "-o", "name")
    for name in ("deployment.apps/frontend", "statefulset.apps/redis", "service/redis", "cronjob.batch/backup"):
        assert name in listed.split()
    table = await guestbook("get", "pods", "-o", "wide")
    header, *rows = table.splitlines()
    assert header.split() == [
        *("NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES")
    ]
    assert len([row for row in rows if row.startswith("frontend-") and " 2/2 " in row and " Running " in row]) == 3
    assert len([row for row in rows if " Completed " in row]) == 3
    nodes = {row.split()[6] for row in rows if row.startswith("node-metrics-")}
    assert nodes == {"node-1", "node-2", "node-3"}
    on_one = await guestbook("get", "pods", "-A", "--field-selector", "spec.nodeName=node-1", "-o", "name")
    assert "pod/node-metrics-" in on_one
    slices: Any = await guestbook.json("get", "endpointslices", "-l", "kubernetes.io/service-name=frontend")
    assert len(slices["items"][0]["endpoints"]) == 3
    assert ":8080" in (await guestbook("get", "endpoints", "frontend")).splitlines()[1]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("deployment/frontend", ("3 desired | 3 updated | 3 total | 3 available", "NewReplicaSetAvailable",
                                 "Scaled up replica set frontend-")),
        ("statefulset/redis", ("2 desired | 2 total", "REDIS_PASSWORD:", "SuccessfulCreate")),
        ("daemonset/node-metrics", ("Desired Number of Nodes Scheduled: 3", "/host from root (ro)")),
        ("pod/redis-0", ("Status:           Running", "Successfully assigned guestbook/redis-0", "Init Containers:",
                         "QoS Class:                   Burstable")),
        ("service/frontend", ("NodePort", "http/TCP", ":8080")),
        ("ingress/guestbook", ("guestbook.example", "frontend:http (10.")),
        ("job/load-sample-entries", ("0 Active (0 Ready) / 3 Succeeded / 0 Failed", "Job completed")),
        ("cronjob/backup", ("*/15 * * * *", "Forbid")),
        ("secret/redis", ("password:  19 bytes",)),
        ("role/read-config", ("configmaps", "[get list watch]")),
        ("rolebinding/frontend-reads-config", ("ServiceAccount  frontend  guestbook",)),
        ("node/node-2", ("KubeletReady", "Non-terminated Pods:", "guestbook")),
        ("namespace/guestbook", ("Status:       Active", "No resource quota.")),
    ],
)  # fmt: skip
async def test_describe(described: dict[str, str], what: str, expected: tuple[str, ...]) -> None:
    for text in expected:
        assert text in described[what]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def described(running: Cluster) -> AsyncIterator[dict[str, str]]:
    """Each object of the guestbook, described while it runs."""
    kubectl = Cluster(running.kubeconfig, running.directory, "guestbook").kubectl()
    await kubectl("apply", "-f", EXAMPLE)
    for name in ("deployment/frontend", "statefulset/redis", "daemonset/node-metrics"):
        await kubectl("rollout", "status", name, "--timeout=60s")
    await kubectl("wait", "job/load-sample-entries", "--for=condition=Complete", "--timeout=60s")
    marks = [mark for mark in test_describe.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    names = [row[0] for row in marks[0].args[1]]
    yield {name: await kubectl("describe", name) for name in names}
    await kubectl("delete", "namespace", "guestbook", "--ignore-not-found")


async def test_applied_again_nothing_changes(guestbook: Kubectl) -> None:
    before = await guestbook("get", "all,cm,secret,ing,role,rolebinding,sa", "-o", _VERSIONS)
    again = await guestbook("apply", "-f", EXAMPLE)
    assert "created" not in again
    assert "deployment.apps/moderator unchanged" in again
    assert await guestbook("diff", "-f", EXAMPLE) == ""
    after = await guestbook("get", "all,cm,secret,ing,role,rolebinding,sa", "-o", _VERSIONS)
    assert after == before


_VERSIONS = 'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{"\\n"}{end}'


async def test_deleting_the_files_deletes_everything(guestbook: Kubectl) -> None:
    out = await guestbook("delete", "-f", EXAMPLE, "--ignore-not-found", "--timeout=60s")
    assert 'namespace "guestbook" deleted' in out
    assert "not found" in await guestbook.fails("get", "namespace", "guestbook")
    assert await guestbook("get", "all", "-o", "name") == ""
