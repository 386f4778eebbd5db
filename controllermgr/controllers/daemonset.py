"""Keeps one pod of a DaemonSet's template on every node that it fits, and rolls new templates out.

Each look places what is missing or too much, or else does one step of an update, and writes the status. Which pods
those are, `daemonset_plan` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from controllermgr.controllers import daemonset_plan as plan
from controllermgr.controllers.daemonset_backoff import Backoff
from controllermgr.controllers.history import Historian, History
from controllermgr.controllers.pod_control import NamespaceEnds, PodControl
from machinery.client.api import Object
from machinery.client.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from machinery.controller.batches import all_at_once, slow_start
from machinery.controller.claim import Claimer
from machinery.controller.expectations import Expectations
from machinery.controller.mapping import controller, owner_or_suitors
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter, TerminalError
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import ApiError
from machinery.informer import BY_CONTROLLER, Change, Informers, by_controller
from machinery.objects import meta, node, workload
from machinery.objects.selectors import SelectorError

KIND = "DaemonSet"
BURST = 250
"""Pods that one look creates or deletes at most."""


def placement_changed(change: Change) -> bool:
    """Whether a node's change can move daemons: it came, went, or got other labels or taints."""
    old, new = change.old, change.new
    if old is None or new is None:
        return True
    return meta.labels(old) != meta.labels(new) or node.taints(old) != node.taints(new)


def all_daemon_sets(change: Change, informers: Informers) -> Iterable[str]:
    """Every DaemonSet's key."""
    return informers.store(DAEMON_SETS).keys()


class DaemonSets:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._sets = context.informers.store(DAEMON_SETS)
        self._pods = context.informers.store(PODS)
        self._nodes = context.informers.store(NODES)
        self._expectations = Expectations(self._pods, context.clock)
        self._own_writes = Expectations(self._sets, context.clock)
        self._claimer = Claimer(context.client, DAEMON_SETS, PODS, self._pods)
        self._control = PodControl(context.client, context.recorder, self._expectations)
        revisions = context.informers.store(CONTROLLER_REVISIONS)
        self._historian = Historian(context.client, revisions, label=plan.HASH_LABEL)
        self._backoff = Backoff()

    async def reconcile(self, key: str) -> Outcome:
        daemon_set = self._sets.get(key)
        if daemon_set is None:
            self._expectations.forget(key)
            self._own_writes.forget(key)
            self._backoff.sweep(self._clock.monotonic())
            return DONE
        if meta.is_deleting(daemon_set) or not self._own_writes.satisfied(key):
            return DONE
        try:
            selector = workload.selector(daemon_set)
        except SelectorError as error:
            raise TerminalError(f"selector: {error}") from error
        if selector.everything:
            self._recorder.warning(
                daemon_set, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required."
            )
            return DONE
        history = await self._historian.sync(daemon_set)
        digest = meta.label(history.current, plan.HASH_LABEL) or ""
        claimed = await self._claimer.claim(daemon_set, selector)
        pods, nodes = plan.by_node(claimed), list(self._nodes.values())
        failure, left = None, 0.0
        if self._expectations.satisfied(key):
            failure, left = await self._act(daemon_set, nodes, pods, digest)
            await self._clean_up(daemon_set, history, claimed)
        await self._write_status(daemon_set, nodes, pods, digest, history)
        if failure is not None:
            raise failure
        waits = [each for each in (left, plan.next_look(daemon_set, claimed, self._clock.now())) if each]
        return RequeueAfter(min(waits)) if waits else DONE

    async def _act(
        self, daemon_set: Object, nodes: Sequence[Object], pods: Mapping[str, Sequence[Object]], digest: str
    ) -> tuple[ApiError | None, float]:
        """Make and remove pods. Answers what failed, and the seconds until failed daemons are looked at again."""
        now = self._clock.now()
        wanted = plan.place(daemon_set, nodes, pods, digest, now)
        if not wanted.create and not wanted.delete and plan.is_rolling(daemon_set):
            wanted = plan.roll(daemon_set, nodes, pods, digest, now)
        left, lying = self._leave_lying(daemon_set, wanted.failed, digest)
        doomed = [each for each in wanted.delete if meta.uid(each) not in lying]
        for each in wanted.failed:
            if meta.uid(each) in lying:
                continue
            message = f"Found failed daemon pod {meta.key(each)} on node {plan.target_node(each)}, will try to kill it"
            self._recorder.warning(daemon_set, "FailedDaemonPod", message)
        failure = await self._create(daemon_set, wanted.create[:BURST], digest)
        _, error = await all_at_once([self._control.delete(daemon_set, each) for each in doomed[:BURST]])
        return failure or error, left

    def _leave_lying(self, daemon_set: Object, failed: Sequence[Object], digest: str) -> tuple[float, set[str]]:
        """Which failed pods are not replaced yet, by uid, and seconds until the first of them is."""
        now = self._clock.monotonic()
        waits = {
            meta.uid(each): self._backoff.due(f"{meta.uid(daemon_set)}/{digest}/{plan.target_node(each)}", now)
            for each in failed
        }
        lying = {uid: wait for uid, wait in waits.items() if wait > 0}
        return min(lying.values(), default=0.0), set(lying)

    async def _create(self, daemon_set: Object, names: Sequence[str], digest: str) -> ApiError | None:
        spec = plan.pod_spec(workload.template(daemon_set))
        waiting = iter(names)

        async def create() -> Object:
            return await self._control.create(daemon_set, plan.pod_for(daemon_set, spec, next(waiting), digest))

        try:
            _, error = await slow_start(len(names), create)
        except NamespaceEnds:
            return None
        return error

    async def _clean_up(self, daemon_set: Object, history: History, pods: Sequence[Object]) -> None:
        used = {meta.label(each, plan.HASH_LABEL) for each in pods}
        live = [meta.name(each) for each in history.others if meta.label(each, plan.HASH_LABEL) in used]
        await self._historian.clean_up(daemon_set, history, live)

    async def _write_status(
        self,
        daemon_set: Object,
        nodes: Sequence[Object],
        pods: Mapping[str, Sequence[Object]],
        digest: str,
        history: History,
    ) -> None:
        status = plan.status(daemon_set, nodes, pods, digest, history.collisions, self._clock.now())
        if status == workload.status(daemon_set):
            return
        written = await self._client.update(DAEMON_SETS, {**daemon_set, "status": status}, subresource="status")
        self._own_writes.wrote(meta.key(daemon_set), written)


SPEC = ControllerSpec(
    "daemonset",
    make=DaemonSets,
    description="Keeps a pod of each DaemonSet on every node that it fits",
    watches=(
        Watch(DAEMON_SETS),
        Watch(CONTROLLER_REVISIONS, controller(KIND), indexes={BY_CONTROLLER: by_controller}),
        Watch(PODS, owner_or_suitors(KIND, DAEMON_SETS), indexes={BY_CONTROLLER: by_controller}),
        Watch(NODES, all_daemon_sets, when=placement_changed),
    ),
)
