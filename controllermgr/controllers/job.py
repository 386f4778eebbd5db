"""Runs the pods of a job until enough of them have succeeded or too many have failed.

Each look counts what has finished, decides whether that is the end, makes or removes pods, writes the status, and lets
go the pods that the written status has counted: in this order, for only then a crash in between loses no count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controllermgr.controllers import job_indexes as indexes
from controllermgr.controllers import job_plan as plan
from controllermgr.controllers.pod_control import NamespaceEnds, PodControl
from machinery.client.api import Object, PatchType
from machinery.client.resources import JOBS, PODS
from machinery.controller.batches import all_at_once, slow_start
from machinery.controller.claim import Claimer
from machinery.controller.expectations import Expectations
from machinery.controller.mapping import any_of, controller_key, owner_or_suitors
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter, TerminalError
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import ApiError, NotFound
from machinery.informer import BY_CONTROLLER, Change, Informers, by_controller
from machinery.objects import conditions, meta, owners, pod, workload
from machinery.objects.selectors import SelectorError

KIND = "Job"
BURST = 500
"""Pods that one look creates or deletes at most."""
TRACKED = "tracked by job"
STRAY = "@"


def by_tracking_job(obj: Object) -> Iterable[str]:
    """Indexer: the key of the job that keeps a pod back, whether the job is still there or not."""
    key = controller_key(obj, KIND) if meta.has_finalizer(obj, plan.TRACKING) else None
    return () if key is None else (key,)


def itself_if_stray(change: Change, informers: Informers) -> Iterable[str]:
    """A key for a pod that a job has counted on and that nobody controls any more: `@` and the pod's own key."""
    pod = change.new
    if pod is None or owners.controller_of(pod) is not None or not meta.has_finalizer(pod, plan.TRACKING):
        return ()
    return (STRAY + meta.key(pod),)


