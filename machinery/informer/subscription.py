"""What a consumer has not yet seen of an informer's changes.

Updates of one object that nobody has taken yet become one (first `old`, last `new`); adds and deletes are never lost,
nor is their order for one object. So a slow consumer costs memory for each object, not for each event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from machinery.client.api import Object
from machinery.objects import meta
from machinery.objects.gvk import GVR


class Change:
    """What happened to one object: added (`old` is None), updated, or deleted (`new` is None)."""

    __slots__ = ("new", "old", "resource")

    def __init__(self, resource: GVR, old: Object | None, new: Object | None) -> None:
        self.resource = resource
        self.old = old
        self.new = new

    @property
    def object(self) -> Object:
        """The object as it now is, or as it last was."""
        found = self.new if self.new is not None else self.old
        assert found is not None, "a change is of something"
        return found

    @property
    def key(self) -> str:
        """The object's key in the store."""
        return meta.key(self.object)

    @property
    def added(self) -> bool:
        return self.old is None

    @property
    def deleted(self) -> bool:
        return self.new is None

    def __repr__(self) -> str:
        verb = "added" if self.added else "deleted" if self.deleted else "updated"
        return f"<Change {self.resource.resource} {self.key} {verb}>"


class Subscription:
    """One consumer's queue. `take` belongs to one reader; `publish` to the informer."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._pending: dict[str, Change] = {}  # key -> the last change of it that waits
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._changes)

    def publish(self, resource: GVR, key: str, old: Object | None, new: Object | None) -> None:
        """Add a change; never waits."""
        waiting = self._pending.get(key)
        if waiting is not None and waiting.new is not None and new is not None and old is not None:
            waiting.new = new
            return
        change = Change(resource, old, new)
        self._pending[key] = change
        self._changes.append(change)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> Sequence[Change]:
        """All changes that wait, in order; waits for the first."""
        while not self._changes:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        taken, self._changes, self._pending = self._changes, [], {}
        return taken
