"""Keeps the pods of a StatefulSet: each with a name, a place in line, and claims of its own.

Each look does what `statefulset_plan` finds to do next (one step with OrderedReady, many with Parallel) and writes the
status; what it changed brings it back. A pod's claims are made before the pod.
"""

from __future__ import annotations

from collections.abc import Sequence

from controllermgr.controllers import statefulset_plan as plan
from controllermgr.controllers.history import HASH_LABEL, Historian, History, template_of
from controllermgr.controllers.pod_control import namespace_ends
from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from machinery.controller.batches import all_at_once
from machinery.controller.claim import Claimer
from machinery.controller.expectations import Expectations
from machinery.controller.mapping import controller, owner_or_suitors
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter, TerminalError
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch, nothing
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.informer import BY_CONTROLLER, by_controller
from machinery.objects import meta, owners, workload
from machinery.objects.selectors import SelectorError

KIND = "StatefulSet"


class StatefulSets:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._sets = context.informers.store(STATEFUL_SETS)
        self._pods = context.informers.store(PODS)
        self._claims = context.informers.store(PERSISTENT_VOLUME_CLAIMS)
        self._expectations = Expectations(self._pods, context.clock)
        self._own_writes = Expectations(self._sets, context.clock)
        self._claimer = Claimer(context.client, STATEFUL_SETS, PODS, self._pods)
        revisions = context.informers.store(CONTROLLER_REVISIONS)
        self._historian = Historian(context.client, revisions, label=HASH_LABEL)

    async def reconcile(self, key: str) -> Outcome:
        statefulset = self._sets.get(key)
        if statefulset is None:
            self._expectations.forget(key)
            self._own_writes.forget(key)
            return DONE
        if not (self._own_writes.satisfied(key) and self._expectations.satisfied(key)):
            return DONE  # the caches are behind what we wrote; its arrival brings us back
        try:
            selector = workload.selector(statefulset)
        except SelectorError as error:
            raise TerminalError(f"selector: {error}") from error
        pods = await self._claimer.claim(
            statefulset, selector, suits=lambda each: plan.ordinal_of(statefulset, meta.name(each)) is not None
        )
        if meta.is_deleting(statefulset):
            return DONE
        history = await self._historian.sync(statefulset)
        update = meta.name(history.current)
        current = workload.status(statefulset).get("currentRevision") or update
        steps = plan.next_steps(statefulset, plan.sort(statefulset, pods), current, update, self._clock.now())
        done, failure = await all_at_once([self._do(statefulset, step, history) for step in steps])
        pods = _after(pods, steps, done)
        await self._keep_claims(statefulset)
        await self._write_status(statefulset, pods, current, update, history.collisions)
        if failure is not None:
            if namespace_ends(failure):
                return DONE
            raise failure
        await self._clean_up(statefulset, history, pods, current)
        wait = plan.next_look(statefulset, pods, self._clock.now())
        return DONE if wait is None else RequeueAfter(wait)

    async def _do(self, statefulset: Object, step: plan.Step, history: History) -> Object:
        match step:
            case plan.Create(ordinal, revision):
                return await self._create(statefulset, ordinal, revision, history)
            case plan.Delete(pod, scaled_down):
                if scaled_down and plan.retention(statefulset, "whenScaled") == "Delete":
                    await self._give_claims_to(statefulset, pod)
                return await self._delete(statefulset, pod)
            case plan.Repair(pod, ordinal):
                await self._create_claims(statefulset, ordinal)
                written = await self._client.update(PODS, plan.with_identity(statefulset, pod, ordinal))
                self._expectations.wrote(meta.key(statefulset), written)
                return written

    async def _create(self, statefulset: Object, ordinal: int, revision: str, history: History) -> Object:
        template = workload.template(statefulset)
        if revision != meta.name(history.current):
            former = next((each for each in history.others if meta.name(each) == revision), None)
            if former is not None:
                template = template_of(former)
            else:
                revision = meta.name(history.current)
        pod = plan.build_pod(statefulset, template, ordinal, revision)
        what = f"create Pod {meta.name(pod)} in StatefulSet {meta.name(statefulset)}"
        try:
            await self._create_claims(statefulset, ordinal)
            made = await self._client.create(PODS, pod)
        except ApiError as error:
            if not namespace_ends(error):
                self._recorder.warning(statefulset, "FailedCreate", f"{what} failed error: {error.message}")
            raise
        self._expectations.wrote(meta.key(statefulset), made)
        self._recorder.normal(statefulset, "SuccessfulCreate", f"{what} successful")
        return made

    async def _create_claims(self, statefulset: Object, ordinal: int) -> None:
        for claim in plan.build_claims(statefulset, ordinal):
            if meta.key(claim) in self._claims:
                continue
            try:
                await self._client.create(PERSISTENT_VOLUME_CLAIMS, claim)
            except AlreadyExists:
                continue  # the cache had not shown it yet
            pod = f"{meta.name(statefulset)}-{ordinal}"
            message = f"create Claim {meta.name(claim)} Pod {pod} in StatefulSet {meta.name(statefulset)} success"
            self._recorder.normal(statefulset, "SuccessfulCreate", message)

    async def _keep_claims(self, statefulset: Object) -> None:
        """Bring existing claims in line with a retention policy that was changed."""
        for ordinal in plan.ordinals(statefulset) if plan.templates(statefulset) else ():
            for wanted in plan.build_claims(statefulset, ordinal):
                claim = self._claims.get(meta.key(wanted))
                if claim is not None and (changed := plan.with_owner(statefulset, claim)) is not claim:
                    await self._client.update(PERSISTENT_VOLUME_CLAIMS, changed)

    async def _give_claims_to(self, statefulset: Object, pod: Object) -> None:
        """Make a pod the owner of its claims: they go when it goes."""
        ordinal = plan.ordinal_of(statefulset, meta.name(pod)) or 0
        for wanted in plan.build_claims(statefulset, ordinal):
            claim = self._claims.get(meta.key(wanted))
            if claim is None or owners.is_owned_by(claim, meta.uid(pod)):
                continue
            refs = [*meta.owner_references(claim), owners.reference(pod, controller=False, block=False)]
            changed = {**claim, "metadata": {**meta.metadata(claim), "ownerReferences": refs}}
            await self._client.update(PERSISTENT_VOLUME_CLAIMS, changed)

    async def _delete(self, statefulset: Object, pod: Object) -> Object:
        what = f"delete Pod {meta.name(pod)} in StatefulSet {meta.name(statefulset)}"
        options = DeleteOptions(uid=meta.uid(pod))
        try:
            await self._client.delete(PODS, meta.name(pod), namespace=meta.namespace(pod), options=options)
        except NotFound:
            return pod
        except ApiError as error:
            self._recorder.warning(statefulset, "FailedDelete", f"{what} failed error: {error.message}")
            raise
        self._expectations.deleted(meta.key(statefulset), pod)
        self._recorder.normal(statefulset, "SuccessfulDelete", f"{what} successful")
        return pod

    async def _clean_up(self, statefulset: Object, history: History, pods: Sequence[Object], current: str) -> None:
        live = {current, *(plan.revision_of(each) for each in pods)}
        await self._historian.clean_up(statefulset, history, live)

    async def _write_status(
        self, statefulset: Object, pods: Sequence[Object], current: str, update: str, collisions: int | None
    ) -> None:
        status = plan.status(statefulset, pods, current, update, collisions, self._clock.now())
        if status == workload.status(statefulset):
            return
        written = await self._client.update(STATEFUL_SETS, {**statefulset, "status": status}, subresource="status")
        self._own_writes.wrote(meta.key(statefulset), written)


def _after(pods: Sequence[Object], steps: Sequence[plan.Step], done: Sequence[Object]) -> list[Object]:
    """The pods as they are after the steps, as far as is known before the cache shows it."""
    removed = {meta.uid(step.pod) for step in steps if isinstance(step, plan.Delete)} & {
        meta.uid(each) for each in done
    }
    known = {meta.uid(each) for each in pods}
    return [
        *(each for each in pods if meta.uid(each) not in removed),
        *(each for each in done if meta.uid(each) not in known),
    ]


SPEC = ControllerSpec(
    "statefulset",
    make=StatefulSets,
    description="Keeps the named pods and claims of each StatefulSet",
    watches=(
        Watch(STATEFUL_SETS),
        Watch(CONTROLLER_REVISIONS, controller(KIND), indexes={BY_CONTROLLER: by_controller}),
        Watch(PODS, owner_or_suitors(KIND, STATEFUL_SETS), indexes={BY_CONTROLLER: by_controller}),
        Watch(PERSISTENT_VOLUME_CLAIMS, nothing),
    ),
)
