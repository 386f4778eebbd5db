"""Keeps the status of PodDisruptionBudgets: how many pods may be evicted now.

    allowed = healthy - desired healthy

where the desired number comes from `minAvailable`, or from `maxUnavailable` and how many pods the controllers of the
selected pods mean to run. An eviction spends one at once and notes the pod in `disruptedPods`; until the pod is gone
(or two minutes have passed, and then the eviction has failed) it counts as unhealthy here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from machinery.client.api import Object
from machinery.client.resources import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch, nothing
from machinery.errors import NotFound
from machinery.informer import Change, Informers
from machinery.objects import conditions, meta, owners, pod, timefmt, workload
from machinery.objects.gvk import GVR
from machinery.objects.selectors import SelectorError

PATIENCE = timedelta(minutes=2)
"""How long an evicted pod may take to be deleted."""
ALLOWED = "DisruptionAllowed"

_SCALED: Mapping[str, GVR] = {
    "ReplicaSet": REPLICA_SETS,
    "StatefulSet": STATEFUL_SETS,
    "ReplicationController": REPLICATION_CONTROLLERS,
    "Deployment": DEPLOYMENTS,
}
"""Kinds of controllers that say how many pods they mean to run."""


class Unscaled(Exception):
    """A pod has no controller whose scale could be asked; the message is for its budget's condition."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How many pods there should be, and how many of them healthy."""

    pods: int
    healthy: int


def budgets_of(change: Change, informers: Informers) -> Iterable[str]:
    """The budgets that select a pod, as it was or as it is."""
    labels = [meta.labels(each) for each in (change.old, change.new) if each is not None]
    keys = []
    for budget in informers.store(POD_DISRUPTION_BUDGETS).in_namespace(meta.namespace(change.object)):
        try:
            selector = workload.selector(budget)
        except SelectorError:
            continue
        if any(selector.matches(each) for each in labels):
            keys.append(meta.key(budget))
    return keys


def budgets_in_namespace(change: Change, informers: Informers) -> Iterable[str]:
    """All budgets of the namespace, when a controller's scale is another."""
    old, new = change.old, change.new
    if old is not None and new is not None and workload.replicas(old) == workload.replicas(new):
        return ()
    held = informers.store(POD_DISRUPTION_BUDGETS).in_namespace(meta.namespace(change.object))
    return [meta.key(each) for each in held]


def expected(budget: Object, pods: Sequence[Object], scale: int | None) -> Expected:
    """What the budget asks for. scale: what the pods' controllers mean to run; only needed by some budgets."""
    spec = workload.spec(budget)
    if spec.get("maxUnavailable") is not None:
        total = scale or 0
        return Expected(total, max(total - workload.scaled(spec["maxUnavailable"], total, round_up=True), 0))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        total = scale or 0
        return Expected(total, workload.scaled(least, total, round_up=True))
    return Expected(len(pods), 1 if least is None else int(least))


def needs_scale(budget: Object) -> bool:
    """Whether the desired number depends on what controllers mean to run."""
    spec = workload.spec(budget)
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def disrupted(budget: Object, pods: Iterable[Object], now: datetime) -> dict[str, str]:
    """The evicted pods that still count as going: there, not being deleted yet, and not for too long."""
    noted: Mapping[str, str] = workload.status(budget).get("disruptedPods") or {}
    present = {meta.name(each) for each in pods if not meta.is_deleting(each)}
    return {
        name: since
        for name, since in noted.items()
        if name in present and (at := timefmt.parse_optional(since)) is not None and at + PATIENCE > now
    }


def healthy(pods: Iterable[Object], going: Mapping[str, str]) -> int:
    """Pods that are ready and stay."""
    return sum(pod.is_ready(each) and not meta.is_deleting(each) and meta.name(each) not in going for each in pods)


