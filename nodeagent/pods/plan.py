"""What to do next for a pod: from what is wanted and what is observed to actions. Pure.

The order is kubelet's: a sandbox; init containers one after the other, of which sidecars (restartPolicy Always) are
only awaited until they have started; then all regular containers at once. A pod of which nothing
runs again is finished.

A plan is made again after its actions were carried out, until it is empty: it never looks more than one step ahead.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from machinery.objects import meta, timefmt
from machinery.objects import pod as pods
from nodeagent.pods.backoff import Backoff
from nodeagent.pods.memory import Memory, Waiting
from nodeagent.runtime.model import Container, Observed, Sandbox, State

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """Start this container. kind: init, sidecar, app or ephemeral."""

    spec: Spec
    kind: str
    attempt: int

    @property
    def name(self) -> str:
        return str(self.spec["name"])


@dataclass(frozen=True, slots=True)
class Kill:
    """Stop this container; `message` is the event's text."""

    container: Container
    message: str


@dataclass(slots=True)
class Plan:
    """The next step. Everything empty: nothing to do now."""

    new_sandbox: int | None = None
    """Make a sandbox with this attempt number (and stop the one before)."""
    start: list[Start] = field(default_factory=list)
    kill: list[Kill] = field(default_factory=list)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    """Containers that are held back, and why."""
    wake_after: float | None = None
    """Seconds after which the plan changes by itself."""
    finished: bool = False
    """Nothing of the pod will run again: stop what is left."""

    def wake(self, seconds: float) -> None:
        self.wake_after = seconds if self.wake_after is None else min(self.wake_after, seconds)


def spec_hash(container: Spec) -> str:
    """What a container is made from, as far as it may change in a pod that exists: its image."""
    return f"{zlib.crc32(str(container.get('image')).encode()):x}"


def usable(pod: Mapping[str, Any], sandbox: Sandbox | None) -> bool:
    """Whether containers can be put into it: it is up and has its network."""
    return sandbox is not None and sandbox.ready and (bool(sandbox.ips) or pods.host_network(pod))


def should_restart(pod: Mapping[str, Any], container: Spec, seen: Container) -> bool:
    """Whether a container that is not running is to run again: its own rules first, then the pod's policy."""
    if seen.state in (State.CREATED, State.UNKNOWN):
        return True
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        inside = seen.exit_code in (codes.get("values") or ())
        if inside == (codes.get("operator") == "In"):
            return bool(rule.get("action") == "Restart")
    policy = container.get("restartPolicy") or pods.restart_policy(pod)
    if policy == "OnFailure":
        return seen.failed
    return bool(policy == "Always")


def make(pod: Mapping[str, Any], observed: Observed, memory: Memory, now: float) -> Plan:
    """The next step for a pod that nobody deleted. `now` is in seconds since the epoch."""
    plan = Plan()
    if memory.terminal:
        plan.finished = True
        return plan
    sandbox = observed.sandbox
    if not usable(pod, sandbox) or sandbox is None:
        _plan_sandbox(plan, pod, observed)
        return plan
    here = Observed((sandbox,), tuple(each for each in observed.containers if each.sandbox_id == sandbox.id))
    begun = any(here.latest(each["name"]) is not None for each in pods.containers(pod))
    if begun:
        for sidecar in filter(pods.is_sidecar, pods.init_containers(pod)):
            _keep_running(plan, pod, sidecar, "sidecar", here, memory, now)
    elif not _initialized(plan, pod, here, memory, now):
        return plan
    _plan_regular(plan, pod, observed, memory, now)
    for each in pods.ephemeral_containers(pod):
        if observed.latest(each["name"]) is None:
            _start(plan, pod, each, "ephemeral", None, memory, now)
    return plan


def _plan_sandbox(plan: Plan, pod: Mapping[str, Any], observed: Observed) -> None:
    """A new sandbox, unless nothing would run in it."""
    regular = pods.containers(pod)
    seen = [(each, observed.latest(each["name"])) for each in regular]
    if observed.sandbox is not None and any(container is not None for _, container in seen):
        never = pods.restart_policy(pod) == "Never"
        if never or not any(last is None or _would_restart(pod, each, last) for each, last in seen):
            plan.finished = True
            return
    plan.new_sandbox = 0 if observed.sandbox is None else observed.sandbox.attempt + 1


