"""Starts a job for each time that a CronJob's schedule names.

The job of a time is named after it, so it cannot be started twice. Times that were missed while nobody looked are made
up for by one job, for the latest of them, unless `startingDeadlineSeconds` is over. Each look also takes finished jobs
off the list of active ones and removes old ones beyond the history limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from controllermgr.controllers import cron_schedule, job_plan
from controllermgr.controllers.pod_control import namespace_ends
from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import CRON_JOBS, JOBS
from machinery.controller.expectations import Expectations
from machinery.controller.mapping import controller
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.informer import BY_CONTROLLER, by_controller
from machinery.objects import conditions, meta, owners, timefmt, workload

SCHEDULED_ANNOTATION = "batch.kubernetes.io/cronjob-scheduled-timestamp"
SLACK = 0.1
"""Seconds after the scheduled time at which we look: a clock that is a little behind must not miss it."""


class CronJobs:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._cron_jobs = context.informers.store(CRON_JOBS)
        self._jobs = context.informers.store(JOBS)
        self._own_writes = Expectations(self._cron_jobs, context.clock)
        self._started = Expectations(self._jobs, context.clock)

    async def reconcile(self, key: str) -> Outcome:
        cron_job = self._cron_jobs.get(key)
        if cron_job is None:
            self._own_writes.forget(key)
            self._started.forget(key)
            return DONE
        if meta.is_deleting(cron_job) or not (self._own_writes.satisfied(key) and self._started.satisfied(key)):
            return DONE
        now = self._clock.now()
        jobs = sorted(self._jobs.controlled_by(meta.uid(cron_job)), key=start_time)
        status = self._watch_active(cron_job, jobs)
        await self._remove_history(cron_job, jobs)
        outcome = await self._start_due(cron_job, jobs, status, now)
        if status != workload.status(cron_job):
            written = await self._client.update(CRON_JOBS, {**cron_job, "status": status}, subresource="status")
            self._own_writes.wrote(key, written)
        return outcome

    # -- jobs that were started before

    def _watch_active(self, cron_job: Object, jobs: Sequence[Object]) -> Object:
        """The status with `active` and `lastSuccessfulTime` as the jobs now are."""
        status = dict(workload.status(cron_job))
        known = {meta.uid(job): job for job in jobs}
        active: list[Object] = []
        for ref in status.get("active") or ():
            job = known.get(ref.get("uid", ""))
            if job is None:
                self._recorder.normal(cron_job, "MissingJob", f"Active job went missing: {ref.get('name')}")
            elif job_plan.is_finished(job):
                how = "Complete" if conditions.is_true(job, "Complete") else "Failed"
                self._recorder.normal(
                    cron_job, "SawCompletedJob", f"Saw completed job: {meta.name(job)}, condition: {how}"
                )
            else:
                active.append(ref)
        listed = {ref.get("uid") for ref in active}
        active += [reference(job) for job in jobs if _runs_on_schedule(job) and meta.uid(job) not in listed]
        _put(status, "active", active)
        succeeded = [text for job in jobs if (text := workload.status(job).get("completionTime"))]
        if succeeded:
            status["lastSuccessfulTime"] = max([*succeeded, status.get("lastSuccessfulTime") or ""])
        return status

    async def _remove_history(self, cron_job: Object, jobs: Sequence[Object]) -> None:
        spec = workload.spec(cron_job)
        for how, field, default in (
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ):
            limit = spec.get(field)
            limit = default if limit is None else int(limit)
            finished = [job for job in jobs if conditions.is_true(job, how) and not meta.is_deleting(job)]
            for job in finished[: max(0, len(finished) - limit)]:
                await self._delete(cron_job, job)

    async def _delete(self, cron_job: Object, job: Object) -> None:
        options = DeleteOptions(uid=meta.uid(job), propagation_policy="Background")
        try:
            await self._client.delete(JOBS, meta.name(job), namespace=meta.namespace(job), options=options)
        except NotFound:
            return
        except ApiError as error:
            self._recorder.warning(cron_job, "FailedDelete", f"Deleted job: {error.message}")
            raise
        self._started.deleted(meta.key(cron_job), job)
        self._recorder.normal(cron_job, "SuccessfulDelete", f"Deleted job {meta.name(job)}")

    # -- the next one

    async def _start_due(self, cron_job: Object, jobs: Sequence[Object], status: Object, now: datetime) -> Outcome:
        spec = workload.spec(cron_job)
        if spec.get("suspend"):
            return DONE
        try:
            schedule = cron_schedule.parse(str(spec.get("schedule") or ""), spec.get("timeZone"))
        except cron_schedule.ScheduleError as error:
            zone = "time zone" in str(error)
            self._recorder.warning(
                cron_job,
                "UnknownTimeZone" if zone else "UnparseableSchedule",
                f"invalid timeZone: {error}" if zone else f"unparseable schedule: {spec.get('schedule')!r} : {error}",
            )
            return DONE
        if (at := self._due(cron_job, schedule, status, now)) is not None:
            await self._start(cron_job, jobs, status, at, now)
        upcoming = schedule.after(now)
        return DONE if upcoming is None else RequeueAfter((upcoming - now).total_seconds() + SLACK)

    def _due(
        self, cron_job: Object, schedule: cron_schedule.Schedule, status: Object, now: datetime
    ) -> datetime | None:
        """The scheduled time that a job has to be started for now."""
        since = timefmt.parse_optional(status.get("lastScheduleTime")) or meta.creation_time(cron_job) or now
        limit = workload.spec(cron_job).get("startingDeadlineSeconds")
        if limit is not None:
            since = max(since, now - timedelta(seconds=int(limit)))
        found = cron_schedule.due(schedule, since, now)
        if found.missed > 100:
            self._recorder.warning(
                cron_job,
                "TooManyMissedTimes",
                "too many missed start times: set or decrease .spec.startingDeadlineSeconds or check clock skew",
            )
        return found.latest

    async def _start(
        self, cron_job: Object, jobs: Sequence[Object], status: Object, at: datetime, now: datetime
    ) -> None:
        policy = workload.spec(cron_job).get("concurrencyPolicy") or "Allow"
        name = job_name(cron_job, at)
        if any(meta.name(job) == name for job in jobs):
            status["lastScheduleTime"] = timefmt.format(at)
            return
        if policy == "Forbid" and status.get("active"):
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._recorder.normal(cron_job, "JobAlreadyActive", message)
            return
        if policy == "Replace":
            running = {ref.get("uid") for ref in status.get("active") or ()}
            for job in jobs:
                if meta.uid(job) in running:
                    await self._delete(cron_job, job)
            _put(status, "active", [])
        try:
            job = await self._client.create(JOBS, build_job(cron_job, at))
        except AlreadyExists:
            job = await self._client.get(JOBS, name, namespace=meta.namespace(cron_job))
            if not owners.is_controlled_by(job, cron_job):
                message = f"Job {name} already exists and is not ours"
                self._recorder.warning(cron_job, "FailedCreate", message)
                status["lastScheduleTime"] = timefmt.format(at)
                return
        except ApiError as error:
            if namespace_ends(error):
                return
            self._recorder.warning(cron_job, "FailedCreate", f"Error creating job: {error.message}")
            raise
        else:
            self._recorder.normal(cron_job, "SuccessfulCreate", f"Created job {meta.name(job)}")
        self._started.wrote(meta.key(cron_job), job)
        _put(status, "active", [*(status.get("active") or ()), reference(job)])
        status["lastScheduleTime"] = timefmt.format(at)


def job_name(cron_job: Object, at: datetime) -> str:
    """The name of the job of a scheduled time: the CronJob's, and the minutes since the epoch."""
    return f"{meta.name(cron_job)}-{int(at.timestamp()) // 60}"


