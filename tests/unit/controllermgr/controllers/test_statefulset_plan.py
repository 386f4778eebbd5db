"""StatefulSets: which pod comes next, and why it waits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controllermgr.controllers import statefulset_plan as plan
from controllermgr.controllers.statefulset_plan import Create, Delete, Repair

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


def _set(replicas: int = 3, status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "n", "uid": "u"},
        "spec": {
            "replicas": replicas, "serviceName": "svc", "selector": {"matchLabels": {"a": "b"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}, **spec,
        },
        "status": status or {},
    }  # fmt: skip


def _pod(number: int, state: str = "ready", *, revision: str = "r1") -> dict[str, Any]:
    """state: ready, unready, pending, failed, going."""
    name = f"web-{number}"
    labels = {plan.REVISION_LABEL: revision, plan.POD_NAME_LABEL: name, plan.POD_INDEX_LABEL: str(number)}
    metadata: dict[str, Any] = {"name": name, "namespace": "n", "uid": name, "labels": labels}
    if state == "going":
        metadata["deletionTimestamp"] = "2024-01-01T12:00:00Z"
    phase = {"pending": "Pending", "failed": "Failed"}.get(state, "Running")
    ready = {"type": "Ready", "status": str(state in ("ready", "going")), "lastTransitionTime": "2024-01-01T11:00:00Z"}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "conditions": [ready]}}


def _steps(statefulset: dict[str, Any], *pods: dict[str, Any], current: str = "r1", update: str = "r1") -> list[Any]:
    steps = plan.next_steps(statefulset, plan.sort(statefulset, pods), current, update, NOW)
    return [
        (type(step), step.ordinal if isinstance(step, Create | Repair) else step.pod["metadata"]["name"])
        for step in steps
    ]


@pytest.mark.parametrize(
    ("pods", "steps"),
    [
        ([], [(Create, 0)]),
        ([_pod(0)], [(Create, 1)]),
        ([_pod(0, "unready")], []),
        ([_pod(0, "pending")], []),
        ([_pod(0, "going")], []),
        ([_pod(0), _pod(2)], [(Create, 1)]),
        ([_pod(0, "failed"), _pod(1)], [(Delete, "web-0")]),
        ([_pod(0), _pod(1), _pod(2)], []),
        ([_pod(0), _pod(1), _pod(2), _pod(3), _pod(4)], [(Delete, "web-4")]),
        ([_pod(0), _pod(1), _pod(2), _pod(3), _pod(4, "going")], []),
        ([_pod(0), _pod(1), _pod(2), _pod(3), _pod(4, "unready")], [(Delete, "web-4")]),
        ([_pod(0), _pod(1), _pod(2), _pod(3, "unready"), _pod(4, "unready")], []),
        ([_pod(0), _pod(1, "unready"), _pod(2), _pod(3)], []),
    ],
)
def test_in_order(pods: list[Any], steps: list[Any]) -> None:
    assert _steps(_set(), *pods) == steps


def test_parallel_does_all_at_once() -> None:
    parallel = _set(podManagementPolicy="Parallel")
    assert _steps(parallel) == [(Create, 0), (Create, 1), (Create, 2)]
    assert _steps(parallel, _pod(0, "unready"), _pod(1, "failed")) == [(Delete, "web-1"), (Create, 2)]
    scaled = _set(1, podManagementPolicy="Parallel")
    assert _steps(scaled, _pod(0, "unready"), _pod(1), _pod(2)) == [(Delete, "web-2"), (Delete, "web-1")]


def test_scaling_down_says_that_claims_may_go() -> None:
    steps = plan.next_steps(_set(0), plan.sort(_set(0), [_pod(0)]), "r1", "r1", NOW)
    assert steps == [Delete(_pod(0), scaled_down=True)]


def test_update_goes_from_the_highest_down_one_at_a_time() -> None:
    old = [_pod(0), _pod(1), _pod(2)]
    assert _steps(_set(), *old, update="r2") == [(Delete, "web-2")]
    assert _steps(_set(), _pod(0), _pod(1), _pod(2, "pending", revision="r2"), update="r2") == []
    assert _steps(_set(), _pod(0), _pod(1), _pod(2, revision="r2"), update="r2") == [(Delete, "web-1")]


def test_partition_keeps_lower_ordinals() -> None:
    partitioned = _set(updateStrategy={"rollingUpdate": {"partition": 2}})
    assert _steps(partitioned, _pod(0), _pod(1), _pod(2, revision="r2"), update="r2") == []
    missing = plan.next_steps(partitioned, plan.sort(partitioned, [_pod(0), _pod(2, revision="r2")]), "r1", "r2", NOW)
    assert missing == [Create(1, "r1")]
    missing = plan.next_steps(partitioned, plan.sort(partitioned, [_pod(0), _pod(1)]), "r1", "r2", NOW)
    assert missing == [Create(2, "r2")]


def test_several_may_be_down_when_the_strategy_says_so() -> None:
    loose = _set(4, updateStrategy={"rollingUpdate": {"maxUnavailable": 2}})
    assert _steps(loose, *(_pod(number) for number in range(4)), update="r2") == [(Delete, "web-3"), (Delete, "web-2")]
    going = [_pod(0), _pod(1), _pod(2), _pod(3, "going")]
    parallel = _set(4, updateStrategy={"rollingUpdate": {"maxUnavailable": 2}}, podManagementPolicy="Parallel")
    assert _steps(parallel, *going, update="r2") == [(Delete, "web-2")]


def test_on_delete_waits_for_people() -> None:
    manual = _set(updateStrategy={"type": "OnDelete"})
    assert _steps(manual, _pod(0), _pod(1), _pod(2), update="r2") == []
    replaced = plan.next_steps(manual, plan.sort(manual, [_pod(0), _pod(2)]), "r1", "r2", NOW)
    assert replaced == [Create(1, "r2")]


def test_start_ordinal() -> None:
    shifted = _set(2, ordinals={"start": 5})
    assert _steps(shifted) == [(Create, 5)]
    assert _steps(shifted, _pod(5), _pod(6), _pod(4)) == [(Delete, "web-4")]


def test_lost_identity_is_repaired() -> None:
    stray = _pod(0)
    del stray["metadata"]["labels"][plan.POD_NAME_LABEL]
    assert _steps(_set(1), stray) == [(Repair, 0)]
    assert plan.has_identity(_set(1), plan.with_identity(_set(1), stray, 0), 0)


def test_pod_and_claims_of_an_ordinal() -> None:
    claims = [{"metadata": {"name": "data", "labels": {"x": "y"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}]
    statefulset = _set(volumeClaimTemplates=claims)
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [], "volumes": [{"name": "data", "emptyDir": {}}, {"name": "t", "emptyDir": {}}]},
    }
    made = plan.build_pod(statefulset, template, 1, "r1")
    assert made["metadata"]["name"] == "web-1"
    assert made["metadata"]["labels"] == {
        "a": "b", plan.REVISION_LABEL: "r1", plan.POD_NAME_LABEL: "web-1", plan.POD_INDEX_LABEL: "1",
    }  # fmt: skip
    assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("web-1", "svc")
    assert made["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}}, {"name": "t", "emptyDir": {}},
    ]  # fmt: skip
    (claim,) = plan.build_claims(statefulset, 1)
    assert claim["metadata"] == {"name": "data-web-1", "namespace": "n", "labels": {"x": "y", "a": "b"}}
    kept = _set(volumeClaimTemplates=claims, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"})
    assert plan.build_claims(kept, 1)[0]["metadata"]["ownerReferences"][0]["uid"] == "u"


def test_status_counts_and_completes_an_update() -> None:
    midway = plan.status(_set(), [_pod(0), _pod(1, "unready"), _pod(2, revision="r2")], "r1", "r2", None, NOW)
    assert {key: midway.get(key) for key in ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")} == {
        "replicas": 3, "readyReplicas": 2, "currentReplicas": 2, "updatedReplicas": 1,
    }  # fmt: skip
    assert (midway["currentRevision"], midway["updateRevision"]) == ("r1", "r2")
    done = plan.status(_set(), [_pod(number, revision="r2") for number in range(3)], "r1", "r2", None, NOW)
    assert (done["currentRevision"], done["currentReplicas"]) == ("r2", 3)


def test_foreign_names_are_nobodys() -> None:
    assert plan.ordinal_of(_set(), "web-3") == 3
    assert [plan.ordinal_of(_set(), name) for name in ("web", "web-x", "other-1", "my-web-1")] == [None] * 4
