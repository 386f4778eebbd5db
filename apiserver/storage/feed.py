"""The actor that keeps the watch caches: one watch over the whole store, and the first list of each resource.

Promises: events reach the caches in the store's order, none twice, none left out. When the stream breaks it resumes
after the last revision applied; when that revision is compacted meanwhile, or the store was set back to before it,
every cache starts anew and its watchers end, which sends their clients through list and watch again. A member of the
store that has lost its leader ends the stream rather than being quiet for ever (clientv3's WithRequireLeader), and the
next one goes to another member.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from actors import Actor, Timer
from apiserver.storage.caches import WatchCaches
from apiserver.storage.etcd import EtcdClient
from apiserver.storage.feed_messages import Load
from apiserver.storage.keys import prefix_of, range_end, storage_candidates
from apiserver.storage.progress import trusted
from machinery.errors import ApiError
from machinery.rpc.api import RpcError

RETRY_SECONDS = (0.05, 2.0)
"""The first wait before the stream is opened again, and the longest."""
STALE_PROGRESS_SECONDS = 0.01
UNANSWERED_SECONDS = 0.1
"""When to ask for progress again: etcd leaves a request unanswered while it has the watch behind, some 100 ms."""
REQUIRE_LEADER = {"hasleader": "true"}


class _Broken(Exception):
    """The stream cannot resume where it ended; the text says why."""


class Feed(Actor):
    """See the module."""

    rejects: ClassVar[tuple[type[Exception], ...]] = (ApiError,)
    interruptible: ClassVar[bool] = True  # a load waits for a store that may be away; a cache is filled whole or not

    def __init__(self, etcd: EtcdClient, caches: WatchCaches) -> None:
        self._etcd = etcd
        self._caches = caches
        self._outgoing: asyncio.Queue[Any] = asyncio.Queue()
        self._progress_asked: Timer | None = None
        self._progress_trusted = False
        self._connected = asyncio.Event()

    async def setup(self) -> None:
        self._caches.attach(self.ref, self._ask_progress)
        self.spawn(self._follow(), name="follow")

    async def teardown(self) -> None:
        self._progress_trusted = False
        self._answered()

    async def handle(self, message: Load) -> None:
        await self._load(message.storage)

    async def _load(self, storage: str) -> None:
        cache = self._caches.open(storage)
        while not cache.ready:
            await self._connected.wait()
            # Its events are kept from here on, so what the list does not have is among them, unless history broke.
            epoch = self._caches.epoch
            page = await self._etcd.prefix(prefix_of(storage))
            if epoch == self._caches.epoch:
                cache.fill(page.items, page.revision)

    async def _follow(self) -> None:
        wait = RETRY_SECONDS[0]
        self._caches.position = 0
        while True:
            try:
                if not self._caches.position:
                    self._caches.advance(await self._etcd.revision())
                async for _ in self._replies():
                    wait = RETRY_SECONDS[0]
                self.log.warning("watch of the store ended")
            except _Broken as why:
                self.log.warning("history of the store is broken; caches start anew why=%s", why)
                self._connected.clear()
                self._caches.reset()
                self._caches.position = 0
                continue
            except (RpcError, ApiError) as error:
                self.log.warning("watch of the store broke, will retry error=%s", error)
            self._connected.clear()
            await self.clock.sleep(wait)
            wait = min(wait * 2, RETRY_SECONDS[1])

    async def _replies(self) -> AsyncIterator[None]:
        """Run the stream until it ends, yielding after each reply."""
        self._outgoing = asyncio.Queue()
        self._answered()
        pb, root = self._etcd.pb, self._etcd.root
        create = pb.WatchCreateRequest(
            key=root, range_end=range_end(root), start_revision=self._caches.position + 1, progress_notify=True
        )
        self._outgoing.put_nowait(pb.WatchRequest(create_request=create))
        try:
            async for reply in self._etcd.watch.Watch(self._requests(self._outgoing), metadata=REQUIRE_LEADER):
                if reply.canceled:
                    if reply.compact_revision:
                        raise _Broken("compacted")
                    self.log.warning("watch of the store was cancelled reason=%s", reply.cancel_reason)
                    return
                if reply.created:
                    await self._resumed(reply.header.member_id)
                elif reply.events:
                    self._apply(reply.events)
                else:
                    self._progressed(reply.header.revision)
                yield
        finally:
            self._outgoing.put_nowait(None)  # gRPC leaves who sends the requests waiting

    async def _requests(self, outgoing: asyncio.Queue[Any]) -> AsyncIterator[Any]:
        while (request := await outgoing.get()) is not None:
            yield request

    async def _resumed(self, member: int) -> None:
        if await self._etcd.revision() < self._caches.position:
            self._etcd.last_written = 0
            raise _Broken("the store is at an earlier revision than it was: it was restored, or is another")
        answering, version = await self._etcd.member()
        self._progress_trusted = answering == member and trusted(version)
        self._caches.progress_comes(self._progress_trusted)
        self._connected.set()
        for storage in self._caches.wanted():
            await self.ref.tell(Load(storage))

    def _apply(self, events: Any) -> None:
        """No await: whoever reads sees a whole message or nothing of it."""
        caches, cut, revision = self._caches, len(self._etcd.root), 0
        for event in events:
            kv = event.kv
            key, revision = kv.key[cut:], kv.mod_revision
            candidates = storage_candidates(key)
            cache = caches.owner(candidates)
            if cache is not None:
                path = key[len(cache.storage) + 1 :].decode()
                cache.apply(path, None if event.type else kv.value, revision)
        if caches.advance(revision):
            self._ask_progress()

    def _progressed(self, revision: int) -> None:
        self._answered()
        moved = revision > self._caches.position
        if self._caches.advance(revision):
            if moved:
                self._ask_progress()
            else:
                self.clock.call_later(STALE_PROGRESS_SECONDS, self._ask_progress)

    def _ask_progress(self) -> None:
        if self._progress_trusted and self._progress_asked is None:
            self._outgoing.put_nowait(self._etcd.pb.WatchRequest(progress_request=self._etcd.pb.WatchProgressRequest()))
            self._progress_asked = self.clock.call_later(UNANSWERED_SECONDS, self._ask_again)

    def _ask_again(self) -> None:
        self._answered()
        if self._caches.advance(0):
            self._ask_progress()

    def _answered(self) -> None:
        if self._progress_asked is not None:
            self._progress_asked.cancel()
            self._progress_asked = None
