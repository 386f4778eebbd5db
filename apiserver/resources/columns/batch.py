"""The batch group."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.resources.columns.build import (
    AGE,
    NAME,
    NONE,
    UNSET,
    at,
    containers,
    count,
    number,
    selector,
    since,
    text,
    timed,
    truth,
    wide,
)
from machinery.objects import conditions, meta, timefmt

Object = dict[str, Any]


def _completions(job: Object) -> str:
    spec, done = job.get("spec") or {}, (job.get("status") or {}).get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(job: Object, now: datetime) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = timefmt.parse_optional(status.get("completionTime")) or now
    return timefmt.human_duration((end - timefmt.parse(status["startTime"])).total_seconds())


def _status(job: Object) -> str:
    """The word for a job's state: how it ended, that it goes away or waits, what it is about to be."""
    for condition, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if conditions.is_true(job, condition):
            return word
    if meta.is_deleting(job):
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if conditions.is_true(job, condition):
            return condition
    return "Running"


def _last_schedule(cron_job: Object, now: datetime) -> str:
    last = (cron_job.get("status") or {}).get("lastScheduleTime")
    return since(last, now) if last else NONE


def _suspended(cron_job: Object) -> str:
    value = (cron_job.get("spec") or {}).get("suspend")
    return UNSET if value is None else str(bool(value))


JOB = (
    NAME,
    text("Status", "Status of the job.", _status),
    text("Completions", "How many pods succeeded of those that must.", _completions),
    timed("Duration", "Time required to complete the job.", _duration),
    AGE,
    *containers("spec", "template"),
    wide("Selector", "The labels of its pods.", lambda o: selector(at("spec", "selector")(o) or None)),
)
CRON_JOB = (
    NAME,
    text("Schedule", "When jobs are started, in cron's notation.", at("spec", "schedule")),
    text("Timezone", "The time zone of the schedule.", at("spec", "timeZone", default=NONE)),
    truth("Suspend", "Whether no more jobs are started.", _suspended),
    number("Active", "How many jobs run now.", count("status", "active")),
    timed("Last Schedule", "When a job was last started.", _last_schedule),
    AGE,
    *containers("spec", "jobTemplate", "spec", "template"),
    wide(
        "Selector",
        "The labels of its pods.",
        lambda o: selector(at("spec", "jobTemplate", "spec", "selector")(o) or None),
    ),
)
