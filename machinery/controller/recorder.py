"""Events: what happened to an object, for people. Recording never waits and never fails.

`Correlator` decides (pure): the same event again raises the count of the first one; more than ten alike events that
differ in their message alone within ten minutes become one "(combined from similar events)"; and one object may use up
25 events at once and then one in five minutes, per source. Numbers and rules are client-go's EventCorrelator.
`Events` owns the actor that writes; `Recorder` is what a component holds.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actors import Actor, ChildSpec, DeadRef, MailboxSpec, Overflow, Ref
from machinery.client.api import Client, Object, PatchType
from machinery.client.resources import EVENTS
from machinery.errors import ApiError, NotFound
from machinery.objects import meta, timefmt

log = logging.getLogger(__name__)

CACHE_SIZE = 4096
SIMILAR_LIMIT = 10
SIMILAR_SECONDS = 600.0
SPAM_BURST = 25
SPAM_REFILL_SECONDS = 300.0

NORMAL = "Normal"
WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Happened:
    """One call of `Recorder.event`."""

    about: Object
    """An ObjectReference."""
    type: str
    reason: str
    message: str
    component: str
    host: str = ""


@dataclass(slots=True)
class _Known:
    name: str
    count: int
    first: str


@dataclass(frozen=True, slots=True)
class Post:
    """Write this new Event."""

    event: Object
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Raise:
    """Patch the Event of that name; `otherwise` is the whole of it, should it be gone."""

    namespace: str
    name: str
    patch: Object
    otherwise: Post


class Correlator:
    """What becomes of what happened. One per writer."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, ...], _Known] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], tuple[set[str], float]] = OrderedDict()
        self._spam: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()
        self._serial = 0

    def correlate(self, happened: Happened, now: datetime) -> Post | Raise | None:
        """None when the object's source has used up what it may say."""
        about, seconds = happened.about, now.timestamp()
        source = (happened.component, happened.host)
        where = tuple(str(about.get(f) or "") for f in ("kind", "namespace", "name", "uid", "apiVersion"))
        field = str(about.get("fieldPath") or "")
        message, key = self._aggregate((*source, *where, field, happened.type, happened.reason), happened, seconds)
        if not self._allowed((*source, *where), seconds):
            return None
        known = self._known.get(key)
        stamp = timefmt.format(now)
        if known is None:
            self._serial += 1
            name = f"{about.get('name')}.{int(seconds * 1_000_000) * 1000 + self._serial % 1000:x}"
            known = _Known(name, 1, stamp)
            self._remember(self._known, key, known)
            return Post(_event(happened, message, known, stamp), key)
        known.count += 1
        self._known.move_to_end(key)
        whole = Post(_event(happened, message, known, stamp), key)
        patch = {"count": known.count, "lastTimestamp": stamp, "message": message}
        return Raise(whole.event["metadata"]["namespace"], known.name, patch, whole)

    def forget(self, key: tuple[str, ...]) -> None:
        """The Event could not be written: the next of its kind is a first one again."""
        self._known.pop(key, None)

    def _aggregate(self, group: tuple[str, ...], happened: Happened, now: float) -> tuple[str, tuple[str, ...]]:
        messages, since = self._similar.get(group, (set(), now))
        if now - since > SIMILAR_SECONDS:
            messages = set()
        messages.add(happened.message)
        self._remember(self._similar, group, (messages, now))
        if len(messages) < SIMILAR_LIMIT:
            return happened.message, (*group, happened.message)
        messages.pop()
        return f"(combined from similar events): {happened.message}", group

    def _allowed(self, spender: tuple[str, ...], now: float) -> bool:
        tokens, since = self._spam.get(spender, (float(SPAM_BURST), now))
        tokens = min(tokens + (now - since) / SPAM_REFILL_SECONDS, float(SPAM_BURST))
        allowed = tokens >= 1.0
        self._remember(self._spam, spender, (tokens - 1.0 if allowed else tokens, now))
        return allowed

    @staticmethod
    def _remember(cache: OrderedDict[tuple[str, ...], Any], key: tuple[str, ...], value: Any) -> None:
        cache[key] = value
        cache.move_to_end(key)
        if len(cache) > CACHE_SIZE:
            cache.popitem(last=False)


