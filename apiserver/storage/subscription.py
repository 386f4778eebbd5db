"""One watch on one resource cache: the events that wait for it, and how it sleeps while there are none.

The cache pushes what may concern the watch without looking further; the watch selects when it takes. So a slow watcher
costs the writer one append per event, and one that falls too far behind is ended: its client resumes from the last
resourceVersion that it saw.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from apiserver.resources.spec import ResourceSpec

if TYPE_CHECKING:
    from apiserver.storage.cache import CacheEvent

LIMIT = 16_384
"""Events that may wait for one watcher."""


class Subscription:
    """See the module.

    namespace: "" for all. path: the one object that is wanted, "" for more. trigger: a (field, value) that every wanted
    object has before or after the change, so that others need not be pushed at all.
    """

    __slots__ = ("_ended", "_pending", "_poked", "_wake", "namespace", "path", "spec", "trigger")

    def __init__(
        self, spec: ResourceSpec, *, namespace: str = "", path: str = "", trigger: tuple[str, str] | None = None
    ) -> None:
        self.spec = spec
        self.namespace = namespace
        self.path = path
        self.trigger = trigger
        self._pending: deque[CacheEvent] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._ended = False
        self._poked = False

    def push(self, event: CacheEvent) -> None:
        """Called by the cache. No await."""
        if self.namespace and self.trigger and not event.entry.path.startswith(f"{self.namespace}/"):
            return
        self._pending.append(event)
        if len(self._pending) > LIMIT:
            self.end()
        elif self._wake is not None:
            self._awaken()

    def wake(self) -> None:
        """Let `take` answer although there may be no event: a bookmark is due, or the time is over."""
        self._poked = True
        self._awaken()

    def end(self) -> None:
        """No more events: the history has a gap, or the watcher does not keep up."""
        self._ended = True
        self._pending.clear()
        self._awaken()

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def idle(self) -> bool:
        """Whether everything that was pushed has been taken."""
        return not self._pending

    async def take(self) -> list[CacheEvent]:
        """All events that wait, as soon as there is one (or it is woken, or it ends: then perhaps none)."""
        if not self._pending and not self._poked and not self._ended:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        self._poked = False
        taken = list(self._pending)
        self._pending.clear()
        return taken

    def _awaken(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
