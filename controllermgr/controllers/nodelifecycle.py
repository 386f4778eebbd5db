"""Notices nodes that fell silent, says so in their conditions, and taints them.

A node whose status and Lease have not changed for the grace period gets its conditions set to Unknown; its pods are
marked as not ready; and it is tainted: NoSchedule by its conditions at once, NoExecute (which makes `tainteviction`
act) at most one node in ten seconds, and none at all while no node of the cluster is ready, because then it is more
likely we who are cut off; the NoExecute taints that are there are then taken back. There is no polling: each node is
looked at when it changes and when its grace would be over.
"""

from __future__ import annotations

from collections.abc import Iterable

from controllermgr.controllers import nodelifecycle_plan as plan
from machinery.client.api import Object, PatchType
from machinery.client.resources import LEASES, NODES, PODS
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch, nothing
from machinery.errors import Conflict, NotFound
from machinery.informer import Change, Informers
from machinery.objects import conditions, meta, node, pod

BY_NODE = "node"
STARTUP_GRACE = 60.0
"""Seconds that a new node gets until its first status."""
EVICTION_INTERVAL = 10.0
"""Seconds between two nodes that get a NoExecute taint (upstream's --node-eviction-rate of 0.1)."""


def by_node(each: Object) -> Iterable[str]:
    """Indexer: the node a pod is bound to."""
    name = pod.node_name(each)
    return (name,) if name else ()


def of_lease(change: Change, informers: Informers) -> Iterable[str]:
    """The node whose Lease it is: they have one name."""
    return (meta.name(change.object),)


class NodeLifecycle:
    """The reconciler. Keys are nodes'."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._clock = context.clock
        self._recorder = context.recorder
        self._log = context.log
        self._enqueue = context.enqueue
        self._grace = float(context.config["nodeMonitorGracePeriod"])
        self._nodes = context.informers.store(NODES)
        self._pods = context.informers.store(PODS)
        self._leases = context.informers.of(LEASES, namespace=node.LEASE_NAMESPACE).store
        self._signs: dict[str, plan.Signs] = {}
        self._was_ready: dict[str, bool] = {}
        self._next_eviction = 0.0

    async def reconcile(self, key: str) -> Outcome:
        host = self._nodes.get(key)
        if host is None:
            self._signs.pop(key, None)
            self._was_ready.pop(key, None)
            return DONE
        now = self._clock.monotonic()
        lease = self._leases.get(meta.join_key(node.LEASE_NAMESPACE, key))
        seen = self._signs[key] = plan.signs(host, lease, self._signs.get(key), now)
        never = conditions.get(host, plan.READY) is None
        left = seen.at + (max(STARTUP_GRACE, self._grace) if never else self._grace) - now
        was_ready = self._was_ready.get(key, node.is_ready(host))
        if left <= 0:
            host = await self._silence(key, host)
        ready = node.is_ready(host)
        if was_ready != ready:
            self._log.info("node became %s node=%s", "ready" if ready else "not ready", key)
            self._others(key)
            if not ready:
                await self._mark_pods(host)
        self._was_ready[key] = ready
        again = await self._taint(key, host)
        if left > 0:
            # A little later than its end, so that it is over then.
            again = min(again, left + 0.001) if again is not None else left + 0.001
        return DONE if again is None else RequeueAfter(again)

    async def _silence(self, key: str, host: Object) -> Object:
        told = plan.silenced(host, self._clock.now())
        if told is None:
            return host
        self._log.warning("node has not given a sign of life node=%s grace=%gs", key, self._grace)
        status = {**node.status(host), "conditions": told}
        return await self._client.update(NODES, {**host, "status": status}, subresource="status")

    async def _mark_pods(self, host: Object) -> None:
        name = meta.name(host)
        self._recorder.normal(host, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        now = self._clock.now()
        for each in self._pods.by_index(BY_NODE, name):
            if not pod.is_ready(each) or pod.is_terminal(each):
                continue
            old = conditions.get(each, "Ready") or {}
            told = conditions.merged(
                list(conditions.all_of(each)), "Ready", "False", reason=old.get("reason") or "", now=now
            )
            self._recorder.warning(each, "NodeNotReady", "Node is not ready")
            try:
                await self._client.update(
                    PODS, {**each, "status": {**pod.status(each), "conditions": told}}, subresource="status"
                )
            except (NotFound, Conflict) as error:  # gone, or somebody knows better
                self._log.info("pod not marked pod=%s reason=%s", meta.key(each), error.message)

    async def _taint(self, key: str, host: Object) -> float | None:
        """Bring the taints up to date; seconds until a NoExecute taint that had to wait may be added."""
        now = self._clock.monotonic()
        wants = plan.needs_eviction(host)
        alone = not node.is_ready(host) and not any(self._lives(each, now) for each in self._nodes.values())
        due = wants and not alone and now >= self._next_eviction
        if due:
            self._next_eviction = now + EVICTION_INTERVAL
        wanted = plan.wanted_taints(host, self._clock.now(), evict=due, spare=alone)
        if not plan.same_taints(wanted, node.taints(host)):
            # The list is replaced only if the node is as we saw it: others taint nodes too.
            patch = {"metadata": {"resourceVersion": meta.resource_version(host)}, "spec": {"taints": wanted or None}}
            await self._client.patch(NODES, key, patch, PatchType.MERGE)
        return None if due or not wants or alone else max(self._next_eviction - now, 0.001)

    def _lives(self, host: Object, now: float) -> bool:
        """Whether a node is ready, and not only because its silence was not noticed yet."""
        seen = self._signs.get(meta.name(host))
        return node.is_ready(host) and (seen is None or now - seen.at < self._grace)

    def _others(self, key: str) -> None:
        """A node became ready, or ceased to be: that may be what the others' evictions depend on."""
        for host in self._nodes.values():
            if meta.name(host) != key:
                self._enqueue(meta.name(host), 0.0)


SPEC = ControllerSpec(
    "nodelifecycle",
    make=NodeLifecycle,
    workers=1,
    aliases=("node-lifecycle",),
    component="node-controller",
    description="Notices nodes that fell silent, and taints them",
    watches=(
        Watch(NODES),
        Watch(LEASES, of_lease, namespace=node.LEASE_NAMESPACE),
        Watch(PODS, nothing, indexes={BY_NODE: by_node}),
    ),
    config={"nodeMonitorGracePeriod": 50.0},
)