def _event(happened: Happened, message: str, known: _Known, stamp: str) -> Object:
    source: dict[str, str] = {"component": happened.component}
    if happened.host:
        source["host"] = happened.host
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": known.name, "namespace": happened.about.get("namespace") or "default"},
        "involvedObject": happened.about,
        "reason": happened.reason,
        "message": message,
        "source": source,
        "firstTimestamp": known.first,
        "lastTimestamp": stamp,
        "count": known.count,
        "type": happened.type,
        "eventTime": None,
        "reportingComponent": happened.component,
        "reportingInstance": happened.host,
    }


class Events:
    """The face of the writing actor; `spec()` is its place in a tree. What is recorded while none runs is lost."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._correlator = Correlator()
        self._ref: Ref | None = None

    def spec(self, name: str = "events") -> ChildSpec:
        return ChildSpec(name, start=lambda: _Writer(self, self._client, self._correlator))

    def recorder(self, component: str, *, host: str = "") -> Recorder:
        """A recorder for a source, such as `deployment-controller`, or `kubelet` on host `node-1`."""
        return Recorder(self, component, host)

    def attach(self, ref: Ref | None) -> None:
        """Called by the writer as it comes and goes."""
        self._ref = ref

    def publish(self, happened: Happened) -> None:
        if self._ref is None:
            log.debug("event lost, no writer runs reason=%s", happened.reason)
            return
        try:
            self._ref.tell_nowait(happened)
        except DeadRef:
            log.debug("event lost, the writer has ended reason=%s", happened.reason)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records events of one source."""

    events: Events
    component: str
    host: str = ""

    def event(self, about: Object, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Record an event about an object (or about what an ObjectReference, with `kind` and `name`, names)."""
        self.events.publish(Happened(reference(about, field_path), type, reason, message, self.component, self.host))

    def normal(self, about: Object, reason: str, message: str) -> None:
        """`event` of type Normal."""
        self.event(about, NORMAL, reason, message)

    def warning(self, about: Object, reason: str, message: str) -> None:
        """`event` of type Warning."""
        self.event(about, WARNING, reason, message)


def reference(obj: Object, field_path: str = "") -> Object:
    """The ObjectReference of an object; one that is a reference already is answered as it is."""
    if "metadata" not in obj:
        return {**obj, "fieldPath": field_path} if field_path else obj
    ref: Object = {"kind": meta.kind(obj)}
    for field, value in (
        ("namespace", meta.namespace(obj)),
        ("name", meta.name(obj)),
        ("uid", meta.uid(obj)),
        ("apiVersion", meta.api_version(obj)),
        ("resourceVersion", meta.resource_version(obj)),
        ("fieldPath", field_path),
    ):
        if value:
            ref[field] = value
    return ref


class _Writer(Actor):
    """Writes events one after the other. When more come than can be written, the oldest are dropped."""

    mailbox = MailboxSpec(capacity=1000, overflow=Overflow.DROP_OLDEST)

    def __init__(self, face: Events, client: Client, correlator: Correlator) -> None:
        self._face = face
        self._client = client
        self._correlator = correlator

    async def setup(self) -> None:
        self._face.attach(self.ref)

    async def teardown(self) -> None:
        self._face.attach(None)

    async def handle(self, message: Happened) -> None:
        match self._correlator.correlate(message, self.clock.now()):
            case Post() as post:
                await self._post(post)
            case Raise(namespace, name, patch, otherwise):
                try:
                    await self._client.patch(EVENTS, name, patch, PatchType.MERGE, namespace=namespace)
                except NotFound:
                    await self._post(otherwise)
                except ApiError as error:
                    log.warning("cannot count event reason=%s error=%s", message.reason, error.message)
            case None:
                pass

    async def _post(self, post: Post) -> None:
        namespace = post.event["metadata"]["namespace"]
        try:
            await self._client.create(EVENTS, post.event, namespace=namespace)
        except ApiError as error:
            self._correlator.forget(post.key)
            # A namespace that is going away takes no more events: nothing to tell anybody.
            level = logging.DEBUG if error.code in (403, 404) else logging.WARNING
            log.log(level, "cannot write event reason=%s error=%s", post.event["reason"], error.message)
