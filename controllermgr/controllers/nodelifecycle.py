"""Notices nodes that fell silent, says so in their conditions, and taints them.

A node whose status and Lease have not changed for the grace period gets its conditions set to Unknown; its pods are
marked as not ready; and it is tainted: NoSchedule by its conditions at once, NoExecute (which makes `tainteviction`
act) as fast as `nodelifecycle_zones` allows, and not at all while no node of the cluster is ready; the NoExecute taints
that are there are then taken back. There is no polling: each node is looked at when it changes and when its grace would
be over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from controllermgr.controllers import nodelifecycle_plan as plan
from controllermgr.controllers.nodelifecycle_zones import Rates, Zones
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
        self._zones = Zones(
            Rates(
                normal=float(context.config["nodeEvictionRate"]),
                partial=float(context.config["secondaryNodeEvictionRate"]),
                threshold=float(context.config["unhealthyZoneThreshold"]),
                large=int(context.config["largeClusterSizeThreshold"]),
            )
        )
        self._counted = False

    async def reconcile(self, key: str) -> Outcome:
        now = self._clock.monotonic()
        self._count_all()
        host = self._nodes.get(key)
        if host is None:
            self._signs.pop(key, None)
            self._was_ready.pop(key, None)
            self._zones.remove(key)
            self._look_at_zones(now)
            return DONE
        lease = self._leases.get(meta.join_key(node.LEASE_NAMESPACE, key))
        seen = self._signs[key] = plan.signs(host, lease, self._signs.get(key), now)
        never = conditions.get(host, plan.READY) is None
        left = seen.at + (max(STARTUP_GRACE, self._grace) if never else self._grace) - now
        was_ready = self._was_ready.get(key, node.is_ready(host))
        if left <= 0:
            host = await self._silence(key, host)
        ready = node.is_ready(host)
        self._was_ready[key] = ready
        self._zones.set(key, node.zone(host), seen.at + self._grace if ready else 0.0)
        self._look_at_zones(now)
        if was_ready != ready:
            self._log.info("node became %s node=%s", "ready" if ready else "not ready", key)
            if not ready:
                await self._mark_pods(host)
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
        wait = self._zones.wait(key, now) if plan.needs_eviction(host) else None
        due = wait is not None and wait <= 0
        if due:
            self._zones.evicted(key, now)
        spare = not node.is_ready(host) and self._zones.cut_off
        wanted = plan.wanted_taints(host, self._clock.now(), evict=due, spare=spare)
        if not plan.same_taints(wanted, node.taints(host)):
            # The list is replaced only if the node is as we saw it: others taint nodes too.
            patch = {"metadata": {"resourceVersion": meta.resource_version(host)}, "spec": {"taints": wanted or None}}
            await self._client.patch(NODES, key, patch, PatchType.MERGE)
        return None if due else wait

    def _count_all(self) -> None:
        """At first every node counts, or those looked at first would seem to be all there are."""
        if not self._counted:
            self._counted = True
            for host in self._nodes.values():
                self._zones.set(meta.name(host), node.zone(host), math.inf if node.is_ready(host) else 0.0)

    def _look_at_zones(self, now: float) -> None:
        """Whether silent nodes may be evicted, and how fast, depends on all nodes of their zone and on all zones."""
        if not self._zones.look(now):
            return
        for zone, state in self._zones.states.items():
            self._log.info("zone is in state %s zone=%s", state.value, zone)
        for host in self._nodes.values():
            if not node.is_ready(host):
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
    config={
        "nodeMonitorGracePeriod": 50.0,
        "nodeEvictionRate": 0.1,
        "secondaryNodeEvictionRate": 0.01,
        "unhealthyZoneThreshold": 0.55,
        "largeClusterSizeThreshold": 50,
    },
)