def build_job(cron_job: Object, at: datetime) -> Object:
    """The job of a scheduled time."""
    template = workload.spec(cron_job).get("jobTemplate") or {}
    source = template.get("metadata") or {}
    metadata: dict[str, Any] = {
        "name": job_name(cron_job, at),
        "namespace": meta.namespace(cron_job),
        "annotations": {**(source.get("annotations") or {}), SCHEDULED_ANNOTATION: timefmt.format(at)},
        "ownerReferences": [owners.reference(cron_job)],
    }
    if source.get("labels"):
        metadata["labels"] = dict(source["labels"])
    spec = meta.deep_copy(template.get("spec") or {})
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def reference(job: Object) -> Object:
    """The entry of a job in `status.active`."""
    return {
        "kind": "Job",
        "namespace": meta.namespace(job),
        "name": meta.name(job),
        "uid": meta.uid(job),
        "apiVersion": "batch/v1",
        "resourceVersion": meta.resource_version(job),
    }


def start_time(job: Object) -> tuple[str, str]:
    """Sorts jobs by when they were started, those that were not last; then by name."""
    return str(workload.status(job).get("startTime") or "~"), meta.name(job)


def _runs_on_schedule(job: Object) -> bool:
    """Whether it is a running job of ours: one that somebody made from the template by hand is not."""
    return meta.annotation(job, SCHEDULED_ANNOTATION) is not None and not (
        job_plan.is_finished(job) or meta.is_deleting(job)
    )


def _put(status: Object, field: str, value: list[Object]) -> None:
    if value:
        status[field] = value
    else:
        status.pop(field, None)


SPEC = ControllerSpec(
    "cronjob",
    make=CronJobs,
    description="Starts a Job at each time that a CronJob's schedule names",
    watches=(
        Watch(CRON_JOBS),
        Watch(JOBS, controller("CronJob"), indexes={BY_CONTROLLER: by_controller}),
    ),
)
