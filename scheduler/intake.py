"""Intake: what changes of nodes, pods and others mean for the cache and the queue. Pure: time is asked of `now`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from machinery.informer.subscription import Change
from machinery.objects import meta
from machinery.objects import node as nodes
from machinery.objects import pod as pods
from scheduler.cache import Cache
from scheduler.demand import Compiler
from scheduler.queue import SchedulingQueue
from scheduler.queue_hints import Event


class Intake:
    """Applies changes. `gone` is told the key of every pod that is gone, has ended or is being deleted."""

    def __init__(
        self,
        scheduler_name: str,
        *,
        cache: Cache,
        queue: SchedulingQueue,
        now: Callable[[], float],
        gone: Callable[[str], None],
    ) -> None:
        self._scheduler_name = scheduler_name
        self._cache = cache
        self._queue = queue
        self._now = now
        self._gone = gone
        self._compiler = Compiler()

    def nodes(self, changes: Sequence[Change]) -> None:
        """Nodes changed."""
        for change in changes:
            if change.new is None:
                self._cache.remove_node(meta.name(change.object))
                self.happened(Event.NODE_REMOVED)
            elif change.old is None:
                self._cache.set_node(change.new)
                self.happened(Event.NODE_ADDED)
            else:
                events = node_events(change.old, change.new)
                known = self._cache.columns.node(change.key)
                if not events and known is not None and known.object is not None:
                    known.object = change.new  # a heartbeat
                    continue
                self._cache.set_node(change.new)
                for event in events:
                    self.happened(event)

    def namespaces(self, changes: Sequence[Change]) -> None:
        """Namespaces changed."""
        for change in changes:
            labels = {} if change.new is None else meta.labels(change.new)
            self._cache.relations.set_namespace(meta.name(change.object), labels)
        self.happened(Event.NAMESPACE)

    def storage(self, changes: Sequence[Change]) -> None:
        """Claims, volumes or storage classes changed."""
        if changes:
            self.happened(Event.STORAGE)

    def pods(self, changes: Sequence[Change]) -> None:
        """Pods changed."""
        for change in changes:
            if change.new is None or pods.is_terminal(change.new):
                self._pod_gone(change.object)
            elif pods.node_name(change.new):
                self._pod_assigned(change.new)
            elif pods.scheduler_name(change.new) == self._scheduler_name:
                self._pod_waits(change.new)

    def _pod_gone(self, pod: dict[str, Any]) -> None:
        key = meta.key(pod)
        queued = self._queue.get(key)
        if queued is not None:
            self._cache.nominate(queued.info, "")
            self._queue.remove(key)
        self._gone(key)
        if self._cache.remove(key) is not None:
            self.happened(Event.POD_GONE)

    def _pod_assigned(self, pod: dict[str, Any]) -> None:
        key, node_name = meta.key(pod), pods.node_name(pod)
        known = self._cache.get(key)
        if known is not None and known.node_name == node_name and not known.assumed:
            old = known.info.object
            if old.get("spec") == pod.get("spec") and known.info.labels == meta.labels(pod):
                known.info.object = pod  # only its status changed
                return
        self._queue.remove(key)
        self._cache.confirm(self._compiler.compile(pod), node_name)
        self.happened(Event.POD_ASSIGNED)
        if known is not None and not known.assumed:
            self.happened(Event.POD_GONE)  # it may have become smaller

    def _pod_waits(self, pod: dict[str, Any]) -> None:
        key = meta.key(pod)
        placed = self._cache.get(key)
        if placed is not None:
            if placed.info.uid == meta.uid(pod):
                return  # assumed: its binding will be seen soon
            self._pod_gone(placed.info.object)
        if meta.is_deleting(pod):
            self._pod_gone(pod)
            return
        info = self._compiler.compile(pod)
        self._queue.set(info, self._now())
        nominated = str(pods.status(pod).get("nominatedNodeName") or "")
        if nominated and not self._cache.nomination(key):
            self._cache.nominate(info, nominated)

    def happened(self, event: Event) -> None:
        """Wake whom the event may help."""
        self._queue.happened(event, self._now())


def node_events(old: dict[str, Any], new: dict[str, Any]) -> list[Event]:
    """What of a node's change matters to scheduling."""
    events = []
    before, after = nodes.status(old), nodes.status(new)
    if any(before.get(field) != after.get(field) for field in ("allocatable", "capacity", "images")):
        events.append(Event.NODE_ALLOCATABLE)
    if meta.labels(old) != meta.labels(new):
        events.append(Event.NODE_LABELS)
    if nodes.taints(old) != nodes.taints(new) or nodes.is_unschedulable(old) != nodes.is_unschedulable(new):
        events.append(Event.NODE_TAINTS)
    return events
