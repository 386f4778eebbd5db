"""Rolls a Deployment's template out over ReplicaSets.

Each look does one step (make the new ReplicaSet, grow it, shrink the old ones, clean up) and writes the status; the
changes it made bring it back for the next one. Which step, and by how much, `deployment_rollout` says; which ReplicaSet
is the new one, `deployment_revisions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controllermgr.controllers import deployment_revisions as revisions
from controllermgr.controllers import deployment_rollout as rollout
from controllermgr.controllers.deployment_rollout import Scale
from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from machinery.controller.claim import Claimer
from machinery.controller.expectations import Expectations
from machinery.controller.mapping import controller_key, owner_or_suitors
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter, TerminalError
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.informer import BY_CONTROLLER, Change, Informers, by_controller
from machinery.objects import conditions, meta, owners, pod, workload
from machinery.objects.selectors import SelectorError

KIND = "Deployment"


def recreate_waits_for(change: Change, informers: Informers) -> Iterable[str]:
    """The Deployment of a pod that is gone: with strategy Recreate it may wait for that."""
    if not change.deleted:
        return ()
    replica_set = controller_key(change.object, "ReplicaSet")
    found = informers.store(REPLICA_SETS).get(replica_set) if replica_set else None
    key = controller_key(found, KIND)
    deployment = informers.store(DEPLOYMENTS).get(key) if key else None
    return () if key is None or deployment is None or rollout.is_rolling(deployment) else (key,)


class Deployments:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._deployments = context.informers.store(DEPLOYMENTS)
        self._sets = context.informers.store(REPLICA_SETS)
        self._pods = context.informers.store(PODS)
        self._own_writes = Expectations(self._deployments, context.clock)
        self._set_writes = Expectations(self._sets, context.clock)
        self._claimer = Claimer(context.client, DEPLOYMENTS, REPLICA_SETS, self._sets)

    async def reconcile(self, key: str) -> Outcome:
        deployment = self._deployments.get(key)
        if deployment is None:
            self._own_writes.forget(key)
            self._set_writes.forget(key)
            return DONE
        if not (self._own_writes.satisfied(key) and self._set_writes.satisfied(key)):
            return DONE  # the caches are behind what we wrote; its arrival brings us back
        try:
            selector = workload.selector(deployment)
        except SelectorError as error:
            raise TerminalError(f"selector: {error}") from error
        if selector.everything:
            self._recorder.warning(
                deployment, "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required."
            )
            return await self._write(deployment, {"observedGeneration": meta.generation(deployment)})
        every = await self._claimer.claim(deployment, selector)
        new = revisions.new_replica_set(deployment, every)
        old = [each for each in every if each is not new]
        if meta.is_deleting(deployment):
            return await self._write(deployment, rollout.counts(deployment, new, every, self._clock.now()))
        wish = rollout.pause_condition(deployment, self._clock.now())
        if wish is not None:
            status = workload.status(deployment)
            told = rollout.set_condition(list(status.get("conditions") or []), wish)
            return await self._write(deployment, {**status, "conditions": told})
        if new is not None and await self._sync_new(deployment, new, old):
            return DONE
        if workload.spec(deployment).get("paused") or rollout.is_scaling(deployment, every):
            return await self._rescale(deployment, new, old)
        if rollout.is_rolling(deployment):
            return await self._roll(deployment, new, old)
        return await self._recreate(deployment, new, old)

    # -- strategies

    async def _rescale(self, deployment: Object, new: Object | None, old: Sequence[Object]) -> Outcome:
        await self._scale(deployment, rollout.rescale(deployment, new, old))
        if workload.spec(deployment).get("paused"):
            await self._clean_up(deployment, old)
        every = [*old, new] if new is not None else list(old)
        return await self._write(deployment, rollout.counts(deployment, new, every, self._clock.now()))

    async def _roll(self, deployment: Object, new: Object | None, old: Sequence[Object]) -> Outcome:
        if new is None:
            return await self._create(deployment, old)
        have, total = workload.replicas(new), workload.replicas(deployment)
        size = total if have > total else rollout.grow_new(deployment, new, [*old, new])
        if size != have:
            await self._scale(deployment, [Scale(new, size)])
        elif shrinks := rollout.shrink_old(deployment, new, old):
            await self._scale(deployment, shrinks)
        elif rollout.is_complete(deployment, workload.status(deployment)):
            await self._clean_up(deployment, old)
        return await self._write_rollout(deployment, new, old)

    async def _recreate(self, deployment: Object, new: Object | None, old: Sequence[Object]) -> Outcome:
        running = rollout.active(old)
        if running:
            await self._scale(deployment, [Scale(each, 0) for each in running])
        elif not self._old_pods_run(old):
            if new is None:
                return await self._create(deployment, old)
            total = workload.replicas(deployment)
            if workload.replicas(new) != total:
                await self._scale(deployment, [Scale(new, total)])
            elif rollout.is_complete(deployment, workload.status(deployment)):
                await self._clean_up(deployment, old)
        return await self._write_rollout(deployment, new, old)

    def _old_pods_run(self, old: Sequence[Object]) -> bool:
        if rollout.counted(old, "replicas"):
            return True
        return any(not pod.is_terminal(each) for owner in old for each in self._pods.controlled_by(meta.uid(owner)))

    # -- steps

    async def _create(self, deployment: Object, old: Sequence[Object]) -> Outcome:
        total = workload.replicas(deployment)
        made = revisions.build(deployment, old, size=total, largest=total + rollout.max_surge(deployment))
        size = rollout.grow_new(deployment, made, old)
        made["spec"]["replicas"] = size
        name = meta.name(made)
        try:
            created = await self._client.create(REPLICA_SETS, made)
        except AlreadyExists:
            existing = await self._client.get(REPLICA_SETS, name, namespace=meta.namespace(deployment))
            if owners.is_controlled_by(existing, deployment) and revisions.new_replica_set(deployment, [existing]):
                self._set_writes.wrote(meta.key(deployment), existing)
                return DONE
            status = workload.status(deployment)
            await self._write(deployment, {**status, "collisionCount": int(status.get("collisionCount") or 0) + 1})
            return DONE
        except ApiError as error:
            if any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ()):
                return DONE
            message = f'Failed to create new replica set "{name}": {error.message}'
            self._recorder.warning(deployment, rollout.CREATE_FAILED, message)
            if rollout.has_deadline(deployment):
                await self._tell(deployment, None, self._progress("False", rollout.CREATE_FAILED, message))
            raise
        self._set_writes.wrote(meta.key(deployment), created)
        if size > 0:
            self._recorder.normal(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        wish: Object | None = None
        if rollout.has_deadline(deployment):
            wish = self._progress("True", rollout.NEW_CREATED, f'Created new replica set "{name}"')
        await self._tell(deployment, created, wish)
        return DONE

    async def _sync_new(self, deployment: Object, new: Object, old: Sequence[Object]) -> bool:
        """Bring annotations and minReadySeconds of the new ReplicaSet up to date; whether anything was written."""
        total = workload.replicas(deployment)
        annotations = revisions.annotations_for(
            deployment,
            new,
            revisions.next_revision(old),
            size=total,
            largest=total + rollout.max_surge(deployment),
            new=False,
        )
        wait = workload.min_ready_seconds(deployment)
        if annotations != meta.annotations(new) or wait != workload.min_ready_seconds(new):
            changed = {**new, "metadata": {**meta.metadata(new), "annotations": annotations}}
            if wait != workload.min_ready_seconds(new):
                changed["spec"] = {**workload.spec(new), "minReadySeconds": wait}
            self._set_writes.wrote(meta.key(deployment), await self._client.update(REPLICA_SETS, changed))
            return True
        wish: Object | None = None
        if rollout.has_deadline(deployment) and conditions.get(deployment, rollout.PROGRESSING) is None:
            wish = self._progress("True", rollout.NEW_FOUND, f'Found new replica set "{meta.name(new)}"')
        return await self._tell(deployment, new, wish)

    async def _scale(self, deployment: Object, scales: Sequence[Scale]) -> None:
        total = workload.replicas(deployment)
        sizes = revisions.sizes(total, total + rollout.max_surge(deployment))
        for scale in scales:
            each, have = scale.replica_set, workload.replicas(scale.replica_set)
            if have == scale.replicas and sizes.items() <= meta.annotations(each).items():
                continue
            changed = meta.with_annotations(each, sizes)
            changed = {**changed, "spec": {**workload.spec(each), "replicas": scale.replicas}}
            self._set_writes.wrote(meta.key(deployment), await self._client.update(REPLICA_SETS, changed))
            if have != scale.replicas:
                verb = "up" if scale.replicas > have else "down"
                self._recorder.normal(
                    deployment,
                    "ScalingReplicaSet",
                    f"Scaled {verb} replica set {meta.name(each)} from {have} to {scale.replicas}",
                )

    async def _clean_up(self, deployment: Object, old: Sequence[Object]) -> None:
        for each in revisions.surplus_history(old, workload.history_limit(deployment)):
            try:
                await self._client.delete(
                    REPLICA_SETS,
                    meta.name(each),
                    namespace=meta.namespace(each),
                    options=DeleteOptions(uid=meta.uid(each)),
                )
            except NotFound:
                continue
            self._set_writes.deleted(meta.key(deployment), each)

    # -- status

    def _progress(self, status: str, reason: str, message: str) -> Object:
        return rollout.condition(rollout.PROGRESSING, status, reason, message, self._clock.now())

    async def _tell(self, deployment: Object, new: Object | None, wish: Object | None) -> bool:
        """Write the revision of the new ReplicaSet and a condition to the Deployment; whether that changed anything.

        The annotation travels with the status: an update of the object itself would raise its generation.
        """
        revision = meta.annotation(new, revisions.REVISION) if new is not None else None
        told, status = deployment, workload.status(deployment)
        if revision is not None and meta.annotation(deployment, revisions.REVISION) != revision:
            told = meta.with_annotations(deployment, {revisions.REVISION: revision})
        if wish is not None:
            status = {**status, "conditions": rollout.set_condition(list(status.get("conditions") or []), wish)}
        if told is deployment and status == workload.status(deployment):
            return False
        written = await self._client.update(DEPLOYMENTS, {**told, "status": status}, subresource="status")
        self._own_writes.wrote(meta.key(deployment), written)
        return True

    async def _write_rollout(self, deployment: Object, new: Object | None, old: Sequence[Object]) -> Outcome:
        return await self._write(deployment, rollout.rollout_status(deployment, new, old, self._clock.now()))

    async def _write(self, deployment: Object, status: Object) -> Outcome:
        if status != workload.status(deployment):
            written = await self._client.update(DEPLOYMENTS, {**deployment, "status": status}, subresource="status")
            self._own_writes.wrote(meta.key(deployment), written)
        wait = rollout.next_look(deployment, status, self._clock.now())
        return DONE if wait is None else RequeueAfter(wait)


SPEC = ControllerSpec(
    "deployment",
    make=Deployments,
    description="Rolls out the template of each Deployment over ReplicaSets",
    watches=(
        Watch(DEPLOYMENTS),
        Watch(REPLICA_SETS, owner_or_suitors(KIND, DEPLOYMENTS), indexes={BY_CONTROLLER: by_controller}),
        Watch(PODS, recreate_waits_for, indexes={BY_CONTROLLER: by_controller}),
    ),
)
