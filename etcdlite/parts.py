"""Where the services find the running store: there is none before the start, after the end, and between restarts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from etcdlite.errors import Unavailable
from etcdlite.metrics.counts import Counts

if TYPE_CHECKING:
    from actors import DynamicSupervisor
    from etcdlite.store.store import Store
    from etcdlite.watch.stream import WatchStream


class Parts:
    """The parts of one EtcdLite that outlive their actors' restarts."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.watches: set[WatchStream] = set()
        """The watch streams that are open."""
        self._store: Store | None = None
        self._streams: DynamicSupervisor | None = None
        self.open = asyncio.Event()
        """Set while the store runs."""
        self.was_open = False
        """True once a store has run: what it had served must be there when it starts again."""
        self.serving = asyncio.Event()
        """Set once every listener is bound."""
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def store(self) -> Store:
        """The running store. Raises Unavailable."""
        if self._store is None:
            raise Unavailable
        return self._store

    @property
    def streams(self) -> DynamicSupervisor:
        """What the watch streams run under. Raises Unavailable."""
        if self._streams is None:
            raise Unavailable
        return self._streams

    def opened(self, store: Store) -> None:
        """A store runs."""
        self._store = store
        self.was_open = True
        self.open.set()
        self._tell()

    def closed(self) -> None:
        """It does not any more."""
        self._store = None
        self.open.clear()
        self._tell()

    async def changed(self) -> None:
        """Return when a store opened or closed after this call."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _tell(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def streams_under(self, supervisor: DynamicSupervisor) -> DynamicSupervisor:
        """A new supervisor of watch streams."""
        self._streams = supervisor
        return supervisor
