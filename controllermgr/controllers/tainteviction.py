"""Deletes pods that do not tolerate a NoExecute taint of their node, at once or when their toleration ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from controllermgr.controllers.nodelifecycle import BY_NODE, by_node
from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import NODES, PODS
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.informer import Change, Informers
from machinery.objects import conditions, meta, node, pod, taints, timefmt


def executing(host: Object | None) -> list[Object]:
    """The NoExecute taints of a node."""
    return [each for each in node.taints(host or {}) if each.get("effect") == taints.NO_EXECUTE]


def seconds_left(each: Object, found: Sequence[Object], now: datetime) -> float | None:
    """Until the pod has to go: 0 at once, None never.

    Each taint has to be tolerated, for as long as the shortest of the tolerations that answer any of them allows,
    counted from when the newest taint was added.
    """
    if not found:
        return None
    shortest: int | None = None
    for taint in found:
        answers = [answer for answer in pod.tolerations(each) if taints.tolerates(answer, taint)]
        if not answers:
            return 0.0
        for answer in answers:
            allowed = answer.get("tolerationSeconds")
            if allowed is not None:
                shortest = max(int(allowed), 0) if shortest is None else min(shortest, max(int(allowed), 0))
    if shortest is None:
        return None
    added = [at for taint in found if (at := timefmt.parse_optional(taint.get("timeAdded"))) is not None]
    since = max(added, default=now)
    return max((since + timedelta(seconds=shortest) - now).total_seconds(), 0.0)


def pods_of(change: Change, informers: Informers) -> Iterable[str]:
    """All pods of a node whose NoExecute taints are not what they were."""
    if executing(change.old) == executing(change.new) or change.new is None:
        return ()
    return [meta.key(each) for each in informers.store(PODS).by_index(BY_NODE, meta.name(change.object))]


def bound(change: Change) -> bool:
    """Whether a pod was bound just now, or its tolerations changed."""
    if change.new is None or not pod.node_name(change.new):
        return False
    old = change.old
    return old is None or not pod.node_name(old) or pod.tolerations(old) != pod.tolerations(change.new)


class TaintEviction:
    """The reconciler. Keys are pods'."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._pods = context.informers.store(PODS)
        self._nodes = context.informers.store(NODES)
        self._marked: set[str] = set()

    async def reconcile(self, key: str) -> Outcome:
        each = self._pods.get(key)
        if each is None or meta.is_deleting(each) or pod.is_terminal(each):
            self._marked.discard(key)
            return DONE
        left = seconds_left(each, executing(self._nodes.get(pod.node_name(each))), self._clock.now())
        if left is None:
            if key in self._marked:
                self._marked.discard(key)
                self._recorder.normal(each, "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return DONE
        if left > 0:
            self._marked.add(key)
            return RequeueAfter(left)
        self._marked.discard(key)
        self._recorder.normal(each, "TaintManagerEviction", f"Marking for deletion Pod {key}")
        await self._evict(each)
        return DONE

    async def _evict(self, each: Object) -> None:
        told = conditions.merged(
            list(conditions.all_of(each)),
            "DisruptionTarget",
            "True",
            reason="DeletionByTaintManager",
            message="Taint manager: deleting due to NoExecute taint",
            now=self._clock.now(),
        )
        try:
            # On a conflict the whole reconcile is tried again, with the pod as it then is.
            await self._client.update(
                PODS, {**each, "status": {**pod.status(each), "conditions": told}}, subresource="status"
            )
            await self._client.delete(
                PODS, meta.name(each), namespace=meta.namespace(each), options=DeleteOptions(uid=meta.uid(each))
            )
        except NotFound:
            return


SPEC = ControllerSpec(
    "tainteviction",
    make=TaintEviction,
    workers=8,
    aliases=("taint-eviction",),
    component="taint-eviction-controller",
    description="Deletes pods that do not tolerate their node's NoExecute taints",
    watches=(Watch(NODES, pods_of), Watch(PODS, when=bound, indexes={BY_NODE: by_node})),
)
