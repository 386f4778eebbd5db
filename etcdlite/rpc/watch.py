"""etcdserverpb.Watch: one stream actor per call."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

from actors import ChildSpec, Restart
from etcdlite.auth.access import Access
from etcdlite.config import MESSAGE_OVERHEAD
from etcdlite.parts import Parts
from etcdlite.watch.stream import WatchStream
from machinery.rpc.api import Call

PROGRESS_INTERVAL = 600.0
"""Seconds between progress notifications where none are asked for, as in etcd."""
LEAST_PROGRESS_INTERVAL = 0.1
"""Less is raised to this, as in etcd."""


class WatchService:
    """Watches. progress_interval: seconds; 0 for the default."""

    def __init__(self, parts: Parts, access: Access, *, max_bytes: int, progress_interval: float) -> None:
        self._parts = parts
        self._access = access
        self._fragment_bytes = max_bytes + MESSAGE_OVERHEAD
        self._progress_interval = max(progress_interval or PROGRESS_INTERVAL, LEAST_PROGRESS_INTERVAL)
        self._ids = itertools.count(1)

    async def Watch(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        store, streams = self._parts.store, self._parts.streams
        stream = WatchStream(
            requests,
            store.hub,
            store.header,
            fragment_bytes=self._fragment_bytes,
            progress_interval=self._progress_interval,
            refused=lambda create: self._access.watch(create, call),
        )
        name = f"stream-{next(self._ids)}"
        await streams.start_child(ChildSpec(name, lambda: stream, restart=Restart.TEMPORARY))
        self._parts.watches.add(stream)
        replies = stream.replies()
        try:
            while True:  # until it raises; no reply stays here while the client takes its time with it
                yield await anext(replies)
        finally:
            await replies.aclose()
            self._parts.watches.discard(stream)
            await streams.stop_child(name)
