"""The arithmetic of rolling updates, scaling in proportion, and the Deployment's status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllermgr.controllers import deployment_rollout as rollout
from machinery.objects import conditions

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def deployment(replicas: int = 10, **spec: Any) -> dict[str, Any]:
    surge, unavailable = spec.pop("surge", "25%"), spec.pop("unavailable", "25%")
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return {
        "metadata": {"name": "d", "namespace": "ns", "generation": 2},
        "spec": {"replicas": replicas, "strategy": strategy, "progressDeadlineSeconds": 600, **spec},
        "status": {},
    }


def replica_set(
    name: str, replicas: int, available: int | None = None, *, ready: int | None = None, **annotations: int
) -> dict[str, Any]:
    have = replicas if available is None else available
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": f"2026-01-01T00:00:{len(name):02}Z",
            "annotations": {f"deployment.kubernetes.io/{key}-replicas": str(n) for key, n in annotations.items()},
        },
        "spec": {"replicas": replicas},
        "status": {"replicas": replicas, "readyReplicas": have if ready is None else ready, "availableReplicas": have},
    }


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "limits"),
    [
        pytest.param(10, "25%", "25%", (3, 2), id="surge up, unavailable down"),
        pytest.param(1, "25%", "25%", (1, 0), id="one replica"),
        pytest.param(10, 0, 0, (0, 1), id="never stuck"),
        pytest.param(4, 0, "10%", (0, 1), id="never stuck by rounding"),
        pytest.param(2, 1, 5, (1, 2), id="no more than there are"),
        pytest.param(0, "25%", "25%", (0, 0), id="nothing"),
    ],
)
def test_limits(replicas: int, surge: int | str, unavailable: int | str, limits: tuple[int, int]) -> None:
    found = deployment(replicas, surge=surge, unavailable=unavailable)
    assert (rollout.max_surge(found), rollout.max_unavailable(found)) == limits


@pytest.mark.parametrize(
    ("new", "old", "size"),
    [
        pytest.param(0, 10, 3, id="as much as surge allows"),
        pytest.param(3, 8, 5, id="what the old ones gave up"),
        pytest.param(3, 10, 3, id="no room"),
        pytest.param(8, 2, 10, id="no more than wanted"),
        pytest.param(0, 0, 10, id="all at once when there is nothing else"),
    ],
)
def test_the_new_one_grows(new: int, old: int, size: int) -> None:
    fresh, former = replica_set("new", new), replica_set("old", old)
    assert rollout.grow_new(deployment(), fresh, [former, fresh]) == size


def test_recreate_grows_at_once() -> None:
    found = deployment()
    found["spec"]["strategy"] = {"type": "Recreate"}
    assert rollout.grow_new(found, replica_set("new", 0), [replica_set("old", 10)]) == 10


def sizes(scales: list[rollout.Scale]) -> dict[str, int]:
    return {scale.replica_set["metadata"]["name"]: scale.replicas for scale in scales}


@pytest.mark.parametrize(
    ("new", "old", "shrunk"),
    [
        pytest.param((3, 0), [(10, 10)], {"old": 8}, id="down to the least"),
        pytest.param((3, 3), [(10, 10)], {"old": 5}, id="the new ones count when available"),
        pytest.param((5, 0), [(8, 8)], {}, id="nothing can be missed"),
        pytest.param((3, 0), [(10, 4)], {"old": 8}, id="unavailable ones first, bounded by the whole"),
        pytest.param((3, 3), [(10, 4)], {"old": 5}, id="no healthy one below the least"),
        pytest.param((10, 10), [(3, 3), (2, 2)], {"old": 0, "older": 0}, id="all of them in the end"),
        pytest.param((10, 10), [(0, 0)], {}, id="nothing left"),
    ],
)
def test_the_old_ones_shrink(new: tuple[int, int], old: list[tuple[int, int]], shrunk: dict[str, int]) -> None:
    names = ["old", "older", "oldest"]
    former = [replica_set(name, *counts) for name, counts in zip(names, old, strict=False)]
    assert sizes(rollout.shrink_old(deployment(), replica_set("new", *new), former)) == shrunk


def test_a_scaled_deployment_is_noticed() -> None:
    assert rollout.is_scaling(deployment(10), [replica_set("a", 5, desired=8)])
    assert not rollout.is_scaling(deployment(10), [replica_set("a", 5, desired=10)])
    assert not rollout.is_scaling(deployment(10), [replica_set("a", 0, desired=8), replica_set("b", 5)])


@pytest.mark.parametrize(
    ("total", "new", "old", "expected"),
    [
        pytest.param(20, replica_set("new", 10), [], {"new": 20}, id="one takes it all"),
        pytest.param(10, replica_set("new", 10), [], {}, id="nothing to do"),
        pytest.param(5, replica_set("new", 0), [replica_set("old", 10)], {"old": 5}, id="the only active one"),
        pytest.param(
            10,
            replica_set("new", 10, desired=10),
            [replica_set("old", 2), replica_set("older", 3)],
            {"old": 0, "older": 0},
            id="a finished rollout",
        ),
        pytest.param(
            20,
            replica_set("new", 5, max=13, desired=10),
            [replica_set("older", 8, max=13, desired=10)],
            {"older": 15, "new": 10},
            id="in proportion",
        ),
        pytest.param(
            0,
            replica_set("new", 5, max=13, desired=10),
            [replica_set("older", 8, max=13, desired=10)],
            {"older": 0, "new": 0},
            id="to nothing",
        ),
        pytest.param(
            11,
            replica_set("new", 6, max=13, desired=10),
            [replica_set("older", 7, max=13, desired=10)],
            {"older": 8, "new": 6},
            id="the remainder goes to the largest",
        ),
    ],
)
def test_rescaling(total: int, new: dict[str, Any], old: list[dict[str, Any]], expected: dict[str, int]) -> None:
    found = deployment(total)
    assert sizes(rollout.rescale(found, new, old)) == expected


def test_the_status_of_a_rollout_under_way() -> None:
    new, old = replica_set("new", 3, 1), replica_set("old", 8)
    status = rollout.rollout_status(deployment(), new, [old], NOW)
    told = {each["type"]: each for each in status.pop("conditions")}
    assert status == {
        "observedGeneration": 2,
        "replicas": 11,
        "updatedReplicas": 3,
        "readyReplicas": 9,
        "availableReplicas": 9,
        "unavailableReplicas": 2,
        "terminatingReplicas": 0,
    }
    assert (told["Available"]["status"], told["Available"]["reason"], told["Available"]["message"]) == (
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
    )
    assert (told["Progressing"]["reason"], told["Progressing"]["message"]) == (
        "ReplicaSetUpdated",
        'ReplicaSet "new" is progressing.',
    )


def test_the_status_of_a_finished_one_stays_as_it_is() -> None:
    found, new = deployment(), replica_set("new", 10)
    status = rollout.rollout_status(found, new, [], NOW)
    progressing = conditions.get({"status": status}, "Progressing")
    assert progressing is not None
    assert (progressing["status"], progressing["reason"], progressing["message"]) == (
        "True",
        "NewReplicaSetAvailable",
        'ReplicaSet "new" has successfully progressed.',
    )
    assert rollout.is_complete(found, status)
    assert rollout.rollout_status({**found, "status": status}, new, [], NOW + timedelta(hours=1)) == status


def test_too_few_are_available() -> None:
    status = rollout.rollout_status(deployment(), replica_set("new", 10, 3), [], NOW)
    told = conditions.get({"status": status}, "Available")
    assert told is not None
    assert (told["status"], told["reason"]) == ("False", "MinimumReplicasUnavailable")


@pytest.mark.parametrize(
    ("seconds", "reason"), [(599, "ReplicaSetUpdated"), (601, "ProgressDeadlineExceeded")], ids=["in time", "too late"]
)
def test_the_deadline_counts_from_the_last_progress(seconds: int, reason: str) -> None:
    found, new = deployment(), replica_set("new", 10, 3)
    found["status"] = rollout.rollout_status(found, new, [], NOW)
    later = rollout.rollout_status(found, new, [], NOW + timedelta(seconds=seconds))
    progressing = conditions.get({"status": later}, "Progressing")
    assert progressing is not None
    assert progressing["reason"] == reason
    if reason == rollout.TIMED_OUT:
        assert progressing["status"] == "False"
        assert progressing["message"] == 'ReplicaSet "new" has timed out progressing.'
        assert rollout.next_look(found, later, NOW) is None
    else:
        assert rollout.next_look(found, later, NOW + timedelta(seconds=seconds)) == 2.0


def test_progress_moves_the_deadline_and_keeps_the_transition() -> None:
    found = deployment()
    found["status"] = rollout.rollout_status(found, replica_set("new", 10, 3), [], NOW)
    later = rollout.rollout_status(found, replica_set("new", 10, 4), [], NOW + timedelta(seconds=300))
    progressing = conditions.get({"status": later}, "Progressing")
    assert progressing is not None
    assert (progressing["lastUpdateTime"], progressing["lastTransitionTime"]) == (
        "2026-01-01T12:05:00Z",
        "2026-01-01T12:00:00Z",
    )


def test_without_a_deadline_nothing_is_said_of_progress() -> None:
    for seconds in (None, rollout.NO_DEADLINE):
        found = deployment(progressDeadlineSeconds=seconds)
        status = rollout.rollout_status(found, replica_set("new", 10, 3), [], NOW)
        assert conditions.get({"status": status}, "Progressing") is None


def test_a_replica_sets_failure_is_the_deployments() -> None:
    new = replica_set("new", 10, 0)
    new["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    ]
    found = deployment()
    found["status"] = rollout.rollout_status(found, new, [], NOW)
    told = conditions.get(found, "ReplicaFailure")
    assert told is not None
    assert (told["reason"], told["message"]) == ("FailedCreate", "quota")
    del new["status"]["conditions"]
    assert conditions.get({"status": rollout.rollout_status(found, new, [], NOW)}, "ReplicaFailure") is None


@pytest.mark.parametrize(
    ("paused", "reason", "told"),
    [
        (True, "ReplicaSetUpdated", ("DeploymentPaused", "Deployment is paused")),
        (True, "DeploymentPaused", None),
        (False, "DeploymentPaused", ("DeploymentResumed", "Deployment is resumed")),
        (False, "ReplicaSetUpdated", None),
        (True, "ProgressDeadlineExceeded", None),
    ],
)
def test_pausing_and_resuming_are_told_once(paused: bool, reason: str, told: tuple[str, str] | None) -> None:
    found = deployment(paused=paused)
    found["status"] = {"conditions": [rollout.condition("Progressing", "True", reason, "", NOW)]}
    wish = rollout.pause_condition(found, NOW)
    assert (None if wish is None else (wish["reason"], wish["message"])) == told
