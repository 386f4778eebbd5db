"""Informers: one cache per resource for all of a process component, filled by one list and one watch.

    informers = Informers(client)             # its tree is `informers.spec()`
    pods = informers.of(PODS)                 # the shared informer, not yet running
    pods.add_index("node", by_node)
    await informers.sync(pods)                # starts it on first use, waits for its first list
    pods.store.by_index("node", "n1")

    changes = pods.subscribe()                # what is there already comes as adds
    for change in await changes.take(): ...

The promises are in `contract.md` beside this file. An object is decoded once, and every reader gets the same dict.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from actors import Actor, ChildSpec, DynamicSupervisor
from machinery.client.api import Client, Object
from machinery.client.watch import Changed, Progressed, Replaced, follow
from machinery.informer.store import Indexer, Store
from machinery.informer.subscription import Subscription
from machinery.objects import meta
from machinery.objects.gvk import GVR

log = logging.getLogger(__name__)


class Selection(NamedTuple):
    """What an informer holds: a resource, restricted by namespace and selectors ("" does not restrict)."""

    resource: GVR
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    def __str__(self) -> str:
        parts = (self.resource.group_resource, self.namespace, self.label_selector, self.field_selector)
        return "|".join(part for part in parts if part).replace("/", ":")


class Informer:
    """The shared face of one cache: what consumers hold. It outlives crashes of the actor that fills it."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.resource = selection.resource
        self.store = Store()
        self._subscriptions: list[Subscription] = []
        self._synced = asyncio.Event()

    @property
    def synced(self) -> bool:
        """Whether the first list is in. It stays so, also while the informer has to list again."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when the first list is in. Somebody must have started it (`Informers.sync`)."""
        await self._synced.wait()

    def add_index(self, name: str, indexer: Indexer) -> None:
        """Declare an index of the store; see `Store.add_index`."""
        self.store.add_index(name, indexer)

    def subscribe(self) -> Subscription:
        """A new consumer's queue; every object of the store is in it as added."""
        subscription = Subscription()
        for obj in self.store.values():
            subscription.publish(self.resource, meta.key(obj), None, obj)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a consumer's queue; nothing happens when it is none of this informer's."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    # -- the filling actor's side; no awaits: readers see a step whole

    def replace(self, objects: Sequence[Object], resource_version: str) -> None:
        """The state is exactly this. Only what differs from the cache is published."""
        gone = set(self.store.keys())
        for obj in objects:
            key = meta.key(obj)
            gone.discard(key)
            held = self.store.get(key)
            if held is not None and meta.resource_version(held) == meta.resource_version(obj):
                continue
            self._put(key, obj)
        for key in gone:
            self.remove(key)
        self.store.resource_version = resource_version
        self._synced.set()

    def apply(self, step: Changed) -> None:
        """One object changed or was deleted."""
        key = meta.key(step.object)
        if step.deleted:
            self.remove(key, last=meta.without_managed_fields(step.object))
        else:
            self._put(key, step.object)
        self.store.resource_version = step.resource_version

    def remove(self, key: str, last: Object | None = None) -> None:
        """The object is gone; `last` is its final state where the server told it."""
        old = self.store.remove(key)
        if old is not None:
            self._publish(key, last or old, None)

    def _put(self, key: str, obj: Object) -> None:
        obj = meta.without_managed_fields(obj)
        old = self.store.put(obj)
        if old is not None and meta.uid(old) != meta.uid(obj):
            # Deleted and made again while we could not look: consumers must learn of both.
            self._publish(key, old, None)
            old = None
        self._publish(key, old, obj)

    def _publish(self, key: str, old: Object | None, new: Object | None) -> None:
        for subscription in self._subscriptions:
            subscription.publish(self.resource, key, old, new)


class InformerActor(Actor):
    """Fills one informer for as long as it runs. Takes no messages; its work is one background task."""

    def __init__(self, informer: Informer, client: Client) -> None:
        self._informer = informer
        self._client = client

    async def setup(self) -> None:
        self.spawn(self._fill(), name="follow")

    async def _fill(self) -> None:
        informer, what = self._informer, self._informer.selection
        steps = follow(
            self._client,
            what.resource,
            clock=self.clock,
            namespace=what.namespace,
            label_selector=what.label_selector,
            field_selector=what.field_selector,
        )
        async for step in steps:
            match step:
                case Changed():
                    informer.apply(step)
                case Replaced(objects, resource_version):
                    informer.replace(objects, resource_version)
                case Progressed(resource_version):
                    informer.store.resource_version = resource_version


class Informers:
    """All informers of a component. The face is plain data; its actors run under `spec()`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Selection, Informer] = {}
        self._wanted: dict[Selection, ChildSpec] = {}
        self._supervisor: _Supervisor | None = None

    def spec(self, name: str = "informers") -> ChildSpec:
        """The supervision tree: one child per informer that was asked for."""
        return ChildSpec(name, start=self._start)

    def of(self, resource: GVR, *, namespace: str = "", label_selector: str = "", field_selector: str = "") -> Informer:
        """The shared informer of this selection. It does not run before somebody waits for it in `sync`."""
        selection = Selection(resource, namespace, label_selector, field_selector)
        informer = self._informers.get(selection)
        if informer is None:
            informer = self._informers[selection] = Informer(selection)
        return informer

    def all(self) -> Sequence[Informer]:
        """Every informer that was asked for."""
        return list(self._informers.values())

    def store(self, resource: GVR) -> Store:
        """The store of the unrestricted informer of a resource."""
        return self.of(resource).store

    async def sync(self, *informers: Informer) -> None:
        """Start those informers that do not run yet and wait until each has its first list."""
        for informer in informers:
            await self._run(informer)
        for informer in informers:
            await informer.wait_synced()

    async def stop(self, informer: Informer) -> None:
        """End an informer for good and forget it: for resources that are no longer served."""
        if self._informers.get(informer.selection) is informer:
            del self._informers[informer.selection]
        if self._wanted.pop(informer.selection, None) is not None and self._supervisor is not None:
            await self._supervisor.stop_child(str(informer.selection))

    async def _run(self, informer: Informer) -> None:
        if informer.selection in self._wanted:
            return
        spec = ChildSpec(str(informer.selection), start=lambda: InformerActor(informer, self._client))
        # Noted before the await: a second caller must not start it twice, and a restarted supervisor starts it too.
        self._wanted[informer.selection] = spec
        if self._supervisor is not None and self._supervisor.running:
            await self._supervisor.start_child(spec)

    def _start(self) -> _Supervisor:
        self._supervisor = _Supervisor(self)
        return self._supervisor

    def wanted(self) -> Sequence[ChildSpec]:
        """What a newly started supervisor has to run."""
        return list(self._wanted.values())


class _Supervisor(DynamicSupervisor):
    """Starts again what its owner wanted, after it was restarted itself or when it was started late."""

    def __init__(self, owner: Informers) -> None:
        super().__init__()
        self._owner = owner
        self.running = False

    async def setup(self) -> None:
        await super().setup()
        self.spawn(self._begin(), name="begin")

    async def _begin(self) -> None:
        # A background task runs after `setup` returned: children can be started from here on.
        self.running = True
        for spec in self._owner.wanted():
            if spec.name not in self.children():
                await self.start_child(spec)
