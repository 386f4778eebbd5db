"""Jobs and the CronJobs that make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.describe import basics
from cli.describe.pods import template
from cli.describe.seen import Seen
from cli.describe.text import NONE, UNSET, Text, joined, moment, title
from machinery.objects import selectors, timefmt

Object = Mapping[str, Any]

LONGEST_INDEXES = 50


def job(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.name(text, obj)
    text.field("Selector", selectors.from_label_selector(spec.get("selector")))
    basics.tags(text, obj)
    basics.controlled(text, obj)
    text.given("Parallelism", spec.get("parallelism"))
    text.field("Completions", spec.get("completions", UNSET))
    text.given("Completion Mode", spec.get("completionMode"))
    text.given("Suspend", spec.get("suspend"))
    text.given("Backoff Limit", spec.get("backoffLimit"))
    text.given("TTL Seconds After Finished", spec.get("ttlSecondsAfterFinished"))
    _times(text, status)
    if spec.get("activeDeadlineSeconds") is not None:
        text.field("Active Deadline Seconds", f"{spec['activeDeadlineSeconds']}s")
    ready = f" ({status['ready']} Ready)" if status.get("ready") is not None else ""
    text.field(
        "Pods Statuses",
        f"{status.get('active', 0)} Active{ready} / {status.get('succeeded', 0)} Succeeded / "
        f"{status.get('failed', 0)} Failed",
    )
    if spec.get("completionMode") == "Indexed":
        text.field("Completed Indexes", indexes(status.get("completedIndexes", "")))
    template(text, spec["template"])


def _times(text: Text, status: Object) -> None:
    started, ended = status.get("startTime"), status.get("completionTime")
    if started:
        text.field("Start Time", moment(started))
    if ended:
        text.field("Completed At", moment(ended))
    if started and ended:
        text.field("Duration", timefmt.age(started, timefmt.parse(ended)))


def indexes(listed: str) -> str:
    """`0-3,7`, cut at the first comma that is too far."""
    cut = listed.find(",", LONGEST_INDEXES)
    return f"{listed[: cut + 1]}..." if cut >= 0 else listed or NONE


def cron_job(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    jobs = spec["jobTemplate"]["spec"]
    basics.metadata(text, obj)
    text.field("Schedule", spec["schedule"])
    text.field("Concurrency Policy", spec.get("concurrencyPolicy", ""))
    text.field("Suspend", title(spec.get("suspend")))
    text.given("Time Zone", spec.get("timeZone"))
    text.field("Successful Job History Limit", spec.get("successfulJobsHistoryLimit", UNSET))
    text.field("Failed Job History Limit", spec.get("failedJobsHistoryLimit", UNSET))
    text.field("Starting Deadline Seconds", _seconds(spec.get("startingDeadlineSeconds")))
    chosen = jobs.get("selector")
    text.field("Selector", selectors.from_label_selector(chosen) if chosen is not None else UNSET)
    text.field("Parallelism", jobs.get("parallelism", UNSET))
    text.field("Completions", jobs.get("completions", UNSET))
    if jobs.get("activeDeadlineSeconds") is not None:
        text.field("Active Deadline Seconds", _seconds(jobs["activeDeadlineSeconds"]))
    template(text, jobs["template"])
    last = status.get("lastScheduleTime")
    text.field("Last Schedule Time", moment(last) if last else UNSET)
    text.field("Active Jobs", joined((ref["name"] for ref in status.get("active") or ()), ", "))


def _seconds(number: int | None) -> str:
    return UNSET if number is None else f"{number}s"
