"""Which pods run here: one watch for all nodes of this agent, one worker for each pod bound to one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors import Actor, ChildSpec, DeadRef, DynamicSupervisor, Intensity, OnLimit, Ref, Restart
from machinery.client.api import Client
from machinery.client.resources import PODS
from machinery.client.watch import Changed, Progressed, Replaced, follow
from machinery.objects import meta
from machinery.objects import pod as pods
from nodeagent.pods.context import NodeContext
from nodeagent.pods.messages import PodChanged, PodGone
from nodeagent.pods.worker import PodWorker
from nodeagent.runtime.cri import ContainerEvent

Object = dict[str, Any]


class NodePods:
    """One node's pods: the context of its workers, and their supervisor."""

    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self.adopted: dict[str, list[str]] = {}
        """Pod uid to ids of sandboxes that were there when the agent began, newest first."""
        self._workers = DynamicSupervisor()

    def spec(self) -> ChildSpec:
        """The supervisor of the workers."""

        def start() -> DynamicSupervisor:
            self._workers = DynamicSupervisor(intensity=Intensity(limit=20, within=60.0))
            return self._workers

        return ChildSpec("pods", start)

    async def start(self, pod: Object, latest: Latest) -> Ref:
        """Start the worker of a pod. `latest` gives a later incarnation of it the pod's newest state."""
        uid = meta.uid(pod)
        first = [self.adopted.pop(uid, [])]

        def make() -> PodWorker:
            return PodWorker(self.context, latest.pods.get(uid, pod), first.pop() if first else None)

        spec = ChildSpec(uid, make, restart=Restart.TRANSIENT, shutdown=1.0, on_limit=OnLimit.FAIL_CHILD)
        return await self._workers.start_child(spec)


@dataclass(slots=True)
class Latest:
    """What the agent knows of its pods now; the workers' registry. Owned by DesiredPods, read by others."""

    pods: dict[str, Object] = field(default_factory=dict)
    """By uid, the newest state."""
    workers: dict[str, Ref] = field(default_factory=dict)
    """By uid."""
    ends: dict[str, set[Callable[[], object]]] = field(default_factory=dict)
    """By container id, whom to call when it ended: followers of its log."""
    complete: bool = False
    """Whether the first list of pods is in: only then is a sandbox without a pod an orphan."""

    def deliver(self, uid: str, message: Any) -> bool:
        """Tell a pod's worker; False when it has none."""
        worker = self.workers.get(uid)
        if worker is None:
            return False
        try:
            worker.tell_nowait(message)  # its mailbox coalesces and has room for one message of each kind and container
        except DeadRef:
            return False
        return True

    def runtime_changed(self, event: ContainerEvent) -> None:
        """Something happened to a container."""
        self.deliver(event.pod_uid, event)
        if event.stopped or event.deleted:
            self.ended(event.container_id)

    def ended(self, container_id: str) -> None:
        """A container was seen to have ended."""
        for call in tuple(self.ends.get(container_id, ())):
            call()

    def alive(self, uid: str) -> bool:
        """Whether a worker still cares for this pod."""
        worker = self.workers.get(uid)
        return worker is not None and worker.alive

    def of_node(self, name: str) -> Iterable[Object]:
        """The pods bound to one node."""
        return [pod for pod in self.pods.values() if pods.node_name(pod) == name]


class DesiredPods(Actor):
    """Follows the pods and keeps a worker for each of ours. Takes no messages."""

    def __init__(self, client: Client, nodes: Mapping[str, NodePods], latest: Latest) -> None:
        self._client = client
        self._nodes = nodes
        self._latest = latest
        self._starting: set[str] = set()
        self._leaving: set[str] = set()

    async def setup(self) -> None:
        self.spawn(self._follow(), name="follow")

    async def _follow(self) -> None:
        for node in self._nodes.values():
            node.adopted = await self._sandboxes(node.context)
        # No informer: pods of other nodes are not kept, and of ours not what nobody here reads.
        selector = f"spec.nodeName={next(iter(self._nodes))}" if len(self._nodes) == 1 else ""
        steps = follow(self._client, PODS, clock=self.clock, field_selector=selector)
        async for step in steps:
            match step:
                case Replaced(objects):
                    found = {meta.uid(pod) for pod in objects if self._is_ours(pod)}
                    for uid in [uid for uid in self._latest.pods if uid not in found]:
                        self._remove(uid)
                    for pod in objects:
                        self._put(pod)
                    self._latest.complete = True
                case Changed(pod, deleted) if deleted:
                    self._remove(meta.uid(pod))
                case Changed(pod):
                    self._put(pod)
                case Progressed():
                    pass

    async def _sandboxes(self, context: NodeContext) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for sandbox in await context.cri.sandboxes():
            found.setdefault(sandbox.pod.uid, []).append(sandbox.id)
        return found

    def _is_ours(self, pod: Object) -> bool:
        return pods.node_name(pod) in self._nodes

    def _put(self, pod: Object) -> None:
        """A pod as it now is. Our own writes come back this way, too."""
        node = self._nodes.get(pods.node_name(pod))
        if node is None:
            return
        pod = meta.without_managed_fields(pod)
        uid = meta.uid(pod)
        self._latest.pods[uid] = pod
        if uid in self._starting:
            return  # `_start` hands over what came meanwhile
        if not self._latest.deliver(uid, PodChanged(pod)):
            self._starting.add(uid)
            self.spawn(self._start(node, pod), name="start worker")

    def _remove(self, uid: str) -> None:
        if self._latest.pods.pop(uid, None) is not None:
            self._latest.deliver(uid, PodGone())
            if uid not in self._starting:
                self._forget(uid)

    async def _start(self, node: NodePods, pod: Object) -> None:
        uid = meta.uid(pod)
        try:
            worker = await node.start(pod, self._latest)
        finally:
            self._starting.discard(uid)
        self._latest.workers[uid] = worker
        newest = self._latest.pods.get(uid)
        if newest is None:
            self._latest.deliver(uid, PodGone())
        elif newest is not pod:
            self._latest.deliver(uid, PodChanged(newest))

    def _forget(self, uid: str) -> None:
        """Drop the worker's address once it has ended; one that still stops the pod's containers stays known."""
        self._leaving.add(uid)
        for left in [left for left in self._leaving if not self._latest.alive(left)]:
            self._leaving.discard(left)
            self._latest.workers.pop(left, None)
