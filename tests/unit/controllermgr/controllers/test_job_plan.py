"""Jobs: counting, the end, what is made next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllermgr.controllers import job_indexes, job_plan, job_policy
from controllermgr.controllers.job_plan import Finish, Tally

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


def _job(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"job": "j"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "n", "uid": "u"},
        "spec": {"completions": 2, "parallelism": 2, "backoffLimit": 6, "template": template, **spec},
        "status": status or {},
    }  # fmt: skip


def _pod(
    uid: str, phase: str = "Running", *, index: int | None = None, tracked: bool = True, **more: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": uid, "namespace": "n", "uid": uid, "creationTimestamp": "2024-01-01T11:00:00Z"}
    if tracked:
        metadata["finalizers"] = [job_plan.TRACKING]
    if index is not None:
        metadata["annotations"] = {job_indexes.INDEX: str(index)}
    metadata |= more.pop("metadata", {})
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, **more}}


def _status(job: dict[str, Any], done: Tally, finish: Finish | None = None, **counts: int) -> dict[str, Any]:
    return job_plan.status(job, done, finish, **{"active": 0, "ready": 0, "terminating": 0, **counts}, now=NOW)


# -- counting


def test_finished_pod_is_named_then_released_then_a_number() -> None:
    job = _job()
    done = job_plan.tally(job, [_pod("a", "Succeeded")])
    assert done.succeeded_waiting == ["a"] and done.succeeded == 0
    assert [each["metadata"]["uid"] for each in done.release] == ["a"]
    job["status"] = _status(job, done)
    assert job["status"]["uncountedTerminatedPods"] == {"succeeded": ["a"]}

    still_held = job_plan.tally(job, [_pod("a", "Succeeded")])
    assert still_held.succeeded_waiting == ["a"] and still_held.succeeded == 0

    for pods in ([_pod("a", "Succeeded", tracked=False)], []):
        counted = job_plan.tally(job, pods)
        assert counted.succeeded == 1 and counted.settled


def test_counted_pods_never_count_again() -> None:
    job = _job({"succeeded": 1})
    done = job_plan.tally(job, [_pod("a", "Succeeded", tracked=False)])
    assert (done.succeeded, done.succeeded_waiting) == (1, [])


def test_terminating_pod_counts_as_failed_unless_only_failed_ones_are_replaced() -> None:
    going = _pod("a", metadata={"deletionTimestamp": "2024-01-01T12:00:00Z"})
    assert job_plan.tally(_job(), [going]).failed_waiting == ["a"]
    assert job_plan.tally(_job(podReplacementPolicy="Failed"), [going]).failed_waiting == []


def test_indexed_completions_count_each_index_once() -> None:
    job = _job({"completedIndexes": "0"}, completionMode="Indexed", completions=4)
    pods = [_pod("a", "Succeeded", index=0), _pod("b", "Succeeded", index=2), _pod("c", "Succeeded", index=9)]
    done = job_plan.tally(job, pods)
    assert (done.completed, done.succeeded, done.settled) == ({0, 2}, 2, True)
    assert _status(job, done)["completedIndexes"] == "0,2"


def test_index_fails_for_good_beyond_its_own_limit() -> None:
    job = _job(completionMode="Indexed", completions=2, backoffLimitPerIndex=1)
    first = _pod("a", "Failed", index=0)
    again = _pod("b", "Failed", index=0, metadata={"annotations": {
        job_indexes.INDEX: "0", job_plan.FAILURES_OF_INDEX: "1"}})  # fmt: skip
    assert job_plan.tally(job, [first]).failed_indexes == set()
    assert job_plan.tally(job, [first, again]).failed_indexes == {0}


# -- the end


@pytest.mark.parametrize(
    ("spec", "done", "active", "reason"),
    [
        ({}, Tally(succeeded=1), 1, None),
        ({}, Tally(succeeded=2), 0, "CompletionsReached"),
        ({}, Tally(succeeded=1, succeeded_waiting=["a"]), 0, "CompletionsReached"),
        ({"completions": 0}, Tally(), 0, "CompletionsReached"),
        ({"completions": None}, Tally(succeeded=1), 1, None),
        ({"completions": None}, Tally(succeeded=1), 0, "CompletionsReached"),
        ({"completions": None}, Tally(), 0, None),
        ({"backoffLimit": 1}, Tally(failed=1), 0, None),
        ({"backoffLimit": 1}, Tally(failed=1, failed_waiting=["a"]), 0, "BackoffLimitExceeded"),
        ({"activeDeadlineSeconds": 3600}, Tally(), 1, None),
        ({"activeDeadlineSeconds": 60}, Tally(), 1, "DeadlineExceeded"),
        ({"activeDeadlineSeconds": 60, "suspend": True}, Tally(), 1, None),
        ({}, Tally(fail_job="why"), 0, "PodFailurePolicy"),
        ({"completionMode": "Indexed"}, Tally(completed={0}, failed_indexes={1}, succeeded=1), 0, "FailedIndexes"),
        (
            {"completionMode": "Indexed", "maxFailedIndexes": 0},
            Tally(failed_indexes={1}),
            1,
            "MaxFailedIndexesExceeded",
        ),
    ],
)
def test_verdict(spec: dict[str, Any], done: Tally, active: int, reason: str | None) -> None:
    job = _job({"startTime": "2024-01-01T11:58:00Z"}, **spec)
    finish = job_plan.verdict(job, done, [_pod(str(number)) for number in range(active)], NOW)
    assert (finish.reason if finish else None) == reason


def test_restarts_count_against_the_limit_of_restarting_pods() -> None:
    job = _job(backoffLimit=2)
    job["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    once = _pod("a", containerStatuses=[{"name": "c", "restartCount": 1}])
    assert job_plan.verdict(job, Tally(), [once], NOW) is None
    twice = _pod("a", containerStatuses=[{"name": "c", "restartCount": 2}])
    finish = job_plan.verdict(job, Tally(), [twice], NOW)
    assert finish is not None and finish.reason == "BackoffLimitExceeded"


def test_an_announced_end_stays() -> None:
    told = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "m"}
    finish = job_plan.verdict(_job({"conditions": [told]}), Tally(succeeded=2), [], NOW)
    assert finish == Finish("Failed", "DeadlineExceeded", "m")


def test_end_is_final_when_nothing_is_left_to_wait_for() -> None:
    job, end = _job(), Finish("Failed", "BackoffLimitExceeded", "m")
    for done, counts in ((Tally(failed_waiting=["a"]), {}), (Tally(), {"terminating": 1}), (Tally(), {"active": 1})):
        told = _status(job, done, end, **counts)["conditions"]
        assert [each["type"] for each in told] == ["FailureTarget"]
    told = _status(job, Tally(failed=1), end)["conditions"]
    assert [each["type"] for each in told] == ["FailureTarget", "Failed"]
    complete = _status(job, Tally(succeeded=2), Finish("Complete", "CompletionsReached", "m"))
    assert complete["completionTime"] == "2024-01-01T12:00:00Z"


# -- what is next


@pytest.mark.parametrize(
    ("spec", "done", "active", "wanted"),
    [
        ({"completions": 5, "parallelism": 2}, Tally(), 0, 2),
        ({"completions": 5, "parallelism": 2}, Tally(succeeded=4), 0, 1),
        ({"completions": 5, "parallelism": 2}, Tally(succeeded=3, succeeded_waiting=["a"]), 1, 1),
        ({"completions": None, "parallelism": 3}, Tally(), 1, 3),
        ({"completions": None, "parallelism": 3}, Tally(succeeded=1), 2, 2),
        ({"parallelism": 0}, Tally(), 1, 0),
        ({"suspend": True}, Tally(), 2, 0),
    ],
)
def test_wanted_active(spec: dict[str, Any], done: Tally, active: int, wanted: int) -> None:
    assert job_plan.wanted_active(_job(**spec), done, active) == wanted


def test_missing_indexes() -> None:
    job = _job(completionMode="Indexed", completions=6)
    done = Tally(completed={0, 2}, failed_indexes={4})
    assert job_plan.missing_indexes(job, done, [_pod("a", index=1)], 5) == [3, 5]
    assert job_plan.missing_indexes(job, Tally(), [], 2) == [0, 1]


def test_superfluous_pods_are_second_ones_of_an_index_and_then_the_least_advanced() -> None:
    job = _job(completionMode="Indexed")
    pods = [_pod("a", "Pending", index=0), _pod("b", "Running", index=0), _pod("c", "Pending", index=1)]
    assert [each["metadata"]["uid"] for each in job_plan.superfluous(job, pods, 2)] == ["a"]
    assert [each["metadata"]["uid"] for each in job_plan.superfluous(job, pods, 1)] == ["a", "c"]


def test_backoff_grows_with_failures_since_the_last_success() -> None:
    def ended(uid: str, phase: str, ago: float) -> dict[str, Any]:
        at = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return _pod(uid, phase, containerStatuses=[{"name": "c", "state": {"terminated": {"finishedAt": at}}}])

    assert job_plan.backoff([], NOW) == 0
    assert job_plan.backoff([ended("a", "Failed", 0)], NOW) == 10
    assert job_plan.backoff([ended("a", "Failed", 30), ended("b", "Failed", 5)], NOW) == 15
    assert job_plan.backoff([ended("a", "Failed", 30), ended("b", "Succeeded", 20), ended("c", "Failed", 5)], NOW) == 5
    assert job_plan.backoff([ended("a", "Failed", 30), ended("b", "Succeeded", 5)], NOW) == 0
    assert job_plan.backoff([ended(str(n), "Failed", n) for n in range(30)], NOW) == 600


def test_pod_of_an_index() -> None:
    made = job_plan.build_pod(_job(completionMode="Indexed", backoffLimitPerIndex=3), 5, 2)
    assert made["metadata"]["generateName"] == "j-5-"
    assert made["metadata"]["labels"] == {"job": "j", job_indexes.INDEX: "5"}
    assert made["metadata"]["annotations"] == {job_indexes.INDEX: "5", job_plan.FAILURES_OF_INDEX: "2"}
    assert made["metadata"]["finalizers"] == [job_plan.TRACKING]
    assert made["spec"]["hostname"] == "j-5"
    assert made["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"


def test_suspension_stops_the_time_and_resuming_restarts_it() -> None:
    job = _job({"startTime": "2024-01-01T11:00:00Z"}, suspend=True)
    suspended = _status(job, Tally())
    assert "startTime" not in suspended
    assert [(each["type"], each["status"]) for each in suspended["conditions"]] == [("Suspended", "True")]
    resumed = _status({**_job(), "status": suspended}, Tally())
    assert resumed["startTime"] == "2024-01-01T12:00:00Z"
    assert [(each["status"], each["reason"]) for each in resumed["conditions"]] == [("False", "JobResumed")]


# -- indexes and policies


@pytest.mark.parametrize(
    ("indexes", "text"),
    [([], ""), ([3], "3"), ([1, 2], "1,2"), ([0, 1, 2, 5, 7, 8, 9, 10], "0-2,5,7-10"), ([4, 6], "4,6")],
)
def test_index_texts(indexes: list[int], text: str) -> None:
    assert job_indexes.text(indexes) == text
    assert job_indexes.parse(text) == set(indexes)


def _exited(code: int) -> dict[str, Any]:
    return _pod("a", "Failed", containerStatuses=[{"name": "c", "state": {"terminated": {"exitCode": code}}}])


def test_failure_policy_takes_the_first_rule_that_matches() -> None:
    rules = [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailIndex", "onExitCodes": {"containerName": "c", "operator": "NotIn", "values": [1]}},
    ]
    job = _job(podFailurePolicy={"rules": rules})
    said = "Container c for pod n/a failed with exit code 42 matching FailJob rule at index 0"
    assert job_policy.judge(job, _exited(42)) == job_policy.Verdict("FailJob", said)
    assert job_policy.judge(job, _exited(7)).action == "FailIndex"
    assert job_policy.judge(job, _exited(1)) == job_policy.COUNT
    evicted = _pod("a", "Failed", conditions=[{"type": "DisruptionTarget", "status": "True"}])
    assert job_policy.judge(job, evicted).action == "Ignore"
    done = job_plan.tally(job, [evicted])
    assert done.failed_waiting == [] and len(done.release) == 1


def test_success_policy() -> None:
    job = _job(completionMode="Indexed", successPolicy={"rules": [{"succeededIndexes": "0,2-3", "succeededCount": 2}]})
    assert job_policy.success(job, {0, 1}) is None
    assert job_policy.success(job, {0, 3}) == "Matched rules at index 0"
    finish = job_plan.verdict(job, Tally(completed={0, 3}, succeeded=1), [_pod("a")], NOW)
    assert finish is not None and finish.reason == "SuccessPolicy"
