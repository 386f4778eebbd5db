"""A controller as data: what it is called, what it watches, how its reconciler is made.

A whole controller is one file that ends in its SPEC:

    class PodLabels:
        def __init__(self, context: ControllerContext) -> None:
            self._client = context.client
            self._pods = context.informers.store(PODS)

        async def reconcile(self, key: str) -> Outcome:
            pod = self._pods.get(key)                  # from the cache, read-only
            if pod is None or meta.is_deleting(pod):
                return DONE
            await self._client.patch(PODS, ...)        # ApiErrors just propagate: they are retried
            return DONE                                # or RequeueAfter(30.0)

    SPEC = ControllerSpec("pod-labels", make=PodLabels, watches=(Watch(PODS),), workers=5)

and one line in a registry. Watches fill the caches before the first `reconcile`; a mapper turns each change into keys
(default: the object's own). A reconciler that needs a cache without being woken by it watches it with `mapper=nothing`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors import Clock
from machinery.client.api import Client
from machinery.controller.mapping import Mapper, itself
from machinery.controller.ratelimit import DEFAULT, RateLimit
from machinery.controller.reconcile import Reconciler
from machinery.controller.recorder import Recorder
from machinery.informer import Change, Indexer, Informers
from machinery.objects.gvk import GVR


def nothing(change: Change, informers: Informers) -> Iterable[str]:
    """The mapper of a watch that only fills a cache."""
    return ()


@dataclass(frozen=True, slots=True)
class Watch:
    """One resource that a controller follows.

    mapper: from a change to keys. when: a change that it refuses is not mapped at all.
    indexes: indexes that the reconciler reads this resource by (`informers.store(gvr).by_index(name, value)`).
    namespace, label_selector, field_selector: restrict the cache; the reconciler then gets it by
        `informers.of(gvr, namespace=..., ...)`.
    """

    resource: GVR
    mapper: Mapper = itself
    when: Callable[[Change], bool] | None = None
    indexes: Mapping[str, Indexer] = field(default_factory=dict)
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""


@dataclass(frozen=True, slots=True)
class ControllerContext:
    """What a controller gets to work with.

    config: the unit's settings, `ControllerSpec.config` with what the operator changed.
    enqueue: put a key into the controller's own queue, now or after so many seconds.
    spawn: run a background task that belongs to the controller; what it raises fails the controller.
    follow: watch one more resource from now on, for loops that learn only at run time what they need; returns when
        its cache is filled. Following the same Watch again changes nothing.
    """

    client: Client
    clock: Clock
    informers: Informers
    recorder: Recorder
    config: Mapping[str, Any]
    log: logging.LoggerAdapter[logging.Logger]
    enqueue: Callable[[str, float], None]
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[Any]]
    follow: Callable[[Watch], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class ControllerSpec:
    """One controller.

    name: the unit's name, as kube-controller-manager's `--controllers` knows it without `-controller`.
    make: called with the context for every start; no I/O (that belongs in `start` or `reconcile`).
    workers: how many keys are worked on at the same time.
    after: units that become active before this one is started; units that are absent or off do not matter.
    keys: queued when the controller starts, for loops that look at everything: they answer RequeueAfter(period).
    aliases: other names that it is switched on and off by.
    enabled: whether it runs when nobody says so.
    component: the source of its Events; "NAME-controller" by default.
    watchdog: seconds that one reconcile may take before the unit is taken for hung and restarted; 0 never.
    config: its settings and their defaults.
    """

    name: str
    make: Callable[[ControllerContext], Reconciler]
    watches: tuple[Watch, ...] = ()
    workers: int = 5
    after: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    description: str = ""
    component: str = ""
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    rate_limit: RateLimit = DEFAULT
    watchdog: float = 300.0
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or self.workers < 1:
            raise ValueError(f"a controller needs a name and at least one worker: {self.name!r}, {self.workers}")

    @property
    def source(self) -> str:
        """The component its Events name."""
        return self.component or f"{self.name}-controller"
