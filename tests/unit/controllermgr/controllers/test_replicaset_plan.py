"""Which pods go first, and what the status counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllermgr.controllers import replicaset_plan as plan
from machinery.objects import timefmt

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pod(
    name: str,
    *,
    node: str = "n1",
    phase: str = "Running",
    ready: float | None = 3600.0,
    age: float = 7200.0,
    restarts: int = 0,
    cost: int | None = None,
    labels: dict[str, str] | None = None,
    deleting: bool = False,
) -> dict[str, Any]:
    """ready: seconds since it became ready, None while it is not."""

    def ago(seconds: float) -> str:
        return timefmt.format(NOW - timedelta(seconds=seconds))

    found: dict[str, Any] = {
        "metadata": {"namespace": "ns", "name": name, "uid": name, "creationTimestamp": ago(age)},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "containerStatuses": [{"restartCount": restarts}]},
    }
    if labels is not None:
        found["metadata"]["labels"] = labels
    if cost is not None:
        found["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": str(cost)}
    if deleting:
        found["metadata"]["deletionTimestamp"] = ago(0)
    if ready is not None:
        found["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": ago(ready)}]
    return found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(pod("z", node="", phase="Pending", ready=None), pod("a", ready=None), id="unassigned"),
        pytest.param(pod("z", phase="Pending", ready=None), pod("a", ready=None), id="pending"),
        pytest.param(pod("z", phase="Unknown", ready=None), pod("a", ready=None), id="unknown"),
        pytest.param(pod("z", ready=None), pod("a"), id="not ready"),
        pytest.param(pod("z", cost=-5), pod("a"), id="cheaper"),
        pytest.param(pod("z", cost=1), pod("a", cost=2), id="cheap against dear"),
        pytest.param(pod("z", ready=10), pod("a", ready=3600), id="ready for less long"),
        pytest.param(pod("z", restarts=3), pod("a"), id="restarted more often"),
        pytest.param(pod("z", age=4000.0), pod("a", age=90000.0), id="younger"),
        pytest.param(pod("a", ready=3000), pod("z", ready=3900), id="about as long ready: by uid"),
    ],
)
def test_what_is_missed_least_goes_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    for pods in ([first, second], [second, first]):
        assert plan.doomed(pods, pods, 1, NOW) == [first]


def test_pods_that_share_a_node_with_their_like_go_first() -> None:
    alone, crowded, other = pod("a", node="n1"), pod("b", node="n2"), pod("c", node="n2")
    assert plan.doomed([alone, crowded], [alone, crowded, other], 1, NOW) == [crowded]
    ended = pod("d", node="n2", phase="Succeeded")
    assert plan.doomed([alone, crowded], [alone, crowded, ended], 1, NOW) == [alone], "what ended crowds nobody"


def test_all_go_when_all_must() -> None:
    pods = [pod("a"), pod("b")]
    assert plan.doomed(pods, pods, 5, NOW) == pods


REPLICA_SET: dict[str, Any] = {
    "metadata": {"generation": 4},
    "spec": {"minReadySeconds": 60, "template": {"metadata": {"labels": {"app": "a", "v": "1"}}}},
    "status": {},
}


def facts(*pods: dict[str, Any]) -> list[plan.Facts]:
    return [plan.facts(each) for each in pods]


def test_the_status_counts() -> None:
    labels = {"app": "a", "v": "1"}
    pods = facts(
        pod("a", labels=labels), pod("b", labels=labels, ready=10), pod("c", labels={"app": "a"}, ready=None), pod("d")
    )
    assert plan.status(REPLICA_SET, pods, 2, None, NOW) == {
        "replicas": 4,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "terminatingReplicas": 2,
        "observedGeneration": 4,
    }


def test_a_failure_is_told_and_taken_back() -> None:
    failed = plan.status(REPLICA_SET, [], 0, ("FailedCreate", "exceeded quota"), NOW)
    assert failed["conditions"] == [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "lastTransitionTime": "2026-01-01T12:00:00Z",
            "reason": "FailedCreate",
            "message": "exceeded quota",
        }
    ]
    again = {**REPLICA_SET, "status": failed}
    assert plan.status(again, [], 0, ("FailedCreate", "another text"), NOW) == failed
    assert "conditions" not in plan.status(again, [], 0, None, NOW)


def test_the_next_look_is_when_the_first_becomes_available() -> None:
    pods = facts(pod("a", ready=10), pod("b", ready=45), pod("c", ready=100), pod("d", ready=None))
    assert plan.next_look(pods, 60, NOW) == 15.0
    assert plan.next_look(pods, 0, NOW) is None
    assert plan.next_look(facts(pod("c", ready=100)), 60, NOW) is None


@pytest.mark.parametrize(
    ("each", "active", "terminating"),
    [
        pytest.param(pod("a"), True, False, id="running"),
        pytest.param(pod("a", deleting=True), False, True, id="being deleted"),
        pytest.param(pod("a", phase="Failed"), False, False, id="ended"),
        pytest.param(pod("a", phase="Failed", deleting=True), False, False, id="ended and being deleted"),
    ],
)
def test_what_counts(each: dict[str, Any], active: bool, terminating: bool) -> None:
    found = plan.facts(each)
    assert (found.active, found.terminating) == (active, terminating)
