"""`cordon`, `uncordon` and `drain`: refusals first, then a node without pods that may leave; and `describe node`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.pilot.conftest import WEB, Pilot

DAEMONS = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: daemons}
spec:
  selector: {matchLabels: {app: daemons}}
  template:
    metadata: {labels: {app: daemons}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: c}]}
"""
LONE = """
apiVersion: v1
kind: Pod
metadata: {name: lone}
spec:
  nodeName: node-1
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: c}]
  volumes: [{name: v, emptyDir: {}}]
"""


@pytest.fixture(autouse=True)
def _uncordoned(here: Pilot) -> Iterator[None]:
    yield
    here("uncordon", "node-1")


def _unschedulable(here: Pilot) -> bool:
    return bool(here.json("node", "node-1")["spec"].get("unschedulable"))


def test_cordon_and_uncordon(here: Pilot) -> None:
    assert here("cordon", "node-1", "--dry-run=server") == "node/node-1 cordoned (server dry run)\n"
    assert not _unschedulable(here)
    assert here("cordon", "node-1") == "node/node-1 cordoned\n"
    assert _unschedulable(here)
    assert here("cordon", "node-1") == "node/node-1 already cordoned\n"
    assert here("uncordon", "node-1") == "node/node-1 uncordoned\n"
    assert not _unschedulable(here)
    assert 'nodes "nope" not found' in here.fails("cordon", "nope")
    assert "error: at least one node name or --selector is required" in here.fails("drain")


def test_drain(here: Pilot) -> None:
    here("cordon", "node-2")
    here("apply", "-f", "-", stdin=WEB)
    here("rollout", "status", "deploy/web", "--timeout=60s")
    here("uncordon", "node-2")
    here("apply", "-f", "-", stdin=f"{DAEMONS}---\n{LONE}")
    here("rollout", "status", "ds/daemons", "--timeout=60s")
    here("wait", "pod/lone", "--for=condition=Ready")
    draining = ["drain", "node-1", "--pod-selector=app in (web,daemons)"]
    assert "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" in here.fails(*draining)
    assert _unschedulable(here)

    draining = ["drain", "node-1", "--ignore-daemonsets", "--pod-selector=!nope"]
    err = here.fails(*draining)
    assert "cannot delete Pods with local storage (use --delete-emptydir-data to override): test-nodes/lone" in err
    assert err.startswith('error: unable to drain node "node-1" due to error: ')
    draining.append("--delete-emptydir-data")
    assert "Pods that declare no controller (use --force to override): test-nodes/lone" in here.fails(*draining)
    draining.append("--force")
    dry = here.run(*draining, "--dry-run=server")
    assert "evicting pod test-nodes/lone (server dry run)\n" in dry.out and dry.code == 0
    here("get", "pod", "lone")

    here("create", "pdb", "web", "--selector=app=web", "--min-available=2")
    here("wait", "pdb/web", "--for=jsonpath={.status.expectedPods}=2")
    err = here.fails(*draining, "--timeout=500ms")
    assert "Cannot evict pod as it would violate the pod's disruption budget." in err
    assert "global timeout reached: 0.5s" in err
    assert len(here("get", "pods", "-l", "app=web", "-o", "name", "--field-selector=spec.nodeName=node-1").split()) == 2

    here("delete", "pdb", "web")
    result = here.run(*draining, "--timeout=60s")
    assert result.code == 0 and result.out.endswith("node/node-1 drained\n")
    assert "Warning: ignoring DaemonSet-managed Pods: " in result.err
    left = here("get", "pods", "-o", "name", "--field-selector=spec.nodeName=node-1").split()
    assert len(left) == 1 and left[0].startswith("pod/daemons-")
    here("rollout", "status", "deploy/web", "--timeout=60s")
    assert len(here("get", "pods", "-l", "app=web", "-o", "name", "--field-selector=spec.nodeName=node-2").split()) == 2
