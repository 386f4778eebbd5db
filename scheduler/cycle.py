"""The scheduling cycle: the one owner of cache and queue.

Changes of pods and nodes arrive as messages; between two of them a batch of pods is placed, without waiting in between:
pop, choose a node, assume. Bindings run beside it in actors of their own and tell how they ended.
"""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from actors import Actor, ChildSpec, DeadRef, DynamicSupervisor, Ref, Restart, Timer
from machinery.client.api import Client
from machinery.client.resources import (
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    POD_DISRUPTION_BUDGETS,
    PODS,
)
from machinery.controller.recorder import Recorder
from machinery.errors import NotFound
from machinery.informer.informer import Informer, Informers
from machinery.informer.subscription import Change, Subscription
from machinery.objects import meta
from machinery.objects.gvk import GVR
from scheduler.binder import Binding, BindingEnded, Preempting
from scheduler.cache import Cache
from scheduler.config import Config
from scheduler.demand import PodInfo
from scheduler.diagnosis import Decision, Diagnosis
from scheduler.framework.registry import Listers, profile
from scheduler.intake import Intake
from scheduler.placement import Choice, Placement
from scheduler.preemption import Victims, preempt
from scheduler.queue import Queued, SchedulingQueue
from scheduler.queue_hints import Event
from scheduler.reporter import SCHEDULER_ERROR, UNSCHEDULABLE, Unscheduled

log = logging.getLogger(__name__)

STORAGE_CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")
DECISIONS = 4096


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes of one resource."""

    apply: Callable[[Sequence[Change]], None]
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Synced:
    """Nodes, pods and namespaces are known."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Schedule from now on."""


@dataclass(frozen=True, slots=True)
class Yield:
    """Another one schedules."""


@dataclass(frozen=True, slots=True)
class Wake:
    """There may be something to do."""


@dataclass(frozen=True, slots=True)
class Why:
    """Asks for the last `Decision` about a pod, None when there is none. `key` is `namespace/name`."""

    key: str


