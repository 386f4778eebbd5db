"""What a job has done, whether that is the end of it, and what it should do next. Pure.

Counts stay right although pods vanish, by upstream's tracking finalizer: a finished pod is kept until the status names
its uid in `uncountedTerminatedPods`; then the finalizer goes, and once the pod is seen without it the uid becomes a
number. Every step can be repeated after a crash at any point. The succeeded pods of an Indexed job are counted by their
indexes, which cannot count twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controllermgr.controllers import job_indexes as indexes
from controllermgr.controllers import job_policy as policy
from machinery.client.api import Object
from machinery.objects import conditions, meta, pod, timefmt, workload

TRACKING = "batch.kubernetes.io/job-tracking"
FAILURES_OF_INDEX = "batch.kubernetes.io/job-index-failure-count"
MANAGER = "kubernetes.io/job-controller"

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
SUCCESS_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"

FIRST_BACKOFF = 10.0
LAST_BACKOFF = 600.0
"""Seconds that a new pod waits after one, and after very many failures in a row."""


@dataclass(slots=True)
class Tally:
    """succeeded, failed: counted for good. *_waiting: uids that the status names, of pods not yet released.

    release: pods whose finalizer may go once the status is written.
    """

    succeeded: int = 0
    failed: int = 0
    succeeded_waiting: list[str] = field(default_factory=list)
    failed_waiting: list[str] = field(default_factory=list)
    completed: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    release: list[Object] = field(default_factory=list)
    fail_job: str = ""
    """Why the failure policy ends the job."""

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.failed_waiting)

    @property
    def settled(self) -> bool:
        """Whether every finished pod is a number."""
        return not self.succeeded_waiting and not self.failed_waiting


@dataclass(frozen=True, slots=True)
class Finish:
    """How a job ends: condition type Complete or Failed, and why."""

    type: str
    reason: str
    message: str

    @property
    def announced_by(self) -> str:
        """The condition that comes first, while pods still end."""
        return SUCCESS_MET if self.type == COMPLETE else FAILURE_TARGET


# -- reading the job


def is_indexed(job: Object) -> bool:
    """Whether each completion has an index of its own."""
    return bool(workload.spec(job).get("completionMode") == "Indexed")


def is_suspended(job: Object) -> bool:
    """Whether it shall run nothing now."""
    return bool(workload.spec(job).get("suspend"))


def is_finished(job: Object) -> bool:
    """Whether it came to its end, one way or the other."""
    return conditions.is_true(job, COMPLETE) or conditions.is_true(job, FAILED)


def is_foreign(job: Object) -> bool:
    """Whether somebody else manages it (`spec.managedBy`)."""
    return workload.spec(job).get("managedBy") not in (None, MANAGER)


def parallelism(job: Object) -> int:
    """How many pods may run at once."""
    value = workload.spec(job).get("parallelism")
    return 1 if value is None else int(value)


def completions(job: Object) -> int | None:
    """How many pods must succeed; None for a work queue, where the first success means that all work is done."""
    value = workload.spec(job).get("completions")
    return None if value is None else int(value)


def backoff_limit(job: Object) -> int:
    """Failed pods before the job fails."""
    value = workload.spec(job).get("backoffLimit")
    return 6 if value is None else int(value)


def replaces_only_failed(job: Object) -> bool:
    """Whether a terminating pod is waited for before it is replaced and counted."""
    spec = workload.spec(job)
    return (spec.get("podReplacementPolicy") or ("Failed" if spec.get("podFailurePolicy") else "")) == "Failed"


def has_failed(job: Object, each: Object) -> bool:
    """Whether a pod counts as failed. One that is being deleted does, for it may never report its end."""
    if pod.phase(each) == "Failed":
        return True
    return meta.is_deleting(each) and pod.phase(each) != "Succeeded" and not replaces_only_failed(job)


# -- counting


def tally(job: Object, pods: Sequence[Object]) -> Tally:
    """What has been done so far, with the pods that have finished since."""
    status = workload.status(job)
    waiting = status.get("uncountedTerminatedPods") or {}
    tracked = {meta.uid(each) for each in pods if meta.has_finalizer(each, TRACKING)}
    indexed = is_indexed(job)
    found = Tally(succeeded=int(status.get("succeeded") or 0), failed=int(status.get("failed") or 0))
    found.completed = indexes.parse(status.get("completedIndexes") or "")
    found.failed_indexes = indexes.parse(status.get("failedIndexes") or "")
    for uid in waiting.get("succeeded") or ():
        if uid in tracked:
            found.succeeded_waiting.append(uid)
        else:
            found.succeeded += 1
    for uid in waiting.get("failed") or ():
        if uid in tracked:
            found.failed_waiting.append(uid)
        else:
            found.failed += 1
    for each in pods:
        if meta.uid(each) in tracked:
            _count(job, each, found, indexed=indexed)
    if indexed:
        found.succeeded = len(found.completed)
    return found


def _count(job: Object, each: Object, found: Tally, *, indexed: bool) -> None:
    uid, index = meta.uid(each), indexes.of_pod(each)
    if pod.phase(each) == "Succeeded":
        found.release.append(each)
        if indexed:
            if index is not None and index < (completions(job) or 0):
                found.completed.add(index)
                found.failed_indexes.discard(index)
        elif uid not in found.succeeded_waiting:
            found.succeeded_waiting.append(uid)
    elif has_failed(job, each):
        found.release.append(each)
        verdict = policy.judge(job, each) if pod.phase(each) == "Failed" else policy.COUNT
        if verdict.action == "FailJob" and not found.fail_job:
            found.fail_job = verdict.message
        if index is not None and index not in found.completed and _ends_index(job, each, verdict):
            found.failed_indexes.add(index)
        if verdict.action != "Ignore" and uid not in found.failed_waiting:
            found.failed_waiting.append(uid)


def _ends_index(job: Object, each: Object, verdict: policy.Verdict) -> bool:
    limit = workload.spec(job).get("backoffLimitPerIndex")
    if limit is None:
        return False
    return verdict.action == "FailIndex" or failures_of_index(each) + 1 > int(limit)


def failures_of_index(each: Object) -> int:
    """How often the index of this pod had failed before it."""
    value = meta.annotation(each, FAILURES_OF_INDEX) or ""
    return int(value) if value.isdecimal() else 0


# -- deciding


def verdict(job: Object, done: Tally, active: Sequence[Object], now: datetime) -> Finish | None:
    """Whether the job ends now, and how; None while it goes on."""
    for announced, type in ((SUCCESS_MET, COMPLETE), (FAILURE_TARGET, FAILED)):
        condition = conditions.get(job, announced)
        if condition is not None and condition.get("status") == "True":
            return Finish(type, condition.get("reason", ""), condition.get("message", ""))
    spec = workload.spec(job)
    if done.fail_job:
        return Finish(FAILED, "PodFailurePolicy", done.fail_job)
    if done.all_failed > backoff_limit(job) or _restarted_too_often(job, active):
        return Finish(FAILED, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = deadline(job, now)
    if left is not None and left <= 0:
        return Finish(FAILED, "DeadlineExceeded", "Job was active longer than specified deadline")
    wanted = completions(job)
    if is_indexed(job):
        most = spec.get("maxFailedIndexes")
        if most is not None and len(done.failed_indexes) > int(most):
            said = "Job has exceeded the specified maximal number of failed indexes"
            return Finish(FAILED, "MaxFailedIndexesExceeded", said)
        if done.failed_indexes and len(done.failed_indexes) + len(done.completed) >= (wanted or 0):
            return Finish(FAILED, "FailedIndexes", "Job has failed indexes")
        if (matched := policy.success(job, done.completed)) is not None:
            return Finish(COMPLETE, "SuccessPolicy", matched)
    succeeded = done.succeeded + len(done.succeeded_waiting)
    if wanted is None:
        complete = succeeded > 0 and not active
    else:
        complete = succeeded >= wanted
    return Finish(COMPLETE, "CompletionsReached", "Reached expected number of succeeded pods") if complete else None


def _restarted_too_often(job: Object, active: Sequence[Object]) -> bool:
    if pod.restart_policy(workload.template(job)) != "OnFailure":
        return False
    restarts = sum(
        int(status.get("restartCount") or 0)
        for each in active
        for status in (*pod.init_container_statuses(each), *pod.container_statuses(each))
    )
    limit = backoff_limit(job)
    return restarts > 0 if limit == 0 else restarts >= limit


def deadline(job: Object, now: datetime) -> float | None:
    """Seconds until `activeDeadlineSeconds` is over; None without one, or while the job does not run."""
    seconds = workload.spec(job).get("activeDeadlineSeconds")
    start = timefmt.parse_optional(workload.status(job).get("startTime"))
    if seconds is None or start is None or is_suspended(job):
        return None
    return (start + timedelta(seconds=int(seconds)) - now).total_seconds()


def wanted_active(job: Object, done: Tally, active: int) -> int:
    """How many pods should run now."""
    if is_suspended(job):
        return 0
    total = completions(job)
    succeeded = done.succeeded + len(done.succeeded_waiting)
    if total is None:
        return active if succeeded > 0 else parallelism(job)
    return max(0, min(total - succeeded - len(done.failed_indexes), parallelism(job)))


def missing_indexes(job: Object, done: Tally, active: Iterable[Object], count: int) -> list[int]:
    """The first `count` indexes that are neither done, nor failed for good, nor being worked on."""
    taken = done.completed | done.failed_indexes | {indexes.of_pod(each) for each in active}
    return [each for each in range(completions(job) or 0) if each not in taken][:count]


def superfluous(job: Object, active: Sequence[Object], wanted: int) -> list[Object]:
    """The active pods to remove: second ones of an index first, then those that have got least far."""
    chosen: list[Object] = []
    rest = sorted(active, key=_progress, reverse=True)
    if is_indexed(job):
        seen: set[int | None] = set()
        kept = []
        for each in rest:
            index = indexes.of_pod(each)
            if index is None or index in seen or index >= (completions(job) or 0):
                chosen.append(each)
            else:
                seen.add(index)
                kept.append(each)
        rest = kept
    return [*chosen, *rest[wanted:]]


def _progress(each: Object) -> tuple[bool, bool, bool, str]:
    created = meta.metadata(each).get("creationTimestamp") or ""
    youngest_last = "".join(chr(0x10FFFF - ord(char)) for char in created)  # the oldest has got furthest
    return bool(pod.node_name(each)), pod.phase(each) == "Running", pod.is_ready(each), youngest_last


def backoff(pods: Iterable[Object], now: datetime) -> float:
    """Seconds that the next pod has to wait: longer with each failure since the last success."""
    ended = sorted(((at, pod.phase(each)) for each in pods if (at := _ended(each)) is not None), reverse=True)
    failures = 0
    for _, phase in ended:
        if phase != "Failed":
            break
        failures += 1
    if not failures:
        return 0.0
    wait = min(FIRST_BACKOFF * 2.0 ** (failures - 1), LAST_BACKOFF)
    return max(0.0, (ended[0][0] + timedelta(seconds=wait) - now).total_seconds())


def _ended(each: Object) -> datetime | None:
    if not pod.is_terminal(each):
        return None
    times = [
        timefmt.parse_optional(((status.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        for status in pod.container_statuses(each)
    ]
    known = [time for time in times if time is not None]
    if known:
        return max(known)
    ready = conditions.get(each, "Ready") or {}
    return timefmt.parse_optional(ready.get("lastTransitionTime")) or meta.creation_time(each)


# -- making


def build_pod(job: Object, index: int | None, failures: int) -> Object:
    """A pod of the job; for an Indexed job the one of `index`, which had failed so often before."""
    made = workload.pod_of_template(workload.template(job), job)
    made["metadata"]["finalizers"] = [*(made["metadata"].get("finalizers") or ()), TRACKING]
    if index is None:
        return made
    number = str(index)
    metadata: dict[str, Any] = made["metadata"]
    metadata["generateName"] = f"{meta.name(job)}-{number}-"
    metadata.setdefault("labels", {})[indexes.INDEX] = number
    annotations = metadata.setdefault("annotations", {})
    annotations[indexes.INDEX] = number
    if workload.spec(job).get("backoffLimitPerIndex") is not None:
        annotations[FAILURES_OF_INDEX] = str(failures)
    made["spec"]["hostname"] = f"{meta.name(job)}-{number}"
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{indexes.INDEX}']"}}
    for container in (*(made["spec"].get("initContainers") or ()), *(made["spec"].get("containers") or ())):
        env = container.setdefault("env", [])
        if not any(each.get("name") == "JOB_COMPLETION_INDEX" for each in env):
            env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
    return made


# -- telling


def status(
    job: Object,
    done: Tally,
    finish: Finish | None,
    *,
    active: int,
    ready: int,
    terminating: int,
    now: datetime,
) -> Object:
    """The status to write. The end is announced at once and becomes final when no pod is left to wait for."""
    old = workload.status(job)
    waiting: Object = {}
    if done.succeeded_waiting:
        waiting["succeeded"] = done.succeeded_waiting
    if done.failed_waiting:
        waiting["failed"] = done.failed_waiting
    found: Object = {
        "active": active,
        "ready": ready,
        "terminating": terminating,
        "succeeded": done.succeeded,
        "failed": done.failed,
        "uncountedTerminatedPods": waiting,
    }
    # These are left out when zero, as in the API's own encoding.
    for name in ("active", "succeeded", "failed"):
        if not found[name]:
            del found[name]
    if is_indexed(job):
        if done.completed:
            found["completedIndexes"] = indexes.text(done.completed)
        if done.failed_indexes or workload.spec(job).get("backoffLimitPerIndex") is not None:
            found["failedIndexes"] = indexes.text(done.failed_indexes)
    told = _suspension(job, list(old.get("conditions") or []), now)
    start = old.get("startTime")
    if is_suspended(job) and finish is None:
        start = None
    elif start is None or _resumes(job):
        start = timefmt.format(now)
    if start is not None:
        found["startTime"] = start
    if finish is not None:
        told = _told(told, finish.announced_by, finish, now)
        if done.settled and not active and not terminating:
            told = _told(told, finish.type, finish, now)
            if finish.type == COMPLETE:
                found["completionTime"] = timefmt.format(now)
    if told:
        found["conditions"] = told
    return found


def _told(told: list[Object], type: str, finish: Finish, now: datetime) -> list[Object]:
    probed = {"lastProbeTime": timefmt.format(now)}
    if any(each.get("type") == type and each.get("status") == "True" for each in told):
        return told
    return conditions.merged(told, type, "True", reason=finish.reason, message=finish.message, now=now, extra=probed)


def _suspension(job: Object, told: list[Object], now: datetime) -> list[Object]:
    was = conditions.is_true(job, SUSPENDED)
    probed = {"lastProbeTime": timefmt.format(now)}
    if is_suspended(job) and not was:
        return conditions.merged(
            told, SUSPENDED, "True", reason="JobSuspended", message="Job suspended", now=now, extra=probed
        )
    if was and not is_suspended(job):
        return conditions.merged(
            told, SUSPENDED, "False", reason="JobResumed", message="Job resumed", now=now, extra=probed
        )
    return told


def _resumes(job: Object) -> bool:
    return conditions.is_true(job, SUSPENDED) and not is_suspended(job)
