"""The actor that turns CustomResourceDefinitions into served resources, and back.

A definition whose names are free is established and served at once, in this server as soon as it sees the definition
and in every other by the same way. A deleted one takes no new objects; it goes when its last object has gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from actors import Actor, MailboxSpec, Overflow
from apiserver.bootstrap.writer import MASTER
from apiserver.crds.names import decide
from apiserver.crds.strategy import CLEANUP
from apiserver.resources.crd import rows
from apiserver.resources.lookup import Resources
from apiserver.resources.spec import ResourceSpec
from apiserver.storage.caches import WatchCaches
from apiserver.storage.store import Removed, Store, Stored
from apiserver.verbs.api import Verbs
from apiserver.verbs.context import RequestContext
from apiserver.verbs.options import ListOptions
from machinery.errors import NotFound
from machinery.objects import conditions, meta
from machinery.objects.gvk import GVR

Object = dict[str, Any]

DEFINITIONS = GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")


@dataclass(frozen=True, slots=True)
class Changed:
    """Some definitions, or the last of their objects, are not what they were."""


class Definitions(Actor):
    """See the module. Which definitions changed is kept beside the mailbox: there is room for any number of them."""

    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=1, overflow=Overflow.COALESCE, key=type)

    def __init__(self, caches: WatchCaches, resources: Resources, store: Store, verbs: Verbs) -> None:
        self._caches = caches
        self._resources = resources
        self._store = store
        self._verbs = verbs
        self._changed: dict[str, None] = {}
        self._served: dict[str, tuple[str, int, bool]] = {}
        self._stop: Callable[[], None] = lambda: None
        self._emptying: dict[str, Callable[[], None]] = {}

    async def setup(self) -> None:
        spec = self._row()
        await self._caches.ensure(spec)
        self._stop = self._caches.subscribe(DEFINITIONS, lambda _, definition: self._note(meta.name(definition)))
        await self._settle_all()

    async def handle(self, message: Changed) -> None:
        await self._settle_all()

    async def teardown(self) -> None:
        self._stop()
        for stop in self._emptying.values():
            stop()

    def _note(self, name: str) -> None:
        self._changed[name] = None
        self.ref.tell_nowait(Changed())  # when it finds no room, one waits already

    def _row(self) -> ResourceSpec:
        spec = self._resources.find(DEFINITIONS)
        assert spec is not None  # it is built in
        return spec

    async def _settle_all(self) -> None:
        while self._changed:
            name = next(iter(self._changed))
            del self._changed[name]
            await self._settle(name)

    async def _settle(self, name: str) -> None:
        definition = self._caches.get(DEFINITIONS, "", name)
        if definition is None:
            self._withdraw(name)
            return
        if not await self._establish(definition):
            return
        await self._serve(definition)
        if meta.is_deleting(definition) and meta.has_finalizer(definition, CLEANUP):
            await self._empty(definition)

    async def _establish(self, definition: Object) -> bool:
        """Write what is found of the names; whether the definition is to be served."""
        name, group = meta.name(definition), definition["spec"]["group"]
        others = [
            spec
            for spec in self._resources.all().values()
            if spec.gvr.group == group and spec not in self._resources.custom(name)
        ]
        naming = decide(definition, others)
        now = self.clock.now()

        async def change(stored: Stored) -> Object:
            obj = stored.obj
            status = obj.setdefault("status", {})
            status["acceptedNames"] = naming.accepted
            if naming.conflict is None:
                conditions.set(
                    obj, "NamesAccepted", "True", reason="NoConflicts", message="no conflicts found", now=now
                )
                established = "the initial names have been accepted"
                conditions.set(obj, "Established", "True", reason="InitialNamesAccepted", message=established, now=now)
            else:
                reason, message = naming.conflict
                conditions.set(obj, "NamesAccepted", "False", reason=reason, message=message, now=now)
                if not conditions.is_true(obj, "Established"):
                    conditions.set(
                        obj, "Established", "False", reason="NotAccepted", message="not all names are accepted", now=now
                    )
            return obj

        try:
            outcome = await self._store.update(self._row(), "", name, change)
        except NotFound:
            return False
        return conditions.is_true(outcome.obj, "Established")

    async def _serve(self, definition: Object) -> None:
        name, ending = meta.name(definition), meta.is_deleting(definition)
        what = (meta.uid(definition), meta.generation(definition), ending)
        if self._served.get(name) == what:
            return
        specs = rows(definition)
        if ending:
            # What is being emptied is not filled.
            specs = tuple(replace(spec, verbs=tuple(verb for verb in spec.verbs if verb != "create")) for spec in specs)
        if specs:
            await self._caches.ensure(specs[0])  # a watch may begin at the version of the first object
        self._resources.serve(name, specs)
        self._served[name] = what
        self.log.info("custom resource served name=%s versions=%d ending=%s", name, len(specs), ending)

    def _withdraw(self, name: str) -> None:
        group = name.partition(".")[2]
        for other in self._caches.list(DEFINITIONS):
            if other["spec"]["group"] == group and not conditions.is_true(other, "NamesAccepted"):
                self._note(meta.name(other))  # it may be that what it wanted to be called is free now
        for spec in self._resources.custom(name)[:1]:
            self._caches.close(spec.storage)
        self._resources.serve(name, ())
        self._served.pop(name, None)
        self._emptying.pop(name, lambda: None)()

    async def _empty(self, definition: Object) -> None:
        """Delete the objects; let the definition go when there are none."""
        name = meta.name(definition)
        spec = next(iter(self._resources.custom(name)), None)
        if spec is not None:
            if name not in self._emptying:
                self._emptying[name] = self._caches.subscribe(spec.gvr, lambda event, _: self._emptied(event, name))
            context = RequestContext(spec, "deletecollection", MASTER)
            await self._verbs.deletecollection(context, ListOptions())
            cache = await self._caches.fresh(spec)
            if cache.entries:
                return  # finalizers hold some; the last one's end is a message

        async def change(stored: Stored) -> Object:
            obj = meta.without_finalizer(stored.obj, CLEANUP)
            if not meta.finalizers(obj):
                raise Removed(obj)
            return obj

        try:
            await self._store.update(self._row(), "", name, change)
        except NotFound:
            return

    def _emptied(self, event: str, name: str) -> None:
        if event == "DELETED":
            self._note(name)
