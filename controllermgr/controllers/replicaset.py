"""Keeps as many pods of a template as a ReplicaSet asks for.

It counts the pods it controls in the cache (adopting orphans that its selector matches), creates or deletes the
difference, and writes the counts to the status. While the cache has not shown its last creates and deletes it only
keeps the status true.
"""

from __future__ import annotations

from collections.abc import Sequence

from controllermgr.controllers import replicaset_plan as plan
from controllermgr.controllers.pod_control import NamespaceEnds, PodControl
from machinery.client.api import Object
from machinery.client.resources import PODS, REPLICA_SETS
from machinery.controller.batches import all_at_once, slow_start
from machinery.controller.claim import Claimer
from machinery.controller.expectations import Expectations
from machinery.controller.mapping import owner_or_suitors
from machinery.controller.pace import Pace
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter, TerminalError
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import ApiError
from machinery.informer import BY_CONTROLLER, by_controller
from machinery.objects import meta, owners, workload
from machinery.objects.selectors import SelectorError

KIND = "ReplicaSet"
SECONDS_PER_POD = 0.0001
"""A ReplicaSet of more than a hundred pods waits so long for each of them after a status; see `Pace`."""
FACTS_SLACK = 100
"""Facts of deleted pods that may be kept beyond as many as there are pods."""


class ReplicaSets:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._sets = context.informers.store(REPLICA_SETS)
        self._pods = context.informers.store(PODS)
        self._expectations = Expectations(self._pods, context.clock)
        self._control = PodControl(context.client, context.recorder, self._expectations)
        self._own_writes = Expectations(self._sets, context.clock)
        self._pace = Pace(context.clock, seconds=SECONDS_PER_POD)
        self._facts: dict[str, plan.Facts] = {}
        self._claimer = Claimer(context.client, REPLICA_SETS, PODS, self._pods)

    async def reconcile(self, key: str) -> Outcome:
        replica_set = self._sets.get(key)
        if replica_set is None:
            self._expectations.forget(key)
            self._own_writes.forget(key)
            self._pace.forget(key)
            return DONE
        if not self._own_writes.satisfied(key):
            return DONE  # the cache is behind our last status; its arrival brings us back
        if wait := self._pace.wait(key):
            return RequeueAfter(wait)
        try:
            selector = workload.selector(replica_set)
        except SelectorError as error:
            raise TerminalError(f"selector: {error}") from error
        may_act = self._expectations.satisfied(key)
        active = await self._claimer.claim(replica_set, selector, suits=self._is_active)
        failure: ApiError | None = None
        reason = ""
        if may_act and not meta.is_deleting(replica_set):
            surplus = len(active) - workload.replicas(replica_set)
            if surplus < 0:
                reason = "FailedCreate"
                failure = await self._create(replica_set, -surplus)
            elif surplus > 0:
                reason = "FailedDelete"
                failure = await self._delete(replica_set, active, surplus)
        facts = [self._facts_of(each) for each in active]
        await self._write_status(replica_set, facts, (reason, failure.message) if failure else None)
        if failure is not None:
            raise failure
        look = plan.next_look(facts, workload.min_ready_seconds(replica_set), self._clock.now())
        return DONE if look is None else RequeueAfter(look)

    def _facts_of(self, each: Object) -> plan.Facts:
        # The cache hands out one dict per state of a pod, so the dict itself says whether what we know is current.
        uid = each["metadata"]["uid"]
        known = self._facts.get(uid)
        if known is None or known.pod is not each:
            if len(self._facts) > 2 * len(self._pods) + FACTS_SLACK:
                self._facts.clear()
            known = self._facts[uid] = plan.facts(each)
        return known

    def _is_active(self, each: Object) -> bool:
        return self._facts_of(each).active

    async def _create(self, replica_set: Object, count: int) -> ApiError | None:
        template = workload.template(replica_set)

        async def create() -> Object:
            return await self._control.create(replica_set, workload.pod_of_template(template, replica_set))

        try:
            _, error = await slow_start(min(count, plan.BURST_REPLICAS), create)
        except NamespaceEnds:
            return None
        return error

    async def _delete(self, replica_set: Object, active: Sequence[Object], count: int) -> ApiError | None:
        chosen = plan.doomed(active, self._related(replica_set), min(count, plan.BURST_REPLICAS), self._clock.now())
        _, error = await all_at_once([self._control.delete(replica_set, victim) for victim in chosen])
        return error

    def _related(self, replica_set: Object) -> list[Object]:
        """The pods of all ReplicaSets that have the same controller (of a Deployment: its other revisions' too)."""
        owner = owners.controller_uid(replica_set)
        siblings = self._sets.controlled_by(owner) if owner else [replica_set]
        return [each for sibling in siblings for each in self._pods.controlled_by(meta.uid(sibling))]

    async def _write_status(
        self, replica_set: Object, active: Sequence[plan.Facts], failure: tuple[str, str] | None
    ) -> None:
        owned = self._pods.controlled_by(meta.uid(replica_set))
        ending = len(owned) > len(active)  # else all of them are active
        terminating = sum(self._facts_of(each).terminating for each in owned) if ending else 0
        status = plan.status(replica_set, active, terminating, failure, self._clock.now())
        if status == workload.status(replica_set):
            return
        written = await self._client.update(REPLICA_SETS, {**replica_set, "status": status}, subresource="status")
        self._own_writes.wrote(meta.key(replica_set), written)
        self._pace.wrote(meta.key(replica_set), len(active))


SPEC = ControllerSpec(
    "replicaset",
    make=ReplicaSets,
    description="Keeps as many pods running as each ReplicaSet asks for",
    watches=(
        Watch(REPLICA_SETS, indexes={BY_CONTROLLER: by_controller}),
        Watch(PODS, owner_or_suitors(KIND, REPLICA_SETS), indexes={BY_CONTROLLER: by_controller}),
    ),
)
