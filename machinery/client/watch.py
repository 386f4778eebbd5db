"""Following a resource for good: list, watch from there, watch again, list again when the past is gone.

`Ladder` decides (pure: no clock, no I/O), `follow` drives it. The rungs, after client-go's reflector:

    LIST ──listed(rv)──► WATCH ──ended──► WATCH from the last resourceVersion
      ▲                    │
      └───── 410 ──────────┘            any other failure: wait (0.05 s doubling to 30 s), then the same rung again

The first list asks the watch cache (`resourceVersion=0`); later ones ask for nothing older than what was seen, so that
a lagging server never takes us back in time; after a 410 on a list the newest state is asked for (`""`). Bookmarks only
move the resourceVersion. The wait is forgotten once a watch has delivered something.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from actors import Clock
from machinery.client.api import Client, Object
from machinery.errors import ApiError, Gone
from machinery.objects.gvk import GVR

log = logging.getLogger(__name__)

FIRST_WAIT = 0.05
LAST_WAIT = 30.0
WATCH_SECONDS = 300
"""A watch is asked for this long, up to twice as long by chance, so that the servers behind a name share the load."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The whole state, from a list: what is not in it is gone."""

    objects: Sequence[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One object as it now is; `deleted` when this was its last state."""

    object: Object
    deleted: bool
    resource_version: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """Nothing changed up to this resourceVersion (a bookmark)."""

    resource_version: str


Step = Replaced | Changed | Progressed


@dataclass(frozen=True, slots=True)
class List:
    """Next: list with this resourceVersion ("" newest, "0" any), after so many seconds."""

    resource_version: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Next: watch from this resourceVersion, after so many seconds."""

    resource_version: str
    wait: float = 0.0


class Ladder:
    """What to do next. One of these belongs to one follower."""

    def __init__(self, *, seed: str) -> None:
        self._random = random.Random(seed)
        self._resource_version = ""
        self._expired = False
        self._listing = True
        self._failures = 0

    @property
    def resource_version(self) -> str:
        """The last one seen; "" before the first list."""
        return self._resource_version

    def next(self) -> List | Watch:
        """The rung we stand on."""
        wait = self._wait()
        if not self._listing:
            return Watch(self._resource_version, wait)
        if self._expired:
            return List("", wait)
        return List(self._resource_version or "0", wait)

    def listed(self, resource_version: str) -> None:
        """A list came in whole."""
        self._resource_version = resource_version
        self._listing = False
        self._expired = False

    def seen(self, resource_version: str) -> None:
        """A watch delivered an event or a bookmark."""
        self._resource_version = resource_version
        self._failures = 0

    def ended(self, *, delivered: bool) -> None:
        """A watch ended without an error. One that delivered nothing may be a server that is going away."""
        self._failures = 0 if delivered else self._failures + 1

    def failed(self, error: ApiError) -> None:
        """The list or the watch raised. What is too old cannot be asked for again: only the newest state will do."""
        if not isinstance(error, Gone) or self._listing:
            self._failures += 1
        if isinstance(error, Gone):
            self._listing = self._expired = True

    def _wait(self) -> float:
        if self._failures == 0:
            return 0.0
        wait = min(FIRST_WAIT * 2.0 ** min(self._failures - 1, 20), LAST_WAIT)
        return wait * (1.0 + 0.5 * self._random.random())

    def watch_seconds(self) -> int:
        """How long the next watch is asked for."""
        return int(WATCH_SECONDS * (1.0 + self._random.random()))


async def follow(
    client: Client,
    resource: GVR,
    *,
    clock: Clock,
    namespace: str = "",
    label_selector: str = "",
    field_selector: str = "",
) -> AsyncIterator[Step]:
    """The state of a resource and then every change to it, in order, without end.

    The first step is `Replaced`, and so is every step after which a change could have been missed. ApiErrors are logged
    and tried again, for ever; anything else is raised.
    """
    ladder = Ladder(seed=f"{resource}/{namespace}/{label_selector}/{field_selector}")
    while True:
        rung = ladder.next()
        if rung.wait:
            await clock.sleep(rung.wait)
        try:
            if isinstance(rung, List):
                page = await client.list(
                    resource,
                    namespace=namespace,
                    label_selector=label_selector,
                    field_selector=field_selector,
                    resource_version=rung.resource_version,
                )
                ladder.listed(page.resource_version)
                yield Replaced(page.items, page.resource_version)
                continue
            delivered = False
            events = client.watch(
                resource,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                resource_version=rung.resource_version,
                allow_bookmarks=True,
                timeout_seconds=ladder.watch_seconds(),
            )
            async with contextlib.aclosing(events) as watch:  # type: ignore[type-var]  # every client's is a generator
                async for event in watch:
                    delivered = True
                    version = str((event.object.get("metadata") or {}).get("resourceVersion") or "")
                    ladder.seen(version)
                    if event.type == "BOOKMARK":
                        yield Progressed(version)
                    else:
                        yield Changed(event.object, event.type == "DELETED", version)
            ladder.ended(delivered=delivered)
        except Gone as error:
            log.info("resource version expired, listing again resource=%s reason=%s", resource, error.message)
            ladder.failed(error)
        except ApiError as error:
            log.warning(
                "cannot follow resource, will retry resource=%s code=%d error=%s", resource, error.code, error.message
            )
            ladder.failed(error)


async def states(
    client: Client,
    resource: GVR,
    *,
    clock: Clock,
    namespace: str = "",
    label_selector: str = "",
    field_selector: str = "",
) -> AsyncGenerator[Object, None]:
    """Every object as it is and then as it becomes, without end, for who waits until one is as it should be.

    Some come more than once in the same state. Deletions are left out: `follow` tells of them. Raises as `follow`."""
    selection = {"namespace": namespace, "label_selector": label_selector, "field_selector": field_selector}
    async with contextlib.aclosing(follow(client, resource, clock=clock, **selection)) as steps:  # type: ignore[type-var]  # it is a generator
        async for step in steps:
            match step:
                case Replaced(items):
                    for obj in items:
                        yield obj
                case Changed(obj, False):
                    yield obj