def _would_restart(pod: Mapping[str, Any], container: Spec, last: Container) -> bool:
    return last.running or should_restart(pod, container, last)


def _initialized(plan: Plan, pod: Mapping[str, Any], here: Observed, memory: Memory, now: float) -> bool:
    """Whether all init containers did their work in this sandbox; else the plan has the next of them."""
    for container in pods.init_containers(pod):
        last = here.latest(container["name"])
        if pods.is_sidecar(container):
            _keep_running(plan, pod, container, "sidecar", here, memory, now)
            if last is None or not last.running or not started(container, last, memory):
                return False
        elif last is None:
            _start(plan, pod, container, "init", None, memory, now)
            return False
        elif last.running:
            _kill_unhealthy(plan, last, memory)
            return False
        elif not (last.exited and last.exit_code == 0):
            if pods.restart_policy(pod) == "Never" and last.failed:
                plan.finished = True
            else:
                _start(plan, pod, container, "init", last, memory, now)
            return False
    return True


def _plan_regular(plan: Plan, pod: Mapping[str, Any], observed: Observed, memory: Memory, now: float) -> None:
    alive = False
    for container in pods.containers(pod):
        last = observed.latest(container["name"])
        if last is None or _would_restart(pod, container, last):
            alive = True
            _keep_running(plan, pod, container, "app", observed, memory, now)
    if not alive:
        plan.finished = True
        plan.start.clear()


def _keep_running(
    plan: Plan, pod: Mapping[str, Any], container: Spec, kind: str, observed: Observed, memory: Memory, now: float
) -> None:
    last = observed.latest(container["name"])
    if last is None or not last.running:
        _start(plan, pod, container, kind, last, memory, now)
    elif last.hash and last.hash != spec_hash(container):
        plan.kill.append(Kill(last, f"Container {last.name} definition changed, will be restarted"))
    else:
        _kill_unhealthy(plan, last, memory)


def _kill_unhealthy(plan: Plan, container: Container, memory: Memory) -> None:
    if container.id in memory.unhealthy:
        plan.kill.append(Kill(container, memory.unhealthy[container.id]))


def _start(
    plan: Plan, pod: Mapping[str, Any], container: Spec, kind: str, last: Container | None, memory: Memory, now: float
) -> None:
    """Start it, or hold it back while its wait lasts."""
    name = str(container["name"])
    hold = memory.held.get(name)
    if hold is not None and now < hold.until:
        plan.waiting[name] = hold.waiting
        plan.wake(hold.until - now)
        return
    if last is not None and last.finished_at:
        backoff = memory.restarts.get(name) or Backoff()
        left = backoff.left(last.finished_at / 1e9, now)
        if left > 0:
            delay = timefmt.format_duration(backoff.delay)
            said = f"back-off {delay} restarting failed container={name} pod={full_name(pod)}"
            plan.waiting[name] = Waiting("CrashLoopBackOff", said)
            plan.wake(left)
            return
    plan.start.append(Start(container, kind, next_attempt(pod, name, last)))


def next_attempt(pod: Mapping[str, Any], name: str, last: Container | None) -> int:
    """The restart count of the container to be made. When the runtime forgot the last one, its status remembers."""
    if last is not None:
        return last.attempt + 1
    status = status_of(pod, name) or {}
    ran = status.get("containerID") or status.get("lastState")
    return int(status.get("restartCount") or 0) + 1 if ran else 0


def status_of(pod: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The status that the API holds of one container."""
    status = pods.status(pod)
    for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for each in status.get(key) or ():
            if each.get("name") == name:
                found: Mapping[str, Any] = each
                return found
    return None


def started(container: Spec, seen: Container, memory: Memory) -> bool:
    """Whether a running container is past its start: postStart hook and startup probe are done."""
    if seen.id in memory.hooking:
        return False
    return not container.get("startupProbe") or seen.id in memory.started


def ready(container: Spec, seen: Container, memory: Memory) -> bool:
    """Whether a running container may get requests."""
    if not started(container, seen, memory):
        return False
    return not container.get("readinessProbe") or seen.id in memory.ready


def full_name(pod: Mapping[str, Any]) -> str:
    """`name_namespace(uid)`, as kubelet writes a pod into messages."""
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def spec_named(pod: Mapping[str, Any], name: str) -> Spec | None:
    """The specification of one container of any kind."""
    every: Iterable[Spec] = pods.all_containers(pod)
    return next((each for each in every if each["name"] == name), None)
