"""WATCH: the events of a resource from some revision on.

Promises: every change after the starting point, in order, once; a bookmark's resourceVersion says that all before it
was sent. An object that begins to match the selectors is ADDED, one that ceases to is DELETED (with its last matching
state and the resourceVersion of the change).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from actors import Clock
from apiserver.representation import render
from apiserver.representation.metadata import partial
from apiserver.representation.table import table
from apiserver.resources.spec import ResourceSpec
from apiserver.storage.cache import CacheEvent, Entry, ResourceCache
from apiserver.storage.codec import respliced
from apiserver.storage.subscription import Subscription
from apiserver.verbs.context import RequestContext
from apiserver.verbs.gate import enter, stored
from apiserver.verbs.options import WatchItem, WatchOptions, check_watch, parse_version
from apiserver.verbs.parts import Parts
from apiserver.verbs.selection import Selection, named, select
from machinery.client.api import Representation
from machinery.errors import ApiError

BOOKMARK_SECONDS = 60.0
BATCH = 500
"""Events handed on at once, at most."""
DEFAULT_SECONDS = (1800.0, 3600.0)
"""How long a watch lives that names no timeout: a random time between these, so that clients do not return at once."""
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


async def watch(
    parts: Parts,
    context: RequestContext,
    options: WatchOptions,
    *,
    representation: Representation = Representation.OBJECT,
    include_object: str = "Metadata",
) -> AsyncIterator[Sequence[WatchItem]]:
    """See `api.Verbs.watch`."""
    context.name = named(context.name, options.field_selector)
    enter(parts, context, field_selector=options.field_selector)
    stored(context)
    check_watch(options)
    selection = select(context.spec, context.namespace, options.label_selector, options.field_selector)
    version = parse_version(options.resource_version)
    writer = _Writer(parts, context.spec, representation, include_object)
    return _events(parts, selection, options, version, writer)


async def _events(
    parts: Parts, selection: Selection, options: WatchOptions, version: int, writer: _Writer
) -> AsyncIterator[Sequence[WatchItem]]:
    spec, caches = selection.spec, parts.caches
    trigger = None if selection.path else selection.trigger
    subscription = Subscription(spec, namespace=selection.namespace, path=selection.path, trigger=trigger)
    initial = options.send_initial_events or (options.send_initial_events is None and not version)
    try:
        cache = await _cache(parts, spec, options, version, initial=initial)
        # No await from here to the subscription: what is not in the snapshot comes as an event.
        start = caches.revision(cache) if initial or not version else version
        found = _snapshot(cache, selection) if initial else []
        events = [] if initial else cache.since(start)
    except ApiError as error:
        yield (WatchItem("ERROR", orjson.dumps(error.status())),)
        return
    cache.subscribe(subscription)
    seconds = options.timeout_seconds or parts.randomness.uniform(*DEFAULT_SECONDS)
    pace = _Pace(parts.clock, subscription, seconds=seconds, bookmarks=options.allow_bookmarks)
    try:
        for at in range(0, len(found), BATCH):
            yield [WatchItem("ADDED", writer.body(entry)) for entry in found[at : at + BATCH]]
        if options.send_initial_events and options.allow_bookmarks:
            yield (writer.bookmark(start, _INITIAL_END),)
        while True:
            for at in range(0, len(events), BATCH):
                items = [item for event in events[at : at + BATCH] if (item := _item(event, selection, start, writer))]
                if items:
                    yield items
            if subscription.ended:
                return
            # Everything that was applied before this moment has been handed on when nothing waits now.
            if subscription.idle and (pace.bookmark_due or (pace.over and options.allow_bookmarks)):
                pace.bookmarked()
                yield (writer.bookmark(max(start, caches.told(cache)), {}),)
            if subscription.idle and pace.over:
                return
            events = await subscription.take()
    finally:
        pace.stop()
        cache.unsubscribe(subscription)


async def _cache(
    parts: Parts, spec: ResourceSpec, options: WatchOptions, version: int, *, initial: bool
) -> ResourceCache:
    """The cache, as new as the request needs it to begin with."""
    if initial and version:
        return await parts.caches.at_least(spec, version)
    if initial and not options.resource_version:
        return await parts.caches.fresh(spec)
    return await parts.caches.ensure(spec)


def _snapshot(cache: ResourceCache, selection: Selection) -> list[Entry]:
    """What the selection matches now."""
    if selection.path:
        entry = cache.get(selection.path)
        return [entry] if entry and _visible(entry, selection) else []
    found = cache.select(selection.namespace)
    return list(found) if selection.everything else [entry for entry in found if selection.matches(entry)]


def _visible(entry: Entry, selection: Selection) -> bool:
    if selection.namespace and not entry.path.startswith(f"{selection.namespace}/"):
        return False
    return selection.everything or selection.matches(entry)


def _item(event: CacheEvent, selection: Selection, start: int, writer: _Writer) -> WatchItem | None:
    """What a watcher with this selection is told of an event; None for nothing."""
    if event.revision <= start:
        return None
    if selection.everything:
        return WatchItem(event.type, writer.body(event.entry))
    now = event.type != "DELETED" and _visible(event.entry, selection)
    before = event.previous is not None and _visible(event.previous, selection)
    if now:
        return WatchItem("MODIFIED" if before else "ADDED", writer.body(event.entry))
    if not before or event.previous is None:
        return None
    if event.type == "DELETED":
        return WatchItem("DELETED", writer.body(event.entry))
    gone = Entry(event.entry.path, respliced(event.previous.body, event.revision), event.revision)
    return WatchItem("DELETED", writer.body(gone))


class _Pace:
    """When a watch sends a bookmark, and when it ends."""

    def __init__(self, clock: Clock, subscription: Subscription, *, seconds: float, bookmarks: bool) -> None:
        self.bookmark_due = False
        self.over = False
        self._clock = clock
        self._subscription = subscription
        self._end = clock.call_later(seconds, self._finish)
        self._bookmark = clock.call_later(BOOKMARK_SECONDS, self._due) if bookmarks else None

    def bookmarked(self) -> None:
        """The next one is a full interval away."""
        self.bookmark_due = False
        if self._bookmark is not None:
            self._bookmark.cancel()
            self._bookmark = self._clock.call_later(BOOKMARK_SECONDS, self._due)

    def stop(self) -> None:
        self._end.cancel()
        if self._bookmark is not None:
            self._bookmark.cancel()

    def _due(self) -> None:
        self.bookmark_due = True
        self._subscription.wake()

    def _finish(self) -> None:
        self.over = True
        self._subscription.wake()


class _Writer:
    """Entries as the bytes of one watch's representation."""

    def __init__(self, parts: Parts, spec: ResourceSpec, representation: Representation, include_object: str) -> None:
        self._clock = parts.clock
        self._spec = spec
        self._representation = representation
        self._include_object = include_object
        self._columns_sent = False

    def body(self, entry: Entry) -> bytes:
        """The object of an event."""
        if self._representation is Representation.OBJECT:
            return render.body_of(self._spec, entry)
        obj = render.object_of(self._spec, entry)
        if self._representation is Representation.METADATA:
            return orjson.dumps(partial(obj))
        return self._table([obj], entry.revision)

    def bookmark(self, revision: int, annotations: dict[str, str]) -> WatchItem:
        """An object of the kind that holds nothing but how far the watch has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        kind = self._spec.gvk
        obj: dict[str, Any] = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        match self._representation:
            case Representation.OBJECT:
                return WatchItem("BOOKMARK", orjson.dumps(obj))
            case Representation.METADATA:
                return WatchItem("BOOKMARK", orjson.dumps(partial(obj)))
            case Representation.TABLE:
                # The initial-events-end annotation travels in the row's object, as upstream sends it.
                return WatchItem("BOOKMARK", self._table([obj], revision))

    def _table(self, objects: list[dict[str, Any]], revision: int) -> bytes:
        document = table(
            self._spec,
            objects,
            list_metadata={"resourceVersion": str(revision)},
            include_object=self._include_object,
            now=self._clock.now(),
            with_columns=not self._columns_sent,
        )
        self._columns_sent = True
        return orjson.dumps(document)
