"""etcdlite and a real etcd side by side, as processes of their own: the same step to both, and what each answered.

Both begin empty, so their revisions are equal and nothing has to be moved. What is compared is answers, in their words,
and what watches hear: the events of each watch in order, however they were cut into responses.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machinery.rpc import RpcError
from tests.support.answers import answer, comparable
from tests.support.etcd import EtcdClient, EtcdliteProcess, EtcdProcess, StoreProcess, WatchSession, pb

END_KEY = b"~"
"""Lies beyond all keys of the steps, and in the range of every watch of a range."""
_TIME_LEFT = re.compile(r"^TTL: \d+$", re.MULTILINE)


@dataclass
class Watcher:
    """One watch and what it has heard."""

    request: Any
    heard: list[str] = field(default_factory=list)
    canceled: bool = False
    seen: int = 0
    """The revision of the newest event."""


class Side:
    """One of the two servers with its client and its watches."""

    def __init__(self, process: StoreProcess) -> None:
        self.process = process
        self.store: EtcdClient = process.client()
        self.watchers: dict[int, Watcher] = {}
        self._stack = contextlib.AsyncExitStack()
        self._session: WatchSession | None = None

    async def call(self, part: str, name: str, request: Any) -> Any:
        method = getattr(getattr(self.store, part), name)
        if name == "LeaseKeepAlive":
            return await answer(_first(method, request))
        told = await answer(method(request))
        if name == "LeaseTimeToLive" and isinstance(told, str):
            told = "\n".join(sorted(_TIME_LEFT.sub("", told).splitlines()))  # the keys come in no order
        return told

    async def watch(self, number: int, request: Any) -> str:
        """Begin a watch; what the server said to it."""
        session = await self._open()
        create = pb.WatchCreateRequest()
        create.CopyFrom(request)
        create.watch_id = number
        session.requests.put_nowait(pb.WatchRequest(create_request=create))
        created = await self._until(lambda response: response.created)
        if not created.canceled:
            self.watchers[number] = Watcher(create)
        return comparable(created)

    async def cancel(self, number: int) -> str:
        """End a watch, after it heard all up to now."""
        watcher = self.watchers.pop(number)
        if watcher.canceled:
            return "lost"
        session = await self._open()
        session.cancel(number)
        return comparable(await self._until(lambda response: response.canceled and response.watch_id == number))

    async def settle(self, targets: Mapping[int, int]) -> None:
        """Return once every watch has heard the event of its target revision, or was cancelled."""
        waiting = [
            (self.watchers[number], revision)
            for number, revision in targets.items()
            if self.watchers[number].request.start_revision <= revision
        ]
        while any(not watcher.canceled and watcher.seen < revision for watcher, revision in waiting):
            await self._until(lambda response: True)

    async def crash(self) -> None:
        """Kill the server, start it again, and watch on from where each watch was."""
        await self._stack.aclose()
        self._session = None
        if isinstance(self.process, EtcdProcess):
            # etcd 3.5.30 that has to read its log again carries out a transaction that it had refused. To hash its file
            # it writes all into it, so that there is nothing to read.
            await self.store.maintenance.Hash(pb.HashRequest())
        await self.store.channel.close()
        await asyncio.to_thread(self.process.kill)
        await asyncio.to_thread(self.process.start)
        self.store = self.process.client()
        for watcher in [watcher for watcher in self.watchers.values() if not watcher.canceled]:
            session = await self._open()
            resumed = pb.WatchCreateRequest()
            resumed.CopyFrom(watcher.request)
            if watcher.seen:
                resumed.start_revision = max(watcher.seen + 1, watcher.request.start_revision)
            session.requests.put_nowait(pb.WatchRequest(create_request=resumed))
            await self._until(lambda response: response.created)

    async def close(self) -> None:
        await self._stack.aclose()
        await self.store.channel.close()
        await asyncio.to_thread(self.process.kill)

    async def _open(self) -> WatchSession:
        if self._session is None:
            self._session = await self._stack.enter_async_context(self.store.watching())
        return self._session

    async def _until(self, wanted: Callable[[Any], bool]) -> Any:
        assert self._session is not None
        while True:
            response = await self._session.next(within=20)
            self._hear(response)
            if wanted(response):
                return response

    def _hear(self, response: Any) -> None:
        watcher = self.watchers.get(response.watch_id)
        if watcher is None:
            return
        for event in response.events:
            assert event.kv.mod_revision >= watcher.seen, "in order"
            watcher.seen = event.kv.mod_revision
            watcher.heard.append(comparable(event))
        assert not response.events or response.header.revision >= watcher.seen
        if response.canceled:
            watcher.canceled = True
            watcher.heard.append(f"canceled, compacted at {response.compact_revision}")


async def _first(method: Any, request: Any) -> Any:
    """The first reply of a stream that is asked once."""

    async def requests() -> AsyncIterator[Any]:
        yield request

    async with contextlib.aclosing(method(requests())) as replies:
        return await anext(aiter(replies))


@contextlib.asynccontextmanager
async def both(directory: Path) -> AsyncIterator[Sequence[Side]]:
    """A fresh etcdlite and a fresh etcd."""
    sides: list[Side] = []
    processes: list[StoreProcess] = []
    try:
        for name, kind in (("etcdlite", EtcdliteProcess), ("etcd", EtcdProcess)):
            (directory / name).mkdir()
            process = kind(directory / name)
            processes.append(process)
            await asyncio.to_thread(process.start)
            sides.append(Side(process))
        yield sides
    finally:
        for side in sides:
            with contextlib.suppress(RpcError):
                await side.close()
        for process in processes:
            process.kill()
