"""The watch cache of one resource: its objects as of some revision, the last events, and who follows them.

Pure state, changed only by `storage.feed` and read by everybody on the loop. Bytes pass through: an event is spliced
once when it arrives, decoded at most once when a selector wants to know labels or fields, and shared by all watchers.
"""

from __future__ import annotations

import bisect
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from apiserver.resources.spec import ResourceSpec
from apiserver.storage.codec import decode, respliced, splice
from apiserver.storage.etcd import KeyValue
from apiserver.storage.keys import split_path
from apiserver.storage.subscription import Subscription
from machinery.errors import Gone
from machinery.objects.gvk import GVR

log = logging.getLogger(__name__)

Object = dict[str, Any]
Listener = Callable[[str, Object], None]

KEPT_DECODED = 2048
"""Bytes up to which a decoded object is kept beside its bytes: as dicts it takes five times as much."""

RING = 4096
"""Events kept for watches that resume, per resource."""


class Entry:
    """One object at one revision: its bytes with the resourceVersion in them, and what was computed of it so far."""

    __slots__ = ("_fields", "_labels", "_object", "body", "path", "rendered", "revision")

    def __init__(self, path: str, body: bytes, revision: int) -> None:
        self.path = path
        self.body = body
        self.revision = revision
        self.rendered: tuple[ResourceSpec, bytes] | None = None
        """The bytes as a row serves them that is not the stored version's, as `representation.render` made them."""
        self._object: Object | None = None
        self._labels: dict[str, str] | None = None
        self._fields: dict[GVR, dict[str, str]] | None = None

    def object(self) -> Object:
        """The decoded object, shared and read-only; a small one is kept from the first call on."""
        if self._object is not None:
            return self._object
        obj = decode(self.body)
        if len(self.body) <= KEPT_DECODED:
            self._object = obj
        return obj

    def labels(self) -> dict[str, str]:
        """metadata.labels."""
        if self._labels is None:
            self._labels = (self._object or decode(self.body))["metadata"].get("labels") or {}
        return self._labels

    def fields(self, spec: ResourceSpec) -> dict[str, str]:
        """The values of the field selectors that a row offers."""
        if self._fields is None:
            self._fields = {}
        found = self._fields.get(spec.gvr)
        if found is None:
            namespace, name = split_path(self.path)
            found = {"metadata.name": name, "metadata.namespace": namespace}
            if spec.selectable:
                obj = self._object or decode(self.body)
                if self._labels is None:
                    self._labels = obj["metadata"].get("labels") or {}
                if spec.from_storage is not None:
                    obj = spec.from_storage(obj)
                found.update((field, value(obj)) for field, value in spec.selectable.items())
            self._fields[spec.gvr] = found
        return found


def entry_of(path: str, value: bytes, revision: int) -> Entry | None:
    """The entry of a stored value; None when it is not what this server stores. Such a value, which only somebody else
    can have written, is as if it were not there: it must not keep the rest from being served."""
    try:
        return Entry(path, splice(value, revision), revision)
    except ValueError:
        log.error("stored value is no object path=%s revision=%d bytes=%d", path, revision, len(value))
        return None


class CacheEvent:
    """A change. type: ADDED, MODIFIED, DELETED. entry: the object after it; for DELETED its last state, with the
    resourceVersion of the deletion. previous: the object before it, None for ADDED."""

    __slots__ = ("entry", "previous", "revision", "type")

    def __init__(self, type: str, entry: Entry, previous: Entry | None) -> None:
        self.type = type
        self.entry = entry
        self.previous = previous
        self.revision = entry.revision


