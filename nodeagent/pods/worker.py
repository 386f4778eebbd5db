"""One actor per pod: it makes the runtime do what the pod says, and the API say what the runtime does.

Messages only change what the worker knows; one background pass at a time acts on it: observe, plan, act, until there is
nothing left to do, then one status write. So a message never waits for a slow runtime, and what arrives during a pass
leads to one more pass. A pass that waits for a pull or a hook is given up when the pod is deleted.

The worker may crash at any point: the next one lists the pod's sandboxes and goes on from what is there.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from actors import Actor, MailboxSpec, Overflow
from actors.clock import Timer
from machinery.client.api import DeleteOptions
from machinery.client.resources import PODS
from machinery.errors import ApiError, Conflict, NotFound
from machinery.objects import meta, timefmt
from machinery.objects import pod as pods
from machinery.rpc import RpcError
from nodeagent.errors import MountError
from nodeagent.pods import hostfiles
from nodeagent.pods import plan as plans
from nodeagent.pods import status as statuses
from nodeagent.pods.context import NodeContext
from nodeagent.pods.ender import Ender, probe_grace
from nodeagent.pods.events import PodEvents
from nodeagent.pods.memory import Memory, Waiting
from nodeagent.pods.messages import Look, Message, PodChanged, PodGone, Tell, key
from nodeagent.pods.mirror import PodMirror
from nodeagent.pods.plan import Plan, Start
from nodeagent.pods.starter import Ground, Starter, sandbox_failure
from nodeagent.pods.watches import ProbeWatches
from nodeagent.probes.prober import Verdict
from nodeagent.runtime import config
from nodeagent.runtime.cri import ContainerEvent
from nodeagent.runtime.model import NOTHING, Container, Observed, State

Object = dict[str, Any]

SLOW_STEP = 0.5
"""Seconds after which a pass that still waits for the same thing tells the API how far it is."""
REFRESH = 60.0
"""Seconds between looks at volumes whose content may change."""
FIRST_RETRY, LAST_RETRY = 0.25, 120.0


class PodWorker(Actor):
    """See the module. `sandboxes`: ids of the pod's sandboxes, newest first; None to ask the runtime for them."""

    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=256, overflow=Overflow.COALESCE, key=key)

    def __init__(self, node: NodeContext, pod: Object, sandboxes: Iterable[str] | None) -> None:
        self._node = node
        self._mirror = PodMirror(pod)
        self._uid = meta.uid(pod)
        self._sandboxes = None if sandboxes is None else list(sandboxes)
        self._memory = Memory()
        self._memory.adopt(pods.status(pod))
        self._starter = Starter(node, self._memory)
        self._ender = Ender(node)
        self._observed = NOTHING
        self._waiting: dict[str, Waiting] = {}
        self._gone = False
        self._pass: asyncio.Task[None] | None = None
        self._again = False
        self._giving_up = False
        self._interruptible = False
        self._timer: Timer | None = None
        self._retry = 0.0
        self._progress_at = 0.0
        self._slow: Timer
        self._sandbox_config: Any = None
        self._volumes: Mapping[str, Path] | None = None
        self._volumes_at = 0.0

    async def setup(self) -> None:
        self._events = PodEvents(self._node.recorder, self._pod)
        self._probes = ProbeWatches(self._node.prober, self._memory, self.spawn, self.ref, self._events)
        self._kick()

    async def teardown(self) -> None:
        self._cancel_timer()

    async def handle(self, message: Message) -> None:
        match message:
            case PodChanged(pod):
                self._take(pod)
            case PodGone():
                self._gone = True
                self._give_up_waiting()
                self._kick()
            case ContainerEvent():
                if self._is_news(message):
                    self._kick()
            case Verdict():
                self._judge(message)
                self._kick()
            case Look():
                self._kick()
            case Tell():
                if self._pass is not None:
                    await self._write_status()

    # what the worker knows

    @property
    def _pod(self) -> Object:
        """The newest state that the API is known to hold."""
        return self._mirror.pod

    def _take(self, pod: Object) -> None:
        """A newer state of the pod. Our own writes come back this way and change nothing."""
        old = self._pod
        if self._mirror.take(pod):
            if pods.is_terminal(pod):  # another decided that the pod is at its end, which is final
                self._memory.end(
                    pods.phase(pod), pods.status(pod).get("reason", ""), pods.status(pod).get("message", "")
                )
            self._kick()
        if meta.is_deleting(pod):
            self._give_up_waiting()
        if pods.spec(old) != pods.spec(pod) or _identity(old) != _identity(pod):
            self._kick()

    def _give_up_waiting(self) -> None:
        """Stop waiting for what a deleted pod no longer needs."""
        if self._interruptible and self._pass is not None and not self._giving_up:
            self._giving_up = True
            self._pass.cancel()

    def _is_news(self, event: ContainerEvent) -> bool:
        """Whether an event tells more than was seen when the container was started or stopped."""
        seen = next((each for each in self._observed.containers if each.id == event.container_id), None)
        if event.stopped:
            return seen is None or not seen.exited
        return not event.deleted and (seen is None or seen.state is State.CREATED)

    def _judge(self, verdict: Verdict) -> None:
        memory, id = self._memory, verdict.container_id
        if verdict.kind == "readiness":
            (memory.ready.add if verdict.ok else memory.ready.discard)(id)
        elif not verdict.ok:
            memory.unhealthy[id] = f"Container {verdict.container} failed {verdict.kind} probe, will be restarted"
        elif verdict.kind == "startup":
            memory.started.add(id)

    # passes

    def _kick(self) -> None:
        if self._pass is not None:
            self._again = True
            return
        self._cancel_timer()
        self._pass = self.spawn(self._run(), name="pass")

    async def _run(self) -> None:
        self._progress()
        self._slow = self.clock.call_later(SLOW_STEP, self._tell_slow)
        try:
            while True:
                self._again = False
                await self._step()
                if not self._again:
                    break
        except asyncio.CancelledError:
            if not self._giving_up:
                raise
        finally:
            self._slow.cancel()
            self._pass = None
            self._sandbox_config = None
        if self._giving_up:
            self._giving_up = False
            self._kick()

    def _progress(self) -> None:
        """Something was done. On a busy machine a pass may be long without any of its steps being slow."""
        self._progress_at = self.clock.monotonic()

    def _tell_slow(self) -> None:
        left = self._progress_at + SLOW_STEP - self.clock.monotonic()
        if left > 0.001:
            self._slow = self.clock.call_later(left, self._tell_slow)
        elif self.ref.alive:
            self.ref.tell_nowait(Tell())

    async def _step(self) -> None:
        try:
            self._progress()
            await self._observe()
            self._progress()
            if self._gone or meta.is_deleting(self._pod):
                await self._terminate()
                return
            await self._converge()
            self._retry = 0.0
        except MountError as error:
            self._events.warning("FailedMount", str(error))
            self._look_after(self._next_retry())
        except RpcError as error:
            self.log.warning("runtime failed pod=%s error=%s", meta.key(self._pod), error)
            self._events.warning("FailedSync", f"error determining status: {error.message}")
            self._look_after(self._next_retry())
        except ApiError as error:
            self.log.info("api failed pod=%s error=%s", meta.key(self._pod), error.message)
            self._look_after(self._next_retry())
        await self._write_status()

    async def _observe(self) -> None:
        cri = self._node.cri
        if self._sandboxes is None:
            self._sandboxes = [each.id for each in await cri.sandboxes() if each.pod.uid == self._uid]
        if self._sandboxes:
            before = self._observed
            self._observed = await self._with_messages(await cri.observe(self._sandboxes), before)
            self._sandboxes = [each.id for each in self._observed.sandboxes]
            self._tell_ends(before)

    def _tell_ends(self, before: Observed) -> None:
        ended = {each.id for each in before.containers if each.exited}
        for each in self._observed.containers:
            if each.exited and each.id not in ended:
                self._node.ended(each.id)

    async def _with_messages(self, observed: Observed, before: Observed) -> Observed:
        """Add what ended containers left in their termination message files."""
        if not self._node.files:
            return observed
        known = {each.id: each for each in before.containers if each.exited}
        result: list[Container] = []
        for each in observed.containers:
            if each.exited and each.id in known:
                each = known[each.id]
            elif each.exited:
                policy = (plans.spec_named(self._pod, each.name) or {}).get("terminationMessagePolicy") or "File"
                said = await hostfiles.termination_message(self.clock, each, policy)
                each = dataclasses.replace(each, message=said or each.message)
            result.append(each)
        return Observed(observed.sandboxes, tuple(result))

    async def _converge(self) -> None:
        while True:
            self._check_deadline()
            plan = plans.make(self._pod, self._observed, self._memory, self._now())
            self._note_waiting(plan)
            if plan.finished:
                await self._finish_pod()
                break
            if plan.new_sandbox is not None:
                if not await self._make_sandbox(plan.new_sandbox):
                    return
            elif plan.start or plan.kill:
                await self._act(plan)
            else:
                break
            self._progress()
            await self._observe()
            self._progress()
            if self._gone or meta.is_deleting(self._pod):
                self._again = True
                return
        self._probes.watch(self._pod, self._observed, self._ip())
        await self._refresh_volumes()
        self._plan_next_look(plan)

    def _note_waiting(self, plan: Plan) -> None:
        for name, waiting in plan.waiting.items():
            if waiting.reason == "CrashLoopBackOff" and self._waiting.get(name) != waiting:
                said = f"Back-off restarting failed container {name} in pod {plans.full_name(self._pod)}"
                self._events.warning("BackOff", said, container=plans.spec_named(self._pod, name))
        self._waiting = plan.waiting

    def _check_deadline(self) -> None:
        left = self._deadline_left()
        if left is not None and left <= 0 and not self._memory.terminal:
            said = "Pod was active on the node longer than the specified deadline"
            self._events.normal("DeadlineExceeded", said)
            self._memory.end("Failed", "DeadlineExceeded", said)

    def _deadline_left(self) -> float | None:
        limit = pods.spec(self._pod).get("activeDeadlineSeconds")
        begun = timefmt.parse_optional(pods.status(self._pod).get("startTime"))
        if limit is None:
            return None
        return float(limit) if begun is None else begun.timestamp() + limit - self._now()

    async def _make_sandbox(self, attempt: int) -> bool:
        """A new sandbox in place of the old; False when the runtime could not, and it is to be tried again."""
        old = self._observed.sandbox
        if old is not None:
            self._events.normal("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
            await self._node.cri.stop_sandbox(old.id)
        if self._volumes is None:
            await self._set_up_volumes()
        made = self._config_of(attempt)
        handler = str(pods.spec(self._pod).get("runtimeClassName") or "")
        try:
            sandbox_id = await self._node.cri.run_sandbox(made, handler=handler)
        except RpcError as error:
            self._events.warning("FailedCreatePodSandBox", sandbox_failure(error))
            self._look_after(max(1.0, self._next_retry()))
            return False
        self._sandboxes = [sandbox_id, *(self._sandboxes or ())]
        return True

    async def _act(self, plan: Plan) -> None:
        for kill in plan.kill:
            await self._ender.stop(
                self._pod,
                kill.container,
                ip=self._ip(),
                grace=probe_grace(self._pod, kill.container, kill.message),
                message=kill.message,
                events=self._events,
            )
            self._memory.unhealthy.pop(kill.container.id, None)
        if plan.start:
            if self._volumes is None:
                await self._set_up_volumes()
            ground = self._ground()
            for start in plan.start:
                await self._start(ground, start)

    async def _start(self, ground: Ground, start: Start) -> None:
        last = self._observed.latest(start.name)
        self._interruptible = True
        try:
            await self._starter.start(ground, start, last, self._events)
        finally:
            self._interruptible = False

    def _ground(self) -> Ground:
        sandbox = self._observed.sandbox
        assert sandbox is not None, "containers are planned only into a sandbox"
        made = self._config_of(sandbox.attempt)
        return Ground(self._pod, sandbox.id, made, self._ips(), self._volumes or {})

    def _config_of(self, attempt: int) -> Any:
        """The sandbox's configuration, made once for all steps of a pass."""
        if self._sandbox_config is None or self._sandbox_config.metadata.attempt != attempt:
            directory = self._node.log_directory(self._pod)
            self._sandbox_config = config.sandbox_config(
                self._pod, attempt=attempt, log_directory=directory, dns=self._node.dns
            )
        return self._sandbox_config

    async def _set_up_volumes(self) -> None:
        self._volumes = await self._node.volumes.set_up(self._pod, self._node.sources(self._pod, self._ips()))
        self._volumes_at = self.clock.monotonic()

    async def _refresh_volumes(self) -> None:
        if self._memory.terminal or not self._node.files:
            return
        adopted = self._volumes is None and bool(self._observed.running())
        if adopted or (self._volumes and self.clock.monotonic() - self._volumes_at >= REFRESH):
            await self._set_up_volumes()

    async def _finish_pod(self) -> None:
        """Nothing will run again: stop what is left, decide how it ended."""
        self._probes.stop()
        if running := self._observed.running():
            await self._stop_all(running, pods.grace_seconds(self._pod))
            await self._observe()
        self._memory.end(statuses.terminal_phase(self._pod, self._observed))
        await self._stop_sandboxes()

    async def _stop_sandboxes(self) -> None:
        for sandbox in self._observed.sandboxes:
            if sandbox.ready:
                await self._node.cri.stop_sandbox(sandbox.id)
        ended = tuple(dataclasses.replace(each, ready=False) for each in self._observed.sandboxes)
        self._observed = Observed(ended, self._observed.containers)

    # the end

    async def _terminate(self) -> None:
        """Stop everything, tell how it ended, and let the API forget the pod."""
        self._probes.stop()
        if running := self._observed.running():
            await self._stop_all(running, self._grace())
            await self._observe()
            if self._observed.running():
                self._look_after(max(1.0, self._next_retry()))
                return
        self._waiting = {}
        self._memory.end(statuses.terminal_phase(self._pod, self._observed))
        await self._stop_sandboxes()
        if not self._gone:
            await self._write_status()
            await self._delete()
        for sandbox_id in self._sandboxes or ():
            await self._node.cri.remove_sandbox(sandbox_id)
        await self._node.volumes.tear_down(self._uid, logs=Path(self._node.log_directory(self._pod)))
        self._again = False
        self.finish()

    def _grace(self) -> int:
        given = meta.metadata(self._pod).get("deletionGracePeriodSeconds")
        return pods.grace_seconds(self._pod) if given is None else int(given)

    async def _stop_all(self, running: list[Container], grace: int) -> None:
        """Regular containers at once, then sidecars from the last to the first (KEP 753)."""
        order = [each["name"] for each in pods.init_containers(self._pod) if pods.is_sidecar(each)]
        sidecars = sorted((each for each in running if each.name in order), key=lambda each: -order.index(each.name))
        stops = [
            self.spawn(self._stop(each, grace), name=f"stop {each.name}") for each in running if each not in sidecars
        ]
        began = self.clock.monotonic()
        for stop in stops:
            await stop
        for each in sidecars:
            await self._stop(each, max(0, grace - int(self.clock.monotonic() - began)))

    async def _stop(self, container: Container, grace: int) -> None:
        await self._ender.stop(self._pod, container, ip=self._ip(), grace=grace, message="", events=self._events)

    async def _delete(self) -> None:
        options = DeleteOptions(grace_period_seconds=0, uid=self._uid)
        try:
            await self._node.client.delete(
                PODS, meta.name(self._pod), namespace=meta.namespace(self._pod), options=options
            )
        except (NotFound, Conflict):
            self._gone = True

    # the status

    async def _write_status(self) -> None:
        """Tell the API what is so, when that changed."""
        if self._gone:
            return
        try:
            if await self._mirror.write(self._node.client, self._status):
                self._kick()
        except ApiError as error:
            self.log.info("status not written pod=%s error=%s", meta.key(self._pod), error.message)
            self._look_after(self._next_retry())

    def _status(self) -> Object:
        view = statuses.View(self._observed, self._memory, self._waiting)
        return statuses.make(self._pod, view, self._node.facts(), self.clock.now())

    # time

    def _plan_next_look(self, plan: Plan) -> None:
        waits = [plan.wake_after, self._deadline_left()]
        if self._volumes and not self._memory.terminal:
            waits.append(REFRESH)
        if due := [each for each in waits if each is not None and not self._memory.terminal]:
            self._look_after(min(due))

    def _look_after(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = self.clock.call_later(max(seconds, 0.001), self._look)

    def _look(self) -> None:
        self._timer = None
        if self.ref.alive:
            self.ref.tell_nowait(Look())

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next_retry(self) -> float:
        self._retry = min(max(2 * self._retry, FIRST_RETRY), LAST_RETRY)
        return self._retry

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _ips(self) -> tuple[str, ...]:
        return tuple(statuses.pod_ips(self._pod, self._observed, self._node.facts()))

    def _ip(self) -> str:
        ips = self._ips()
        return ips[0] if ips else ""


def _identity(pod: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of the metadata the worker acts on."""
    held = meta.metadata(pod)
    return (
        held.get("deletionTimestamp"),
        held.get("deletionGracePeriodSeconds"),
        held.get("labels"),
        held.get("annotations"),
    )
