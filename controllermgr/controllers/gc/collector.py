"""The garbage collector: removes what its owners have left behind, and finishes deletions that wait for dependents.

The graph only suggests. Before anything is deleted the object and its owners are read afresh: an owner counts as gone
when the server says that it is, and its uid differs or its name is free. Deletion by policy:

- Background: the owner goes, then its dependents are looked at, and go when no other owner is left;
- Foreground: the owner stays with the finalizer `foregroundDeletion` until the dependents that block it are gone;
- Orphan: the owner stays with the finalizer `orphan` until no dependent refers to it any more.

Rules: the API's garbage collection reference and upstream's garbagecollector.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Iterable

from controllermgr.controllers.gc.graph import FOREGROUND, ORPHAN, Graph, Node, delete_key
from controllermgr.controllers.gc.monitor import Monitors
from machinery.client.api import DeleteOptions, Object, PatchType
from machinery.client.discovery import ServedResource
from machinery.controller.mapping import constant
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.informer import Change
from machinery.objects import meta
from machinery.objects.gvk import GVR

CUSTOM_RESOURCE_DEFINITIONS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")
DISCOVER = "discover"
UNKNOWN_KIND_WAIT = 30.0
"""Seconds until an owner of a kind that is not served, or not followed, is looked at again."""
ABSENT_LIMIT = 500


class OwnerState(enum.Enum):
    """What a live look at an owner tells."""

    SOLID = enum.auto()
    ABSENT = enum.auto()
    WAITING = enum.auto()
    """It is there and being deleted in the foreground."""


class UnknownKind(Exception):
    """No resource of this kind is served."""


class GarbageCollector:
    """The reconciler; keys are those of `graph`, and DISCOVER."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._enqueue = context.enqueue
        self._log = context.log
        self._graph = Graph()
        self._monitors = Monitors(context, self._changed)
        self._absent: OrderedDict[tuple[str, str], None] = OrderedDict()  # (uid, namespace): known to be gone

    async def start(self) -> None:
        """See every kind once, before anything is judged."""
        if not await self._monitors.sync():
            self._enqueue(DISCOVER, UNKNOWN_KIND_WAIT)
        await self._monitors.wait_synced()

    async def reconcile(self, key: str) -> Outcome:
        if key == DISCOVER:
            complete = await self._monitors.sync()
            return DONE if complete else RequeueAfter(UNKNOWN_KIND_WAIT)
        verb, _, uid = key.partition(" ")
        node = self._graph.get(uid)
        if node is None:
            return DONE
        try:
            if verb == ORPHAN:
                return await self._orphan_dependents(node)
            return await self._look_at(node)
        except UnknownKind as error:
            self._log.debug("cannot look at object uid=%s: %s", uid, error)
            return RequeueAfter(UNKNOWN_KIND_WAIT)

    def _changed(self, change: Change) -> None:
        if change.new is None:
            uid = meta.uid(change.object)
            self._wake(self._graph.vanished(uid))
        else:
            self._wake(self._graph.observed(change.resource, change.new))

    def _wake(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._enqueue(key, 0.0)

    # -- one object

    async def _look_at(self, node: Node) -> Outcome:
        if node.deleting and not node.foreground:
            return DONE  # under way already
        served = self._served(node)
        live = await self._read(served, node.namespace, node.name)
        if live is None or meta.uid(live) != node.uid:
            self._note_absent(node.uid, node.namespace)
            self._wake(self._graph.vanished(node.uid))
            return DONE
        if node.virtual:
            return RequeueAfter(UNKNOWN_KIND_WAIT)  # it is there, of a kind whose end we may not be told
        if node.foreground and meta.has_finalizer(live, FOREGROUND):
            return await self._finish_foreground(node, served, live)
        owners = meta.owner_references(live)
        if not owners or meta.is_deleting(live):
            return DONE
        states = [await self._state_of(ref, live) for ref in owners]
        if OwnerState.SOLID in states:
            kept = [ref for ref, state in zip(owners, states, strict=True) if state is OwnerState.SOLID]
            if len(kept) < len(owners):
                await self._patch(served, live, {"ownerReferences": kept})
            return DONE
        if OwnerState.WAITING in states and node.dependents:
            if any(each.foreground for each in node.dependents.values()):
                await self._unblock(node, served, live)
                return DONE
            await self._delete(served, live, "Foreground")
            return DONE
        policy = "Orphan" if meta.has_finalizer(live, ORPHAN) else "Background"
        await self._delete(served, live, "Foreground" if meta.has_finalizer(live, FOREGROUND) else policy)
        return DONE

    async def _finish_foreground(self, node: Node, served: ServedResource, live: Object) -> Outcome:
        blocking = node.blocking_dependents()
        if not blocking:
            await self._remove_finalizer(served, live, FOREGROUND)
            return DONE
        self._wake(delete_key(each.uid) for each in blocking if not each.foreground)
        return DONE

    async def _unblock(self, node: Node, served: ServedResource, live: Object) -> None:
        """Its dependents wait for it in a circle: it shall block nobody, and then go by itself."""
        refs = [{**ref, "blockOwnerDeletion": False} for ref in meta.owner_references(live)]
        changed = await self._patch(served, live, {"ownerReferences": refs})
        await self._delete(served, changed, "Foreground")

    async def _state_of(self, ref: Object, dependent: Object) -> OwnerState:
        uid, namespace = str(ref.get("uid")), meta.namespace(dependent)
        if (uid, namespace) in self._absent:
            return OwnerState.ABSENT
        served = self._monitors.resource_of(str(ref.get("apiVersion")), str(ref.get("kind")))
        if served is None:
            raise UnknownKind(f"{ref.get('apiVersion')} {ref.get('kind')}")
        if served.namespaced and not namespace:
            return OwnerState.SOLID  # a cluster-scoped object cannot have such an owner: leave it to people
        owner = await self._read(served, namespace, str(ref.get("name")))
        if owner is None or meta.uid(owner) != uid:
            self._note_absent(uid, namespace)
            return OwnerState.ABSENT
        if meta.is_deleting(owner) and meta.has_finalizer(owner, FOREGROUND):
            return OwnerState.WAITING
        return OwnerState.SOLID

    async def _orphan_dependents(self, node: Node) -> Outcome:
        served = self._served(node)
        live = await self._read(served, node.namespace, node.name)
        if live is None or meta.uid(live) != node.uid or not meta.has_finalizer(live, ORPHAN):
            return DONE
        for dependent in list(node.dependents.values()):
            theirs = self._served(dependent)
            found = await self._read(theirs, dependent.namespace, dependent.name)
            if found is None or meta.uid(found) != dependent.uid:
                continue
            kept = [ref for ref in meta.owner_references(found) if ref.get("uid") != node.uid]
            if len(kept) < len(meta.owner_references(found)):
                await self._patch(theirs, found, {"ownerReferences": kept})
        await self._remove_finalizer(served, live, ORPHAN)
        return DONE

    # -- reading and writing

    def _served(self, node: Node) -> ServedResource:
        served = self._monitors.resource_of(node.api_version, node.kind)
        if served is None:
            raise UnknownKind(f"{node.api_version} {node.kind}")
        return served

    async def _read(self, served: ServedResource, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(served.resource, name, namespace=namespace if served.namespaced else "")
        except NotFound:
            return None

    async def _delete(self, served: ServedResource, live: Object, policy: str) -> None:
        options = DeleteOptions(
            uid=meta.uid(live), resource_version=meta.resource_version(live), propagation_policy=policy
        )
        try:
            await self._client.delete(served.resource, meta.name(live), namespace=meta.namespace(live), options=options)
        except NotFound:
            return
        self._log.info("deleted object kind=%s key=%s policy=%s", meta.kind(live), meta.key(live), policy)

    async def _remove_finalizer(self, served: ServedResource, live: Object, finalizer: str) -> None:
        await self._patch(served, live, {"finalizers": [each for each in meta.finalizers(live) if each != finalizer]})

    async def _patch(self, served: ServedResource, live: Object, metadata: Object) -> Object:
        """Change metadata of exactly what was read (Conflict otherwise). What is gone meanwhile is as good."""
        version = {"uid": meta.uid(live), "resourceVersion": meta.resource_version(live)}
        try:
            return await self._client.patch(
                served.resource,
                meta.name(live),
                {"metadata": {**metadata, **version}},
                PatchType.MERGE,
                namespace=meta.namespace(live),
            )
        except NotFound:
            return live

    def _note_absent(self, uid: str, namespace: str) -> None:
        self._absent[uid, namespace] = None
        if len(self._absent) > ABSENT_LIMIT:
            self._absent.popitem(last=False)


SPEC = ControllerSpec(
    "garbage-collector",
    make=GarbageCollector,
    description="Deletes objects whose owners are gone",
    aliases=("garbagecollector", "gc"),
    component="garbage-collector-controller",
    workers=10,
    watches=(Watch(CUSTOM_RESOURCE_DEFINITIONS, constant(DISCOVER)),),
)