class ResourceCache:
    """See the module. `ready` is False while the first list is under way; nothing may be read then."""

    def __init__(self, storage: str) -> None:
        self.storage = storage
        self.ready = False
        self.kept = False
        self.loaded_at = 0
        """The revision that the list was made at."""
        self.complete_since = 0
        """Every event after this revision is in the ring."""
        self.same_at = 0
        """A revision after the last event at which the store held what is here, if it was compared."""
        self.entries: dict[str, Entry] = {}
        self._strange: dict[str, int] = {}
        """Where something is stored that is no object, and the revision that wrote it."""
        self._paths: list[str] = []
        self._ring: deque[CacheEvent] = deque()
        self._early: list[tuple[str, bytes | None, int]] = []
        self._listeners: dict[int, Listener] = {}
        self._told: dict[str, Entry] = {}
        self._everything: dict[str, dict[Subscription, None]] = {}
        self._by_path: dict[str, dict[Subscription, None]] = {}
        self._by_field: dict[tuple[GVR, str], dict[str, dict[Subscription, None]]] = {}
        self._row_of: dict[GVR, ResourceSpec] = {}

    # -- reading

    def get(self, path: str) -> Entry | None:
        """The object at a path."""
        return self.entries.get(path)

    def select(self, namespace: str = "") -> Iterator[Entry]:
        """Objects in the order of their keys, of one namespace when it is named."""
        entries = self.entries
        return (entries[path] for path in self.paths(namespace))

    def paths(self, namespace: str = "") -> Sequence[str]:
        """The paths of `select`."""
        if not namespace:
            return self._paths
        start = bisect.bisect_left(self._paths, f"{namespace}/")
        return self._paths[start : bisect.bisect_left(self._paths, f"{namespace}0", start)]  # "0" follows "/"

    def holds(self, items: Sequence[KeyValue], revision: int) -> bool:
        """Whether what is here is what the store held at a later `revision`: these keys, at these revisions."""
        cut, entries, strange = len(f"{self.storage}/"), self.entries, self._strange
        for key, _, at in items:
            path = key[cut:].decode()
            entry = entries.get(path)
            if (entry.revision if entry is not None else strange.get(path)) != at:
                return False
        if len(items) != len(entries) + len(strange):
            return False
        self.same_at = max(self.same_at, revision)
        return True

    def since(self, revision: int) -> list[CacheEvent]:
        """The events after a revision. Raises Gone when the ring does not reach back so far."""
        if revision < self.complete_since:
            raise Gone(f"too old resource version: {revision} ({self.complete_since})")
        found: list[CacheEvent] = []
        for event in reversed(self._ring):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found

    # -- following

    def subscribe(self, subscription: Subscription) -> None:
        """Hand every event that `subscription` may want to it, until `unsubscribe`."""
        self._bucket(subscription)[subscription] = None

    def unsubscribe(self, subscription: Subscription) -> None:
        """The end of it. Nothing happens when it ended before."""
        self._bucket(subscription).pop(subscription, None)

    def listen(self, token: int, listener: Listener) -> None:
        """Tell decoded objects: ADDED for all that are here, then every change, in order."""
        self._listeners[token] = listener
        for entry in self.entries.values():
            listener("ADDED", entry.object())

    def unlisten(self, token: int) -> None:
        self._listeners.pop(token, None)

    @property
    def wanted(self) -> bool:
        """Whether it is to be loaded before anybody reads it."""
        return self.kept or bool(self._listeners)

    # -- changing: storage.feed alone

    def fill(self, items: Iterable[KeyValue], revision: int) -> None:
        """Take the list that was made at `revision`, then the events that came meanwhile."""
        cut = len(f"{self.storage}/")
        before, self.entries, self._strange = self._told, {}, {}
        for key, value, at in items:
            path = key[cut:].decode()
            known = before.get(path)
            entry = known if known is not None and known.revision == at else entry_of(path, value, at)
            if entry is not None:
                self.entries[path] = entry
            else:
                self._strange[path] = at
        self._paths = sorted(self.entries)
        self.loaded_at = self.complete_since = revision
        self._tell_differences(before)
        self._told = {}
        self.ready = True
        early, self._early = self._early, []
        for path, event, at in early:
            self.apply(path, event, at)

    def reset(self) -> None:
        """Forget everything but who listens: history has a gap, and the resource must be listed anew."""
        for subscription in self._subscriptions():
            subscription.end()
        if self.ready:
            self._told = self.entries if self._listeners else {}
        self.ready = False
        self.same_at = 0
        self.entries, self._paths, self._early = {}, [], []
        self._ring.clear()
        self._everything, self._by_path, self._by_field = {}, {}, {}

    def apply(self, path: str, value: bytes | None, revision: int) -> None:
        """One event of the store; value None is a deletion. Events at or before the list's revision are in it."""
        if not self.ready:
            self._early.append((path, value, revision))
            return
        if revision <= self.loaded_at:
            return
        if revision <= self.same_at:
            self.same_at = 0  # what comes and goes in between is told now, and makes this another state
        self._strange.pop(path, None)
        previous = self.entries.get(path)
        entry = entry_of(path, value, revision) if value is not None else None
        if entry is None and value is not None:
            self._strange[path] = revision
        if entry is not None:
            self.entries[path] = entry
            if previous is None:
                bisect.insort(self._paths, path)
                event = CacheEvent("ADDED", entry, None)
            else:
                event = CacheEvent("MODIFIED", entry, previous)
        elif previous is not None:
            del self.entries[path]
            del self._paths[bisect.bisect_left(self._paths, path)]
            event = CacheEvent("DELETED", Entry(path, respliced(previous.body, revision), revision), previous)
        else:
            return
        self._ring.append(event)
        if len(self._ring) > RING:
            self.complete_since = self._ring.popleft().revision
        self._dispatch(event)

    def _dispatch(self, event: CacheEvent) -> None:
        path = event.entry.path
        for subscription in self._everything.get("", ()):
            subscription.push(event)
        namespace, slash, _ = path.partition("/")
        if slash and namespace in self._everything:
            for subscription in self._everything[namespace]:
                subscription.push(event)
        if path in self._by_path:
            for subscription in self._by_path[path]:
                subscription.push(event)
        for (gvr, field), buckets in self._by_field.items():
            values = {each.fields(self._row_of[gvr])[field] for each in (event.entry, event.previous) if each}
            for value in values:
                for subscription in buckets.get(value, ()):
                    subscription.push(event)
        for listener in tuple(self._listeners.values()):
            listener(event.type, event.entry.object())

    def _bucket(self, subscription: Subscription) -> dict[Subscription, None]:
        if subscription.path:
            return self._by_path.setdefault(subscription.path, {})
        if subscription.trigger is not None:
            field, value = subscription.trigger
            self._row_of[subscription.spec.gvr] = subscription.spec
            return self._by_field.setdefault((subscription.spec.gvr, field), {}).setdefault(value, {})
        return self._everything.setdefault(subscription.namespace, {})

    def _subscriptions(self) -> Iterator[Subscription]:
        for bucket in (*self._everything.values(), *self._by_path.values()):
            yield from bucket
        for buckets in self._by_field.values():
            for bucket in buckets.values():
                yield from bucket

    def _tell_differences(self, before: dict[str, Entry]) -> None:
        listeners = tuple(self._listeners.values())
        if not listeners:
            return
        for path, entry in self.entries.items():
            known = before.get(path)
            if known is None or known.revision != entry.revision:
                for listener in listeners:
                    listener("MODIFIED" if known else "ADDED", entry.object())
        for path, entry in before.items():
            if path not in self.entries:
                for listener in listeners:
                    listener("DELETED", entry.object())
