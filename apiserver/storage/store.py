"""Objects in the store: the reads and the compare-and-swap loop that every write verb is made of.

A write begins from the cache's copy, which is right nearly always and saves a read; what the change function decides on
such a copy only counts once the store has confirmed it: a refusal, and a change to nothing, are asked again on the
store's own copy (upstream's GuaranteedUpdate).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from apiserver.resources.spec import ResourceSpec
from apiserver.storage.caches import WatchCaches
from apiserver.storage.codec import decode, encode, splice
from apiserver.storage.etcd import EtcdClient, KeyValue
from apiserver.storage.keys import key_of, path_of
from machinery.errors import ApiError, InternalError, already_exists, not_found

Object = dict[str, Any]


class Stored(NamedTuple):
    """An object as its row serves it, with its resourceVersion in it, the caller's to change; and its revision."""

    obj: Object
    revision: int


class Outcome(NamedTuple):
    """What a write came to. body: the answer's bytes. changed: False when there was nothing to write."""

    obj: Object
    body: bytes
    revision: int
    changed: bool


class Removed(Exception):
    """Raised by a change function: the object is to be deleted, not written. obj: its last state."""

    def __init__(self, obj: Object) -> None:
        super().__init__()
        self.obj = obj


Change = Callable[[Stored], Awaitable[Object]]
"""The new object, from the one that is stored. Called again when somebody else was faster. May raise `Removed`."""


class Store:
    """See the module."""

    def __init__(self, etcd: EtcdClient, caches: WatchCaches, *, lifetimes: Mapping[str, float] | None = None) -> None:
        """lifetimes: seconds that objects are kept after they were last written, by `ResourceSpec.storage`; others are
        kept until they are deleted."""
        self.etcd = etcd
        self.caches = caches
        self._lifetimes = lifetimes or {}

    async def read(self, spec: ResourceSpec, namespace: str, name: str) -> Stored | None:
        """The newest state of an object."""
        found = await self._fetch(key_of(spec, namespace, name))
        return served(spec, found) if found else None

    async def create(
        self, spec: ResourceSpec, namespace: str, name: str, obj: Object, *, dry_run: bool = False
    ) -> Outcome:
        """Write a new object. Raises AlreadyExists."""
        key, value = key_of(spec, namespace, name), stored_value(spec, obj)
        if dry_run:
            if await self.etcd.get(key) is not None:
                raise already_exists(spec.gvr, name)
            return outcome(spec, obj, value, 0, changed=False)
        revision = await self.etcd.create(key, value, seconds=self._lifetimes.get(spec.storage, 0))
        if revision is None:
            raise already_exists(spec.gvr, name)
        return outcome(spec, obj, value, revision, changed=True)

    async def update(
        self, spec: ResourceSpec, namespace: str, name: str, change: Change, *, dry_run: bool = False
    ) -> Outcome:
        """Change an object until nobody else changed it meanwhile. Raises NotFound, and what `change` raises."""
        key = key_of(spec, namespace, name)
        cache = self.caches.peek(spec)
        entry = cache.get(path_of(namespace, name)) if cache else None
        certain = entry is None
        current = _Current(entry.body, entry.revision) if entry else await self._fetch(key)
        while current is not None:
            try:
                obj = await change(served(spec, current))
                value = stored_value(spec, obj)
                writes = not same(value, current)
                swap = partial(self.etcd.swap, key, value, seconds=self._lifetimes.get(spec.storage, 0))
            except Removed as removed:
                obj, value, writes = removed.obj, stored_value(spec, removed.obj), True
                swap = partial(self.etcd.remove, key)
            except ApiError:
                if certain or (again := await self._fetch(key)) == current:
                    raise
                current, certain = again, True
                continue
            if writes and not dry_run:
                swapped = await swap(expected=current.revision)
                if swapped.won:
                    return outcome(spec, obj, value, swapped.revision, changed=True)
                again = self._current(swapped.current)
            else:
                again = current if certain else await self._fetch(key)
                if again == current:
                    return outcome(spec, obj, value, current.revision, changed=False)
            current, certain = again, True
        raise not_found(spec.gvr, name)

    async def _fetch(self, key: bytes) -> _Current | None:
        return self._current(await self.etcd.get(key))

    def _current(self, found: KeyValue | None) -> _Current | None:
        if found is None:
            return None
        try:
            return _Current(splice(found.value, found.revision), found.revision)
        except ValueError:
            key = (self.etcd.root + found.key).decode(errors="replace")
            raise InternalError(f"what is stored at {key} is no object") from None


class _Current(NamedTuple):
    """What a key holds. body: with the resourceVersion in it."""

    body: bytes
    revision: int


def served(spec: ResourceSpec, current: _Current) -> Stored:
    """A copy for the caller, in the row's version."""
    obj = decode(current.body)
    return Stored(obj if spec.from_storage is None else spec.from_storage(obj), current.revision)


def stored_value(spec: ResourceSpec, obj: Object) -> bytes:
    """The bytes to store of an object in the row's version."""
    return encode(obj if spec.to_storage is None else spec.to_storage(obj))


def outcome(spec: ResourceSpec, obj: Object, value: bytes, revision: int, *, changed: bool) -> Outcome:
    """The answer to a write. revision 0: nothing was written and the object has no resourceVersion."""
    if spec.from_storage is not None:
        value = encode(obj)
    if revision:
        obj["metadata"]["resourceVersion"] = str(revision)
        value = splice(value, revision)
    return Outcome(obj, value, revision, changed)


def same(value: bytes, current: _Current) -> bool:
    """Whether writing `value` would change nothing. The order of keys does not count (the same keys are as long)."""
    body = splice(value, current.revision)
    return len(body) == len(current.body) and (body == current.body or decode(body) == decode(current.body))