class Jobs:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._jobs = context.informers.store(JOBS)
        self._pods = context.informers.store(PODS)
        self._expectations = Expectations(self._pods, context.clock)
        self._own_writes = Expectations(self._jobs, context.clock)
        self._claimer = Claimer(context.client, JOBS, PODS, self._pods, finalizers=[plan.TRACKING])
        self._control = PodControl(context.client, context.recorder, self._expectations)

    async def reconcile(self, key: str) -> Outcome:
        if key.startswith(STRAY):
            stray = self._pods.get(key.removeprefix(STRAY))
            if stray is not None and owners.controller_of(stray) is None:
                await self._release([stray])
            return DONE
        job = self._jobs.get(key)
        if job is None:
            self._expectations.forget(key)
            self._own_writes.forget(key)
            await self._release(self._pods.by_index(TRACKED, key))
            return DONE
        if plan.is_foreign(job) or not self._own_writes.satisfied(key):
            return DONE
        tracked = self._pods.by_index(TRACKED, key)
        if meta.is_deleting(job) or plan.is_finished(job):
            await self._release(tracked)
            return DONE
        await self._release([each for each in tracked if not owners.is_controlled_by(each, job)])  # a predecessor's
        try:
            selector = workload.selector(job)
        except SelectorError as error:
            raise TerminalError(f"selector: {error}") from error
        pods = await self._claimer.claim(job, selector)
        return await self._work_on(key, job, pods)

    async def _work_on(self, key: str, job: Object, pods: Sequence[Object]) -> Outcome:
        now = self._clock.now()
        done = plan.tally(job, pods)
        active = [each for each in pods if pod.is_active(each)]
        terminating = sum(meta.is_deleting(each) and not pod.is_terminal(each) for each in pods)
        finish = plan.verdict(job, done, active, now)
        failure: ApiError | None = None
        change, wait = 0, 0.0
        if finish is not None:
            if finish.type == plan.COMPLETE:
                await self._release(active)  # what we end ourselves is no failure
            deleted, failure = await all_at_once([self._control.delete(job, each) for each in active])
            change, terminating = -len(deleted), terminating + len(deleted)
        elif self._expectations.satisfied(key):
            change, wait, failure = await self._manage(job, pods, active, done, terminating)
        status = plan.status(
            job,
            done,
            finish,
            active=len(active) + change,
            ready=min(sum(pod.is_ready(each) for each in active), len(active) + change),
            terminating=terminating,
            now=now,
        )
        await self._write_status(job, status)
        await self._release(done.release)
        if failure is not None:
            raise failure
        left = plan.deadline({**job, "status": status}, now)
        waits = [each for each in (wait, left) if each]
        return RequeueAfter(max(0.0, min(waits))) if waits else DONE

    async def _manage(
        self, job: Object, pods: Sequence[Object], active: Sequence[Object], done: plan.Tally, terminating: int
    ) -> tuple[int, float, ApiError | None]:
        """Make or remove pods. Answers by how many the active ones changed, and the seconds to wait for more."""
        wanted = plan.wanted_active(job, done, len(active))
        surplus = plan.superfluous(job, active, wanted)[:BURST]
        if surplus:
            await self._release(surplus)  # what we take back ourselves is no failure
            deleted, error = await all_at_once([self._control.delete(job, each) for each in surplus])
            return -len(deleted), 0.0, error
        missing = wanted - len(active) - (terminating if plan.replaces_only_failed(job) else 0)
        if missing <= 0:
            return 0, 0.0, None
        wait = plan.backoff(pods, self._clock.now())
        if wait > 0:
            return 0, wait, None
        made, error = await self._create(job, pods, active, done, min(missing, BURST))
        return made, 0.0, error

    async def _create(
        self, job: Object, pods: Sequence[Object], active: Sequence[Object], done: plan.Tally, count: int
    ) -> tuple[int, ApiError | None]:
        numbers: list[int | None] = [None] * count
        if plan.is_indexed(job):
            numbers = [*plan.missing_indexes(job, done, active, count)]
        failures = {
            indexes.of_pod(each): plan.failures_of_index(each) + 1
            for each in sorted(pods, key=plan.failures_of_index)
            if plan.has_failed(job, each)
        }
        waiting = iter(numbers)

        async def create() -> Object:
            number = next(waiting)
            return await self._control.create(job, plan.build_pod(job, number, failures.get(number, 0)))

        try:
            made, error = await slow_start(len(numbers), create)
        except NamespaceEnds:
            return 0, None
        return len(made), error

    async def _write_status(self, job: Object, status: Object) -> None:
        if status == workload.status(job):
            return
        written = await self._client.update(JOBS, {**job, "status": status}, subresource="status")
        self._own_writes.wrote(meta.key(job), written)
        after = {"status": status}
        for type, reason, message in (
            (plan.SUSPENDED, "Suspended", "Job suspended"),
            (plan.COMPLETE, "Completed", "Job completed"),
        ):
            if conditions.is_true(after, type) and not conditions.is_true(job, type):
                self._recorder.normal(job, reason, message)
        if conditions.is_true(job, plan.SUSPENDED) and not conditions.is_true(after, plan.SUSPENDED):
            self._recorder.normal(job, "Resumed", "Job resumed")
        failed = conditions.get(after, plan.FAILED)
        if failed is not None and not conditions.is_true(job, plan.FAILED):
            self._recorder.warning(job, failed.get("reason", ""), failed.get("message", ""))

    async def _release(self, pods: Sequence[Object]) -> None:
        """Take the tracking finalizer off these pods."""

        async def release(each: Object) -> Object:
            patch = {
                "metadata": {"uid": meta.uid(each), "$deleteFromPrimitiveList/finalizers": [plan.TRACKING]},
            }
            try:
                return await self._client.patch(
                    PODS, meta.name(each), patch, PatchType.STRATEGIC, namespace=meta.namespace(each)
                )
            except NotFound:
                return each

        tracked = [each for each in pods if meta.has_finalizer(each, plan.TRACKING)]
        _, error = await all_at_once([release(each) for each in tracked])
        if error is not None:
            raise error


SPEC = ControllerSpec(
    "job",
    make=Jobs,
    description="Runs the pods of each Job to completion",
    watches=(
        Watch(JOBS),
        Watch(
            PODS,
            any_of(owner_or_suitors(KIND, JOBS), itself_if_stray),
            indexes={BY_CONTROLLER: by_controller, TRACKED: by_tracking_job},
        ),
    ),
)
