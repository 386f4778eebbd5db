"""The actor that runs one controller: changes → queue → workers → what follows.

    informers ──changes──► sources ──keys──► queue ──► N workers ──► reconcile
                                              ▲                        │ Done: forget
                                              └── RequeueAfter, errors ┘ TerminalError: forget and say so

A reconcile that raises is that key's failure: it is logged and tried again later, and the other keys go on. What fails
outside of reconciles (a mapper, `start`, the watchdog) crashes the actor, and whoever supervises it decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from actors import Actor
from machinery.client.api import Client
from machinery.controller.reconcile import Done, Reconciler, RequeueAfter, Startable, TerminalError
from machinery.controller.recorder import Recorder
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.controller.workqueue import ShutDown, WorkQueue
from machinery.errors import ApiError, Conflict
from machinery.informer import Informer, Informers, Subscription

FIRST_START_WAIT = 0.1
LAST_START_WAIT = 30.0


class WatchdogExpired(Exception):
    """A reconcile took longer than the controller's watchdog allows."""

    def __init__(self, key: str, seconds: float) -> None:
        super().__init__(f"reconcile of {key!r} has not returned for {seconds:g}s")
        self.key = key


@dataclass(slots=True)
class ControllerStats:
    """What a controller has done; outlives its restarts when the same object is passed again."""

    reconciles: int = 0
    errors: int = 0
    queue_depth: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What all controllers of a process share, and what differs from one to the other.

    changed: called with (active, sub-state) as the controller gets on; must not wait.
    """

    client: Client
    informers: Informers
    recorder: Recorder
    config: Mapping[str, Any]
    log: logging.LoggerAdapter[logging.Logger]
    stats: ControllerStats
    changed: Callable[[bool, str], None] = lambda active, sub_state: None


class Controller(Actor):
    """One run of one controller. Takes no messages."""

    def __init__(self, spec: ControllerSpec, environment: Environment) -> None:
        self._spec = spec
        self._env = environment
        self._queue: WorkQueue | None = None
        self._subscriptions: list[tuple[Informer, Subscription]] = []
        self._followed: set[tuple[object, ...]] = set()
        self._busy: dict[str, float] = {}  # key -> since when a worker has it

    async def setup(self) -> None:
        self._queue = WorkQueue(self.clock, self._spec.rate_limit)
        self.spawn(self._run(self._queue), name="run")

    async def teardown(self) -> None:
        for informer, subscription in self._subscriptions:
            informer.unsubscribe(subscription)
        if self._queue is not None:
            self._queue.close()
        self._env.stats.queue_depth = 0

    async def _run(self, queue: WorkQueue) -> None:
        spec, env = self._spec, self._env
        watched = [(watch, self._informer(watch)) for watch in spec.watches]
        reconciler = spec.make(self._context(queue))
        env.changed(False, "syncing caches")
        await env.informers.sync(*(informer for _, informer in watched))
        if isinstance(reconciler, Startable):
            env.changed(False, "starting")
            await self._start(reconciler)
        for watch, informer in watched:
            self._subscribe(watch, informer, queue)
        for key in spec.keys:
            queue.add(key)
        for number in range(spec.workers):
            self.spawn(self._work(reconciler, queue), name=f"worker {number}")
        if spec.watchdog > 0:
            self.spawn(self._watch_over(), name="watchdog")
        env.changed(True, f"running {spec.workers} worker{'s' if spec.workers > 1 else ''}")

    async def _start(self, reconciler: Startable) -> None:
        """A server that does not answer yet is no reason to crash: that part is tried until it works."""
        wait = FIRST_START_WAIT
        while True:
            try:
                await reconciler.start()
            except ApiError as error:
                self._env.log.warning("cannot start yet, will retry in=%.1fs error=%s", wait, error.message)
                await self.clock.sleep(wait)
                wait = min(wait * 2.0, LAST_START_WAIT)
            else:
                return

    def _context(self, queue: WorkQueue) -> ControllerContext:
        def spawn(coroutine: Coroutine[Any, Any, None], name: str) -> Any:
            return self.spawn(coroutine, name=name)

        async def follow(watch: Watch) -> None:
            informer = self._informer(watch)
            await self._env.informers.sync(informer)
            mark = (informer.selection, watch.mapper)
            if mark not in self._followed:
                self._followed.add(mark)
                self._subscribe(watch, informer, queue)

        env = self._env
        return ControllerContext(
            client=env.client,
            clock=self.clock,
            informers=env.informers,
            recorder=env.recorder,
            config={**self._spec.config, **env.config},
            log=env.log,
            enqueue=queue.add_after,
            spawn=spawn,
            follow=follow,
        )

    def _informer(self, watch: Watch) -> Informer:
        informer = self._env.informers.of(
            watch.resource,
            namespace=watch.namespace,
            label_selector=watch.label_selector,
            field_selector=watch.field_selector,
        )
        for name, indexer in watch.indexes.items():
            informer.add_index(name, indexer)
        return informer

    def _subscribe(self, watch: Watch, informer: Informer, queue: WorkQueue) -> None:
        subscription = informer.subscribe()
        self._subscriptions.append((informer, subscription))
        self.spawn(self._source(watch, subscription, queue), name=f"source {watch.resource.resource}")

    async def _source(self, watch: Watch, subscription: Subscription, queue: WorkQueue) -> None:
        informers, mapper, when, add = self._env.informers, watch.mapper, watch.when, queue.add
        while True:
            for change in await subscription.take():
                if when is None or when(change):
                    for key in mapper(change, informers):
                        add(key)

    async def _work(self, reconciler: Reconciler, queue: WorkQueue) -> None:
        env, stats, busy = self._env, self._env.stats, self._busy
        while True:
            try:
                key = await queue.get()
            except ShutDown:
                return
            busy[key] = self.clock.monotonic()
            stats.queue_depth = len(queue)
            stats.reconciles += 1
            try:
                outcome = await reconciler.reconcile(key)
            except TerminalError as error:
                queue.forget(key)
                stats.errors += 1
                stats.last_error = f"{key}: {error}"
                env.log.error("reconcile gave up key=%s error=%s", key, error)
            except Conflict as error:  # the cache was behind: that is how optimistic writing works, and no error
                wait = queue.retry(key)
                env.log.debug("reconcile met a newer object, will retry key=%s in=%.3fs: %s", key, wait, error.message)
            except ApiError as error:
                stats.errors += 1
                stats.last_error = f"{key}: {error.message}"
                wait = queue.retry(key)
                env.log.warning("reconcile failed, will retry key=%s in=%.3fs error=%s", key, wait, error.message)
            except Exception as error:  # a bug met by one object must not end the loop for all others
                stats.errors += 1
                stats.last_error = f"{key}: {error!r}"
                wait = queue.retry(key)
                env.log.error("reconcile raised, will retry key=%s in=%.3fs", key, wait, exc_info=error)
            else:
                queue.forget(key)
                match outcome:
                    case RequeueAfter(seconds):
                        queue.add_after(key, seconds)
                    case Done():
                        pass
            finally:
                del busy[key]
                queue.done(key)

    async def _watch_over(self) -> None:
        limit = self._spec.watchdog
        while True:
            await self.clock.sleep(limit / 2)
            now = self.clock.monotonic()
            for key, since in self._busy.items():
                if now - since >= limit:
                    raise WatchdogExpired(key, now - since)
