"""Deletes Jobs some time after they finished: `spec.ttlSecondsAfterFinished`."""

from __future__ import annotations

from datetime import datetime, timedelta

from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import JOBS
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.objects import conditions, meta, timefmt, workload


def finished_at(job: Object) -> datetime | None:
    """When the Job completed or failed; None while it has not."""
    for kind in ("Complete", "Failed"):
        condition = conditions.get(job, kind)
        if condition is not None and condition.get("status") == "True":
            return timefmt.parse_optional(condition.get("lastTransitionTime"))
    return None


def seconds_left(job: Object, now: datetime) -> float | None:
    """Until the Job may be deleted; None when it is not finished, has no such limit, or is being deleted."""
    limit = workload.spec(job).get("ttlSecondsAfterFinished")
    at = finished_at(job)
    if limit is None or at is None or meta.is_deleting(job):
        return None
    return (at + timedelta(seconds=int(limit)) - now).total_seconds()


class FinishedJobs:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._jobs = context.informers.store(JOBS)

    async def reconcile(self, key: str) -> Outcome:
        job = self._jobs.get(key)
        left = None if job is None else seconds_left(job, self._clock.now())
        if job is None or left is None:
            return DONE
        if left > 0:
            return RequeueAfter(left)
        namespace, name = meta.split_key(key)
        try:
            # The limit may have been changed meanwhile, and a deletion cannot be taken back: look at the real one.
            fresh = await self._client.get(JOBS, name, namespace=namespace)
            left = seconds_left(fresh, self._clock.now())
            if left is None or left > 0:
                return DONE
            options = DeleteOptions(propagation_policy="Foreground", uid=meta.uid(fresh))
            await self._client.delete(JOBS, name, namespace=namespace, options=options)
        except NotFound:
            return DONE
        return DONE


SPEC = ControllerSpec(
    "ttl-after-finished",
    make=FinishedJobs,
    aliases=("ttlafterfinished",),
    component="ttl-after-finished-controller",
    description="Deletes finished Jobs when their time to live is over",
    watches=(Watch(JOBS),),
)
