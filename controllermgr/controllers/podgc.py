"""Removes pods that nobody else will remove.

These are: pods bound to a node that does not exist (after a quarantine, for the node may only be late in our cache);
pods that are being deleted and were never bound; pods on an out-of-service node that are being deleted; and, past a
threshold, the oldest of those that have ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import NODES, PODS
from machinery.controller.mapping import constant
from machinery.controller.reconcile import Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch, nothing
from machinery.errors import NotFound
from machinery.informer import Change
from machinery.objects import conditions, meta, node, pod, taints

ALL = "all"
PERIOD = 20.0
QUARANTINE = 40.0
"""Seconds between missing a node first and believing it."""


def ended(pods: Iterable[Object], threshold: int) -> list[Object]:
    """The ended pods beyond the threshold: evicted ones first, then the oldest. None with a threshold of 0."""
    found = [each for each in pods if pod.is_terminal(each)]
    if threshold <= 0 or len(found) <= threshold:
        return []
    found.sort(
        key=lambda each: (
            pod.status(each).get("reason") != "Evicted",
            meta.metadata(each).get("creationTimestamp") or "",
        )
    )
    return found[: len(found) - threshold]


def node_gone(change: Change) -> bool:
    """Whether a node was deleted."""
    return change.deleted


class PodGarbage:
    """The reconciler. There is one key: it looks at all pods."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._log = context.log
        self._threshold = int(context.config["terminatedPodGCThreshold"])
        self._pods = context.informers.store(PODS)
        self._nodes = context.informers.store(NODES)
        self._missed: dict[str, float] = {}  # node -> when it was missed first

    async def reconcile(self, key: str) -> Outcome:
        pods = list(self._pods.values())
        for each in ended(pods, self._threshold):
            await self._remove(each)
        await self._orphans(pods)
        for each in pods:
            if not meta.is_deleting(each) or pod.is_terminal(each):
                continue
            if not pod.node_name(each):
                await self._remove(each)
                continue
            host = self._nodes.get(pod.node_name(each))
            if host is not None and not node.is_ready(host) and _out_of_service(host):
                await self._remove(each, reason="DeletionByPodGC", message="PodGC: node is out of service")
        return RequeueAfter(PERIOD)

    async def _orphans(self, pods: Iterable[Object]) -> None:
        orphans: dict[str, list[Object]] = {}
        for each in pods:
            name = pod.node_name(each)
            if name and name not in self._nodes:
                orphans.setdefault(name, []).append(each)
        now = self._clock.monotonic()
        self._missed = {name: self._missed.get(name, now) for name in orphans}
        for name, of_node in orphans.items():
            if now - self._missed[name] < QUARANTINE:
                continue
            try:
                await self._client.get(NODES, name)
            except NotFound:
                self._log.info("removing pods of a node that is gone node=%s pods=%d", name, len(of_node))
                for each in of_node:
                    message = "PodGC: node no longer exists"
                    await self._remove(each, reason="DeletionByPodGC", message=message)

    async def _remove(self, each: Object, *, reason: str = "", message: str = "") -> None:
        """Delete at once. With a reason, a pod that has not ended is said to have failed of it first."""
        try:
            if reason and not pod.is_terminal(each):
                await self._client.update(PODS, self._failed(each, reason, message), subresource="status")
            await self._client.delete(
                PODS,
                meta.name(each),
                namespace=meta.namespace(each),
                options=DeleteOptions(grace_period_seconds=0, uid=meta.uid(each)),
            )
        except NotFound:
            return

    def _failed(self, each: Object, reason: str, message: str) -> Object:
        status = pod.status(each)
        told = conditions.merged(
            list(status.get("conditions") or []),
            "DisruptionTarget",
            "True",
            reason=reason,
            message=message,
            now=self._clock.now(),
        )
        return {**each, "status": {**status, "phase": "Failed", "conditions": told}}


def _out_of_service(host: Object) -> bool:
    return any(taint.get("key") == taints.OUT_OF_SERVICE for taint in node.taints(host))


SPEC = ControllerSpec(
    "podgc",
    make=PodGarbage,
    workers=1,
    aliases=("pod-garbage-collector",),
    component="pod-garbage-collector",
    keys=(ALL,),
    description="Removes pods whose node is gone, and the oldest of those that ended",
    watches=(Watch(PODS, nothing), Watch(NODES, constant(ALL), when=node_gone)),
    config={"terminatedPodGCThreshold": 12500},
)
