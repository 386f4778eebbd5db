"""All watch caches of a server, and how new they are.

One watch of the whole store feeds every cache, so one number, `position`, says how far all of them have come: each
event up to it has been applied. A read that must not be stale asks the store for its revision, which costs the store no
disk, and waits until `position` has reached it. Revisions that no event of ours tells of are reached by the store's
word (a progress request); where that cannot be trusted (`storage.progress`), the keys that are stored are compared with
those that are cached, which costs the store a read of them.

The caches are filled by `storage.feed`; a cache exists from the first time that somebody wants it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from actors import Clock, Ref
from apiserver.resources.lookup import Resources
from apiserver.resources.spec import ResourceSpec
from apiserver.storage.cache import Listener, ResourceCache
from apiserver.storage.codec import decode, versioned
from apiserver.storage.etcd import EtcdClient
from apiserver.storage.feed_messages import Load
from apiserver.storage.keys import key_of, path_of, prefix_of
from machinery.errors import ServiceUnavailable, Timeout
from machinery.objects.gvk import GVR

Object = dict[str, Any]

FRESH_SECONDS = 3.0
"""How long a read waits for the cache to reach a revision, as upstream's blockTimeout."""


class WatchCaches:
    """See the module. Also what authentication, authorization and admission read objects from (`get`, `list`)."""

    def __init__(self, etcd: EtcdClient, resources: Resources, clock: Clock) -> None:
        self.position = 0
        self.epoch = 0
        """How often history broke: a list made in one epoch is of no use in the next."""
        self._etcd = etcd
        self._resources = resources
        self._clock = clock
        self._caches: dict[str, ResourceCache] = {}
        self._by_key: dict[bytes, ResourceCache] = {}
        self._feed: Ref | None = None
        self._ask_progress: Callable[[], None] = lambda: None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count(1)
        self._wanted = 0
        self._told_progress = False

    # -- objects, for those who decide (auth, admission)

    def get(self, resource: GVR, namespace: str, name: str) -> Object | None:
        """The object as the cache has it (read-only), or None; None too before the cache is loaded."""
        cache = self._loaded(resource)
        entry = cache.get(path_of(namespace, name)) if cache else None
        return entry.object() if entry else None

    async def fetch(self, resource: GVR, namespace: str, name: str) -> Object | None:
        """The object as it is stored now, whatever the cache has seen; None when there is none."""
        spec = self._resources.find(resource)
        found = await self._etcd.get(key_of(spec, namespace, name)) if spec else None
        return versioned(decode(found.value), found.revision) if found else None

    def list(self, resource: GVR, namespace: str = "") -> Iterable[Object]:
        """Every object of a kind, of one namespace when it is named (read-only)."""
        cache = self._loaded(resource)
        return [entry.object() for entry in cache.select(namespace)] if cache else []

    def keep(self, resource: GVR) -> None:
        """Have the cache of a kind loaded, now and after every restart, for `get` and `list`. Raises KeyError."""
        spec = self._resources.find(resource)
        if spec is None:
            raise KeyError(resource)
        cache = self.open(spec.storage)
        cache.kept = True
        self._load_soon(cache)

    def subscribe(self, resource: GVR, listener: Listener) -> Callable[[], None]:
        """Tell `listener` ADDED for every object that is there (now, or when the cache has loaded), then every change.
        A cache that loads anew tells only differences. Answers what ends the subscription. Raises KeyError."""
        spec = self._resources.find(resource)
        if spec is None:
            raise KeyError(resource)
        cache = self.open(spec.storage)
        token = next(self._order)
        cache.listen(token, listener)
        self._load_soon(cache)
        return lambda: cache.unlisten(token)

    def _load_soon(self, cache: ResourceCache) -> None:
        if not cache.ready and self._feed is not None:
            self._feed.tell_nowait(Load(cache.storage))

    def _loaded(self, resource: GVR) -> ResourceCache | None:
        spec = self._resources.find(resource)
        return self.peek(spec) if spec else None

    # -- caches, for the verbs

    def close(self, storage: str) -> None:
        """Nothing is served from that part of the store any more: watchers end, the memory is free."""
        cache = self._caches.pop(storage, None)
        if cache is not None:
            del self._by_key[storage.encode()]
            cache.reset()

    def peek(self, spec: ResourceSpec) -> ResourceCache | None:
        """The cache of a resource, when it is loaded."""
        cache = self._caches.get(spec.storage)
        return cache if cache is not None and cache.ready else None

    async def ensure(self, spec: ResourceSpec) -> ResourceCache:
        """The cache of a resource, loaded. Raises ServiceUnavailable while the store is out of reach."""
        cache = self._caches.get(spec.storage)
        while cache is None or not cache.ready:
            if self._feed is None:
                raise ServiceUnavailable("the watch caches have not started", details={"retryAfterSeconds": 1})
            await self._feed.ask(Load(spec.storage))
            cache = self._caches.get(spec.storage)
        return cache

    async def fresh(self, spec: ResourceSpec) -> ResourceCache:
        """The cache of a resource, no older than this call."""
        cache = self._caches.get(spec.storage)
        if cache is None or not cache.ready:
            return await self.ensure(spec)  # it is listed after this call began
        revision = await self._etcd.revision()
        if revision > self.revision(cache):
            await self._follow(cache, revision)
        return cache if cache.ready else await self.ensure(spec)

    async def at_least(self, spec: ResourceSpec, revision: int) -> ResourceCache:
        """The cache of a resource once it has seen `revision`. Raises Timeout when that does not come in time."""
        cache = await self.ensure(spec)
        if revision > self.revision(cache):
            if revision <= await self._etcd.revision():
                await self._follow(cache, revision)
            else:
                await self._reach(revision, exists=False)
            return await self.ensure(spec)
        return cache

    def revision(self, cache: ResourceCache) -> int:
        """The resourceVersion of what a cache holds now."""
        return max(self.position, cache.loaded_at, cache.same_at)

    def told(self, cache: ResourceCache) -> int:
        """The revision up to which the cache has handed on every event."""
        return max(self.position, cache.loaded_at)

    async def _follow(self, cache: ResourceCache, revision: int) -> None:
        """Wait until a cache has seen a revision that the store has reached."""
        if self._told_progress or revision <= self._etcd.last_written:
            await self._reach(revision, exists=True)
        else:
            await self._compare(cache)

    async def _compare(self, cache: ResourceCache) -> None:
        """Wait until a cache has what is stored now. Where they differ the events that tell of it are on their way."""
        page = await self._etcd.prefix(prefix_of(cache.storage), keys_only=True)
        while cache.ready and self.position < page.revision and not cache.holds(page.items, page.revision):
            await self._reach(self.position + 1, exists=False)

    async def _reach(self, revision: int, *, exists: bool) -> None:
        """Wait until every event up to `revision` is applied. exists: the store is there already, so it will come."""
        if self.position >= revision:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (revision, next(self._order), reached))
        if exists and revision > self._etcd.last_written:
            # Not a write of ours, so perhaps one that no event tells of.
            self._wanted = max(self._wanted, revision)
            self._ask_progress()
        try:
            async with self._clock.timeout(FRESH_SECONDS):
                await reached
        except TimeoutError:
            raise Timeout(
                f"Too large resource version: {revision}, current: {self.position}",
                details={
                    "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                    "retryAfterSeconds": 1,
                },
            ) from None

    # -- storage.feed alone

    def attach(self, feed: Ref, ask_progress: Callable[[], None]) -> None:
        """A feed begins: what was held may have a gap."""
        self._feed = feed
        self._ask_progress = ask_progress
        self.reset()

    def progress_comes(self, comes: bool) -> None:
        """Whether the stream that begins answers the requests for progress, truly."""
        self._told_progress = comes

    def open(self, storage: str) -> ResourceCache:
        """The cache of that part of the store, loaded or not; from now on its events are kept for it."""
        cache = self._caches.get(storage)
        if cache is None:
            cache = self._caches[storage] = ResourceCache(storage)
            self._by_key[storage.encode()] = cache
        return cache

    def owner(self, candidates: Iterable[bytes]) -> ResourceCache | None:
        """The cache that a key belongs to, if anybody wants it."""
        for candidate in candidates:
            cache = self._by_key.get(candidate)
            if cache is not None:
                return cache
        return None

    def reset(self) -> None:
        """Every cache has a gap."""
        self.epoch += 1
        for cache in self._caches.values():
            cache.reset()

    def wanted(self) -> Sequence[str]:
        """The caches that must be loaded before anybody reads them, and are not."""
        return [cache.storage for cache in self._caches.values() if cache.wanted and not cache.ready]

    def advance(self, position: int) -> bool:
        """Every event up to `position` has been applied. Answers whether somebody waits for more, and it exists."""
        self.position = max(self.position, position)
        while self._waiting and self._waiting[0][0] <= self.position:
            reached = heapq.heappop(self._waiting)[2]
            if not reached.done():
                reached.set_result(None)
        return self._wanted > self.position
