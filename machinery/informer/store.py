"""The cache of one resource: objects by key, and by named indexes. Read-only to all but the informer that fills it.

Every reader gets the same dicts, so nobody changes what he got (`machinery.objects.meta.deep_copy` first). Between two
awaits the store does not change: what is read together belongs together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, ValuesView

from machinery.client.api import Object
from machinery.objects import meta, owners

Indexer = Callable[[Object], Iterable[str]]
"""The values under which an object is found in an index; none leaves it out."""

BY_CONTROLLER = "controller"
"""The index by the uid of the controlling owner."""
BY_NAMESPACE = "namespace"


def by_controller(obj: Object) -> Iterable[str]:
    """Indexer: the uid of the controlling owner; for an orphan, which nobody controls, "@" and its namespace."""
    return (owners.controller_uid(obj) or f"@{meta.namespace(obj)}",)


def by_namespace(obj: Object) -> Iterable[str]:
    """Indexer: the namespace, "" for cluster-scoped objects."""
    return (meta.namespace(obj),)


class Store:
    """Objects of one resource. Keys are `namespace/name`, or `name` for cluster-scoped objects."""

    __slots__ = ("_buckets", "_indexers", "_objects", "resource_version")

    def __init__(self, indexers: Mapping[str, Indexer] | None = None) -> None:
        self._objects: dict[str, Object] = {}
        self._indexers: dict[str, Indexer] = {BY_NAMESPACE: by_namespace, **(indexers or {})}
        self._buckets: dict[str, dict[str, dict[str, Object]]] = {name: {} for name in self._indexers}
        self.resource_version = ""
        """Up to where the cache has seen history; "" before the first list."""

    # -- reading

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def get(self, key: str) -> Object | None:
        """The object of that key, None when the cache has none."""
        return self._objects.get(key)

    def values(self) -> ValuesView[Object]:
        """All objects, a live view: take a list of it before you await."""
        return self._objects.values()

    def keys(self) -> Sequence[str]:
        """All keys, as they are now."""
        return list(self._objects)

    def in_namespace(self, namespace: str) -> Sequence[Object]:
        """The objects of one namespace; all of them for ""."""
        return list(self._objects.values()) if not namespace else self.by_index(BY_NAMESPACE, namespace)

    def by_index(self, index: str, value: str) -> Sequence[Object]:
        """The objects that the index files under `value`. KeyError for an index that was not declared."""
        bucket = self._buckets[index].get(value)
        return list(bucket.values()) if bucket else []

    def controlled_by(self, uid: str) -> Sequence[Object]:
        """The objects whose controlling owner has this uid (index BY_CONTROLLER)."""
        return self.by_index(BY_CONTROLLER, uid)

    def orphans(self, namespace: str) -> Sequence[Object]:
        """The objects of one namespace without a controlling owner (index BY_CONTROLLER)."""
        return self.by_index(BY_CONTROLLER, f"@{namespace}")

    def index_values(self, index: str) -> Sequence[str]:
        """All values that the index holds objects under."""
        return list(self._buckets[index])

    # -- declaring

    def add_index(self, name: str, indexer: Indexer) -> None:
        """Declare an index; what the store holds already is filed at once. The same indexer may be declared again.

        Raises ValueError when the name stands for another indexer."""
        known = self._indexers.get(name)
        if known is not None:
            if known is not indexer:
                raise ValueError(f"index {name!r} is declared with another indexer")
            return
        self._indexers[name] = indexer
        buckets = self._buckets[name] = {}
        for key, obj in self._objects.items():
            for value in indexer(obj):
                buckets.setdefault(value, {})[key] = obj

    # -- writing: the informer's

    def put(self, obj: Object) -> Object | None:
        """Store an object; answers the one it replaced."""
        key = meta.key(obj)
        old = self._objects.get(key)
        self._objects[key] = obj
        for name, indexer in self._indexers.items():
            buckets = self._buckets[name]
            values = tuple(indexer(obj))
            if old is not None:
                for value in indexer(old):
                    if value not in values:
                        _unfile(buckets, value, key)
            for value in values:
                bucket = buckets.get(value)
                if bucket is None:
                    bucket = buckets[value] = {}
                bucket[key] = obj
        return old

    def remove(self, key: str) -> Object | None:
        """Forget an object; answers what was held."""
        old = self._objects.pop(key, None)
        if old is not None:
            for name, indexer in self._indexers.items():
                for value in indexer(old):
                    _unfile(self._buckets[name], value, key)
        return old


def _unfile(buckets: dict[str, dict[str, Object]], value: str, key: str) -> None:
    bucket = buckets.get(value)
    if bucket is not None:
        bucket.pop(key, None)
        if not bucket:
            del buckets[value]
