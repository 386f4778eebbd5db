"""From a change of some object to the keys that have to be looked at.

A mapper is `(change, informers) -> keys`. It runs in the controller's own task, may read the caches, and is called for
every change: cheap first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from machinery.client.api import Object
from machinery.informer import Change, Informers
from machinery.objects import meta, owners, workload
from machinery.objects.gvk import GVR
from machinery.objects.selectors import SelectorError

Mapper = Callable[[Change, Informers], Iterable[str]]


def itself(change: Change, informers: Informers) -> Iterable[str]:
    """The object's own key."""
    return (change.key,)


def namespace(change: Change, informers: Informers) -> Iterable[str]:
    """The name of the object's namespace, as a key."""
    return (meta.namespace(change.object),)


def constant(key: str) -> Mapper:
    """Always the same key: the reconciler looks at everything at once."""
    return lambda change, informers: (key,)


def controller(kind: str) -> Mapper:
    """The key of the controlling owner if it is of this kind, in the object's namespace; the former owner's too."""

    def owner(change: Change, informers: Informers) -> Iterable[str]:
        keys = []
        for obj in (change.new, change.old):
            key = controller_key(obj, kind)
            if key is not None and key not in keys:
                keys.append(key)
        return keys

    return owner


def controller_key(obj: Object | None, kind: str) -> str | None:
    """The key of the controlling owner of this kind; None without one."""
    if obj is None:
        return None
    ref = owners.controller_of(obj)
    if ref is None or ref.get("kind") != kind:
        return None
    return meta.join_key(meta.namespace(obj), ref["name"])


def owner_or_suitors(kind: str, resource: GVR) -> Mapper:
    """The key of the object's owner of this kind, or for an orphan the keys of all of `resource` that select it."""

    def keys_of(change: Change, informers: Informers) -> Iterable[str]:
        keys = {key for obj in (change.old, change.new) if (key := controller_key(obj, kind)) is not None}
        orphan = change.new
        if orphan is not None and owners.controller_of(orphan) is None and not meta.is_deleting(orphan):
            labels = meta.labels(orphan)
            for each in informers.store(resource).in_namespace(meta.namespace(orphan)) if labels else ():
                try:
                    if workload.selector(each).matches(labels):
                        keys.add(meta.key(each))
                except SelectorError:
                    continue  # its own reconcile says so
        return keys

    return keys_of


def any_of(*mappers: Mapper) -> Mapper:
    """The keys of all these mappers."""

    def union(change: Change, informers: Informers) -> Iterable[str]:
        return [key for mapper in mappers for key in mapper(change, informers)]

    return union
