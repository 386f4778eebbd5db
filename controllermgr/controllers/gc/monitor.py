"""Following every kind that is served and can be deleted, those that appear later too.

Informers are shared with the other controllers, so a kind that somebody follows anyway costs nothing more. Events are
left out: they own nothing, are owned by nobody, and are many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from machinery.client.discovery import ServedResource, discover
from machinery.controller.spec import ControllerContext
from machinery.informer import Change, Informer
from machinery.objects.gvk import GVR

IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})
NEEDED = frozenset({"list", "watch", "delete"})
SYNC_SECONDS = 30.0
"""How long the first look at all kinds may take before the collector goes on with those that it has."""


class Monitors:
    """One source for each kind. `seen` is called with every change of every kind, without waiting."""

    def __init__(self, context: ControllerContext, seen: Callable[[Change], None]) -> None:
        self._context = context
        self._seen = seen
        self._sources: dict[GVR, tuple[Informer, asyncio.Task[None]]] = {}
        self._kinds: dict[tuple[str, str], ServedResource] = {}

    def resource_of(self, api_version: str, kind: str) -> ServedResource | None:
        """The resource of a kind in any of its versions; None when none is served, as far as is known."""
        return self._kinds.get((api_version, kind))

    async def sync(self) -> bool:
        """Look at what is served; follow what is new, and no longer what is gone. False when some could not be read."""
        found = await discover(self._context.client)
        for each in found.resources:
            self._kinds.setdefault((each.resource.api_version, each.kind), each)
        served = {(each.resource.api_version, each.kind) for each in found.resources}
        if not found.failed:
            self._kinds = {key: each for key, each in self._kinds.items() if key in served}
        wanted = {
            each.resource
            for each in found.preferred()
            if each.verbs >= NEEDED and (each.resource.group, each.resource.resource) not in IGNORED
        }
        for resource in wanted - self._sources.keys():
            informer = self._context.informers.of(resource)
            task = self._context.spawn(self._follow(informer), f"monitor {resource.group_resource}")
            self._sources[resource] = informer, task
        if not found.failed:
            for resource in self._sources.keys() - wanted:
                informer, task = self._sources.pop(resource)
                task.cancel()
                await self._context.informers.stop(informer)
        return not found.failed

    async def wait_synced(self) -> None:
        """Return when every kind was listed once, or after SYNC_SECONDS."""
        try:
            async with self._context.clock.timeout(SYNC_SECONDS):
                for informer, _ in list(self._sources.values()):
                    await informer.wait_synced()
        except TimeoutError:
            late = sorted(str(each) for each, (informer, _) in self._sources.items() if not informer.synced)
            self._context.log.warning("going on without a first list of resources=%s", ",".join(late))

    async def _follow(self, informer: Informer) -> None:
        await self._context.informers.sync(informer)
        subscription = informer.subscribe()
        try:
            while True:
                for change in await subscription.take():
                    self._seen(change)
        finally:
            informer.unsubscribe(subscription)