class Cycle(Actor):
    """See the module."""

    def __init__(
        self,
        config: Config,
        *,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        pool: Callable[[], DynamicSupervisor],
        reporter: Callable[[], Ref],
        leads: bool,
        synced: Callable[[], None],
        attached: Callable[[Ref], None],
    ) -> None:
        self._config = config
        self._client = client
        self._informers = informers
        self._recorder = recorder
        self._pool = pool
        self._reporter = reporter
        self._leads = leads
        self._on_synced = synced
        self._on_attached = attached
        self._synced = False
        self._cache = Cache()
        self._queue = SchedulingQueue(
            initial_backoff=config.pod_initial_backoff,
            max_backoff=config.pod_max_backoff,
            timeout=config.unschedulable_timeout,
        )
        self._decisions: OrderedDict[str, Decision] = OrderedDict()
        self._intake = Intake(
            config.scheduler_name,
            cache=self._cache,
            queue=self._queue,
            now=self._now,
            gone=self._forget_decision,
        )
        listers = Listers(
            claims=informers.store(PERSISTENT_VOLUME_CLAIMS).get,
            volumes=informers.store(PERSISTENT_VOLUMES).get,
            storage_classes=informers.store(STORAGE_CLASSES).get,
        )
        self._profile = profile(config.disabled_plugins, listers)
        self._placement = Placement(self._cache, self._profile)
        self._to_bind: deque[tuple[PodInfo, str]] = deque()
        self._binding: set[str] = set()  # uids of pods whose binding is under way
        self._serial = 0
        self._timer: Timer | None = None
        self._wake_told = False
        self._subscriptions: list[tuple[Informer, Subscription]] = []

    async def setup(self) -> None:
        self._on_attached(self.ref)
        needed = [
            self._follow(NODES, self._intake.nodes),
            self._follow(NAMESPACES, self._intake.namespaces),
            self._follow(PODS, self._intake.pods),
        ]
        for resource in (PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES):
            self._follow(resource, self._intake.storage)
        self.spawn(self._begin(needed), name="sync")

    async def teardown(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for informer, subscription in self._subscriptions:
            informer.unsubscribe(subscription)

    async def handle(self, message: Any) -> Any:
        match message:
            case Changed(apply, changes):
                apply(changes)
            case BindingEnded():
                self._binding_ended(message)
            case Synced():
                self._synced = True
                self._on_synced()
            case Wake():
                self._wake_told = False
            case Lead():
                self._leads = True
            case Yield():
                self._leads = False
            case Why(key):
                return self._decisions.get(key)
            case _:
                raise TypeError(f"unknown message {message!r}")
        if self._synced and self._leads:
            await self._place()
        return None

    # -- input

    def _follow(self, resource: GVR, apply: Callable[[Sequence[Change]], None]) -> Informer:
        informer = self._informers.of(resource)
        subscription = informer.subscribe()
        self._subscriptions.append((informer, subscription))
        self.spawn(self._feed(subscription, apply), name=f"feed-{resource.resource}")
        return informer

    async def _feed(self, subscription: Subscription, apply: Callable[[Sequence[Change]], None]) -> None:
        while True:
            await self.ref.tell(Changed(apply, await subscription.take()))

    async def _begin(self, needed: Sequence[Informer]) -> None:
        await self._informers.sync(*needed)
        # The feeders were subscribed first, so what the lists held is told before this.
        await self.ref.tell(Synced())
        others = (PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, POD_DISRUPTION_BUDGETS)
        await self._informers.sync(*(self._informers.of(resource) for resource in others))

    # -- placing

    async def _place(self) -> None:
        now = self._now()
        for _ in range(self._config.batch):
            queued = self._queue.pop(now)
            if queued is None:
                break
            self._try(queued, now)
        else:
            self._tell_wake()
        while self._to_bind and len(self._binding) < self._config.bindings:
            await self._start_binding(*self._to_bind.popleft())
        self._set_timer()

    def _try(self, queued: Queued, now: float) -> None:
        info = queued.info
        result = self._placement.choose(info)
        if isinstance(result, Choice):
            self._cache.assume(info, result.node_name)
            self._to_bind.append((info, result.node_name))
            self._decide(info, Decision(result.node_name, result.points, result.fitting, self._cache.columns.count))
            return
        self._unschedulable(queued, result, now)

    def _unschedulable(self, queued: Queued, diagnosis: Diagnosis, now: float) -> None:
        info = queued.info
        self._queue.unschedulable(queued, diagnosis.plugins, now)
        text, nominated = "", None
        if self._profile.preemption and diagnosis.nodes and not diagnosis.whole:
            budgets = list(self._informers.store(POD_DISRUPTION_BUDGETS).values())
            outcome = preempt(info, diagnosis, self._cache, self._placement, budgets)
            if isinstance(outcome, Victims):
                nominated = outcome.node_name
                self._cache.nominate(info, nominated)
                self._start_preemption(info, outcome)
            else:
                text = outcome
                if self._cache.nomination(info.key) and "not eligible" not in outcome:
                    self._cache.nominate(info, "")
                    nominated = ""
        message = diagnosis.message(text)
        self._decide(info, Decision(nodes=diagnosis.nodes, message=message))
        self._recorder.warning(info.object, "FailedScheduling", message)
        self._report(Unscheduled(info, UNSCHEDULABLE, message, nominated))

    def _decide(self, info: PodInfo, decision: Decision) -> None:
        self._decisions[info.key] = decision
        self._decisions.move_to_end(info.key)
        if len(self._decisions) > DECISIONS:
            self._decisions.popitem(last=False)

    def _forget_decision(self, key: str) -> None:
        self._decisions.pop(key, None)

    def _report(self, report: Unscheduled) -> None:
        with contextlib.suppress(DeadRef):  # the scheduler is ending
            self._reporter().tell_nowait(report)

    # -- binding

    async def _start_binding(self, info: PodInfo, node_name: str) -> None:
        if info.uid in self._binding or self._cache.get(info.key) is None:
            return  # deleted while it waited
        self._binding.add(info.uid)
        await self._start(f"bind:{info.key}", lambda: Binding(info, node_name, client=self._client, owner=self.ref))

    def _start_preemption(self, info: PodInfo, victims: Victims) -> None:
        make: Callable[[], Actor] = lambda: Preempting(  # noqa: E731 - a child's start
            info,
            victims.node_name,
            victims.pods,
            client=self._client,
            recorder=self._recorder,
            scheduler_name=self._config.scheduler_name,
        )
        self.spawn(self._start(f"preempt:{info.key}", make), name=f"preempt:{info.key}")

    async def _start(self, name: str, make: Callable[[], Actor]) -> None:
        self._serial += 1  # a pod may be bound again before the last actor for it has gone
        spec = ChildSpec(f"{name}:{self._serial}", start=make, restart=Restart.TEMPORARY)
        with contextlib.suppress(DeadRef):  # the pool is ending, and so are we
            await self._pool().start_child(spec)

    def _binding_ended(self, ended: BindingEnded) -> None:
        self._binding.discard(ended.uid)
        queued = self._queue.get(ended.key)
        mine = queued is not None and queued.info.uid == ended.uid
        placed = self._cache.get(ended.key)
        if ended.error is None:
            if mine and queued is not None:
                self._queue.remove(ended.key)
                namespace, name = meta.split_key(ended.key)
                text = f"Successfully assigned {namespace}/{name} to {ended.node_name}"
                self._recorder.normal(queued.info.object, "Scheduled", text)
            elif placed is not None and placed.info.uid == ended.uid:  # the watch was faster than the answer
                text = f"Successfully assigned {ended.key} to {ended.node_name}"
                self._recorder.normal(placed.info.object, "Scheduled", text)
            return
        if placed is not None and placed.assumed and placed.info.uid == ended.uid:
            self._cache.remove(ended.key)
            self._intake.happened(Event.POD_GONE)
        if not mine or queued is None:
            return
        if isinstance(ended.error, NotFound):
            self._queue.remove(ended.key)  # should it come back, the watch will tell
            return
        log.warning("binding failed pod=%s node=%s error=%s", ended.key, ended.node_name, ended.error.message)
        self._queue.retry(queued, self._now())
        message = f"binding rejected: {ended.error.message}"
        self._recorder.warning(queued.info.object, "FailedScheduling", message)
        self._report(Unscheduled(queued.info, SCHEDULER_ERROR, message))

    # -- waking

    def _now(self) -> float:
        return self.clock.monotonic()

    def _tell_wake(self) -> None:
        if not self._wake_told:
            with contextlib.suppress(DeadRef):
                self._wake_told = self.ref.tell_nowait(Wake())

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._queue.next_time()
        if at is not None:
            self._timer = self.clock.call_later(max(at - self.clock.monotonic(), 0.0), self._tell_wake)