class Budgets:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._budgets = context.informers.store(POD_DISRUPTION_BUDGETS)
        self._pods = context.informers.store(PODS)
        self._scaled = {kind: context.informers.store(resource) for kind, resource in _SCALED.items()}

    async def reconcile(self, key: str) -> Outcome:
        budget = self._budgets.get(key)
        if budget is None:
            return DONE
        now = self._clock.now()
        try:
            selector = workload.selector(budget)
            selected = [
                each
                for each in self._pods.in_namespace(meta.namespace(budget))
                if selector.matches(meta.labels(each)) and not pod.is_terminal(each)
            ]
            if not selected:
                self._recorder.normal(budget, "NoPods", "No matching pods found")
            scale = self._scale(selected) if needs_scale(budget) else None
            wanted = expected(budget, selected, scale)
        except (SelectorError, Unscaled) as error:
            self._recorder.warning(budget, "CalculateExpectedPodCountFailed", str(error))
            return await self._write(budget, self._failed(budget, str(error), now))
        going = disrupted(budget, selected, now)
        current = healthy(selected, going)
        allowed = current - wanted.healthy
        if wanted.pods <= 0 or allowed <= 0:
            allowed = 0
        status: Object = {
            "currentHealthy": current,
            "desiredHealthy": wanted.healthy,
            "disruptionsAllowed": allowed,
            "expectedPods": wanted.pods,
            "observedGeneration": meta.generation(budget),
        }
        if going:
            status["disruptedPods"] = going
        status["conditions"] = conditions.merged(
            list(conditions.all_of(budget)),
            ALLOWED,
            "True" if allowed > 0 else "False",
            reason="SufficientPods" if allowed > 0 else "InsufficientPods",
            now=now,
            extra={"observedGeneration": meta.generation(budget), "message": ""},
        )
        await self._write(budget, status)
        waits = [(timefmt.parse(since) + PATIENCE - now).total_seconds() for since in going.values()]
        return RequeueAfter(min(waits)) if waits else DONE

    def _scale(self, selected: Iterable[Object]) -> int:
        """What the controllers of these pods mean to run, each counted once. Raises Unscaled."""
        found: dict[str, int] = {}
        for each in selected:
            ref = owners.controller_of(each)
            if ref is None:
                raise Unscaled(f'found no controller ref for pod "{meta.name(each)}"')
            controller = self._controller(meta.namespace(each), ref)
            above = owners.controller_of(controller)
            if above is not None and above.get("kind") == "Deployment":
                controller = self._controller(meta.namespace(each), above)
            found[meta.uid(controller)] = workload.replicas(controller)
        return sum(found.values())

    def _controller(self, namespace: str, ref: Object) -> Object:
        store = self._scaled.get(str(ref.get("kind")))
        if store is None:
            raise Unscaled(f"{ref.get('kind')}.{ref.get('apiVersion')} does not implement the scale subresource")
        found = store.get(meta.join_key(namespace, str(ref.get("name"))))
        if found is None or meta.uid(found) != ref.get("uid"):
            raise Unscaled(f'found no controllers for the pods of {ref.get("kind")} "{ref.get("name")}"')
        return found

    def _failed(self, budget: Object, message: str, now: datetime) -> Object:
        status = {**workload.status(budget), "disruptionsAllowed": 0, "observedGeneration": meta.generation(budget)}
        status["conditions"] = conditions.merged(
            list(conditions.all_of(budget)), ALLOWED, "False", reason="SyncFailed", message=message, now=now
        )
        return status

    async def _write(self, budget: Object, status: Object) -> Outcome:
        if status != workload.status(budget):
            try:
                await self._client.update(POD_DISRUPTION_BUDGETS, {**budget, "status": status}, subresource="status")
            except NotFound:
                return DONE
        return DONE


SPEC = ControllerSpec(
    "disruption",
    make=Budgets,
    workers=1,
    component="controllermanager",
    description="Counts how many pods each disruption budget lets go",
    watches=(
        Watch(POD_DISRUPTION_BUDGETS),
        Watch(PODS, budgets_of),
        Watch(REPLICA_SETS, nothing),
        Watch(DEPLOYMENTS, budgets_in_namespace),
        Watch(STATEFUL_SETS, budgets_in_namespace),
        Watch(REPLICATION_CONTROLLERS, budgets_in_namespace),
    ),
)
