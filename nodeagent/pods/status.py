"""What the API is told of a pod: from what is observed to `status`. Pure.

Names, reasons and messages are kubelet's (pkg/kubelet/kubelet_pods.go, pkg/kubelet/status/generate.go). The status is
built whole each time; `patch.py` says what changed. Nothing in it is null: a merge would take null for "remove".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from machinery.objects import meta, timefmt
from machinery.objects import pod as pods
from nodeagent.pods import plan as plans
from nodeagent.pods.memory import Memory, Waiting
from nodeagent.runtime.model import Container, Observed, State

Object = dict[str, Any]

UNLOCATED = "The container could not be located when the pod was terminated"
TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What of the node shows in its pods' status."""

    runtime: str
    """Container ids read `RUNTIME://ID`."""
    host_ips: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class View:
    """Everything the status is made from, but the pod."""

    observed: Observed
    memory: Memory
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    """Why containers do not run, from the last plan."""


def make(pod: Mapping[str, Any], view: View, node: NodeFacts, now: datetime) -> Object:
    """The whole status. What others own in it (qosClass, conditions of other types, …) is kept."""
    before = pods.status(pod)
    init = _container_statuses(pod, pods.init_containers(pod), "initContainerStatuses", view, node)
    regular = _container_statuses(pod, pods.containers(pod), "containerStatuses", view, node)
    ephemeral = _container_statuses(pod, pods.ephemeral_containers(pod), "ephemeralContainerStatuses", view, node)
    phase = view.memory.phase or compute_phase(pod, init + regular)
    status: Object = {
        **before,
        "phase": phase,
        "conditions": _conditions(pod, view, init, regular, phase, now),
        "startTime": before.get("startTime") or timefmt.format(now),
    }
    for key, statuses in (
        ("initContainerStatuses", init),
        ("containerStatuses", regular),
        ("ephemeralContainerStatuses", ephemeral),
    ):
        if statuses:
            status[key] = statuses
    if "generation" in meta.metadata(pod):
        status["observedGeneration"] = meta.generation(pod)
    for key, text in (("reason", view.memory.reason), ("message", view.memory.message)):
        if text:
            status[key] = text
    _addresses(status, pod, view.observed, node)
    return status


def _addresses(status: Object, pod: Mapping[str, Any], observed: Observed, node: NodeFacts) -> None:
    if node.host_ips:
        status["hostIP"] = node.host_ips[0]
        status["hostIPs"] = [{"ip": ip} for ip in node.host_ips]
    ips = pod_ips(pod, observed, node)
    if ips:  # a pod at its end keeps the address that it had, for whoever reads its story
        status["podIP"] = ips[0]
        status["podIPs"] = [{"ip": ip} for ip in ips]


def pod_ips(pod: Mapping[str, Any], observed: Observed, node: NodeFacts) -> Sequence[str]:
    """The pod's addresses; the node's for one in the node's network; () before it has any."""
    if pods.host_network(pod):
        return node.host_ips
    return observed.sandbox.ips if observed.sandbox is not None and observed.sandbox.ready else ()


def _container_statuses(
    pod: Mapping[str, Any], containers: Sequence[Object], key: str, view: View, node: NodeFacts
) -> list[Object]:
    old = {each.get("name"): each for each in pods.status(pod).get(key) or ()}
    return [_container_status(pod, each, key, old.get(each["name"]), view, node) for each in containers]


def _container_status(
    pod: Mapping[str, Any], container: Object, key: str, old: Object | None, view: View, node: NodeFacts
) -> Object:
    name = container["name"]
    history = view.observed.of(name)
    last = history[0] if history else None
    waiting = view.waiting.get(name)
    status: Object = {
        "name": name,
        "image": container.get("image", ""),
        "imageID": "",
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "started": False,
        "state": {},
    }
    if last is None:
        _never_seen(status, pod, old, view, waiting)
    else:
        status["containerID"] = f"{node.runtime}://{last.id}"
        status["image"] = last.image or container.get("image", "")
        status["imageID"] = last.image_id
        status["restartCount"] = last.attempt
        _state(status, pod, container, key, last, waiting, view, node)
        if "terminated" not in status["lastState"]:
            gone = next((each for each in history[1:] if each.exited), None)
            if gone is not None:
                status["lastState"] = {"terminated": _terminated(gone, node)}
            elif old and last.attempt:
                status["lastState"] = _remembered(old, status["containerID"])
    _resources(status, container)
    return status


def _never_seen(
    status: Object, pod: Mapping[str, Any], old: Object | None, view: View, waiting: Waiting | None
) -> None:
    """No trace in the runtime: it was not made yet, or the runtime forgot it."""
    old = old or {}
    if (old.get("state") or {}).get("terminated"):
        status.update(old)
        return
    ran = bool(old.get("containerID"))
    status["restartCount"] = int(old.get("restartCount") or 0)
    if view.memory.terminal and ran:
        status["state"] = {"terminated": _unlocated()}
        return
    status["lastState"] = {"terminated": _unlocated()} if ran else old.get("lastState") or {}
    status["state"] = {"waiting": _waiting(waiting or default_waiting(pod))}


def _remembered(old: Object, current: str) -> Object:
    """The last state of a container whose earlier runs the runtime forgot."""
    if old.get("containerID") in (None, "", current):
        return old.get("lastState") or {}
    ended = (old.get("state") or {}).get("terminated")
    return {"terminated": ended or _unlocated()}


def _unlocated() -> Object:
    return {"exitCode": 137, "message": UNLOCATED, "reason": "ContainerStatusUnknown"}


def _state(
    status: Object,
    pod: Mapping[str, Any],
    container: Object,
    key: str,
    last: Container,
    waiting: Waiting | None,
    view: View,
    node: NodeFacts,
) -> None:
    match last.state:
        case State.RUNNING:
            status["state"] = {"running": {"startedAt": _time(last.started_at)}}
            status["started"] = plans.started(container, last, view.memory)
            if key == "initContainerStatuses" and not pods.is_sidecar(container):
                status["ready"] = False
            else:
                status["ready"] = plans.ready(container, last, view.memory)
        case State.EXITED:
            ended = {"terminated": _terminated(last, node)}
            if waiting is not None and not view.memory.terminal:
                status["state"] = {"waiting": _waiting(waiting)}
                status["lastState"] = ended
            else:
                status["state"] = ended
            if key == "initContainerStatuses":
                status["ready"] = last.exit_code == 0 and not pods.is_sidecar(container)
        case State.CREATED:
            status["state"] = {"waiting": _waiting(waiting or default_waiting(pod))}
        case State.UNKNOWN:
            status["state"] = {"terminated": _unlocated()}


def default_waiting(pod: Mapping[str, Any]) -> Waiting:
    """What a container waits for when nothing is wrong."""
    return Waiting("PodInitializing" if pods.init_containers(pod) else "ContainerCreating")


def _waiting(waiting: Waiting) -> Object:
    return {"reason": waiting.reason, "message": waiting.message} if waiting.message else {"reason": waiting.reason}


def _terminated(container: Container, node: NodeFacts) -> Object:
    ended: Object = {
        "containerID": f"{node.runtime}://{container.id}",
        "exitCode": container.exit_code,
        "reason": container.reason or ("Error" if container.exit_code else "Completed"),
    }
    for key, nanos in (("startedAt", container.started_at), ("finishedAt", container.finished_at)):
        if nanos:
            ended[key] = _time(nanos)
    if container.message:
        ended["message"] = container.message
    return ended


def _resources(status: Object, container: Object) -> None:
    resources = {key: value for key, value in (container.get("resources") or {}).items() if key != "claims" and value}
    if resources and "containerID" in status:
        status["resources"] = resources
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]


def _time(nanos: int) -> str:
    return timefmt.format(datetime.fromtimestamp(nanos // 10**9, UTC))


def compute_phase(pod: Mapping[str, Any], statuses: Sequence[Mapping[str, Any]]) -> str:
    """Pending, Running, Succeeded or Failed, from all container statuses (kubelet's getPhase)."""
    by_name = {each["name"]: each for each in statuses}
    pending = failed = 0
    for container in pods.init_containers(pod):
        status = by_name.get(container["name"])
        if pods.is_sidecar(container):
            pending += _sidecar_pending(status)
        else:
            waits, broke = _init_progress(status)
            pending += waits
            failed += broke
    running = waiting = stopped = succeeded = unknown = 0
    for container in pods.containers(pod):
        state = (by_name.get(container["name"]) or {}).get("state") or {}
        if "running" in state:
            running += 1
        elif "terminated" in state:
            stopped += 1
            succeeded += state["terminated"].get("exitCode") == 0
        elif "waiting" in state:
            had_run = (by_name[container["name"]].get("lastState") or {}).get("terminated")
            stopped += bool(had_run)
            waiting += not had_run
        else:
            unknown += 1
    policy = pods.restart_policy(pod)
    if failed and policy == "Never":
        return "Failed"
    if (pending and not running and not stopped) or waiting:
        return "Pending"
    if unknown:
        return "Pending"
    if running:
        return "Running"
    if stopped:
        if policy == "Always":
            return "Running"
        if stopped == succeeded:
            return "Succeeded"
        return "Failed" if policy == "Never" else "Running"
    return "Pending"


def _init_progress(status: Mapping[str, Any] | None) -> tuple[int, int]:
    state = (status or {}).get("state") or {}
    ended = state.get("terminated") or ((status or {}).get("lastState") or {}).get("terminated")
    if "running" in state or ended is None:
        return 1, 0
    if ended.get("exitCode") != 0:
        return (0 if "terminated" in state else 1), 1
    return (0, 0) if "terminated" in state else (1, 0)


def _sidecar_pending(status: Mapping[str, Any] | None) -> int:
    state = (status or {}).get("state") or {}
    if "running" in state:
        return 0 if (status or {}).get("started") else 1
    if "terminated" in state:
        return 0
    return 0 if ((status or {}).get("lastState") or {}).get("terminated") else 1


def terminal_phase(pod: Mapping[str, Any], observed: Observed) -> str:
    """How a pod ended whose containers have all stopped: Succeeded when every regular one exited with 0."""
    last = [observed.latest(each["name"]) for each in pods.containers(pod)]
    return "Succeeded" if all(each is not None and each.exited and each.exit_code == 0 for each in last) else "Failed"


def _conditions(
    pod: Mapping[str, Any], view: View, init: list[Object], regular: list[Object], phase: str, now: datetime
) -> list[Object]:
    before = {each.get("type"): each for each in pods.status(pod).get("conditions") or ()}
    generation = meta.metadata(pod).get("generation")
    ready_containers = _containers_ready(pod, init, regular, phase)
    ours = {
        "PodReadyToStartContainers": (plans.usable(pod, view.observed.sandbox), "", ""),
        "Initialized": _initialized(pod, init, regular, phase),
        "Ready": _pod_ready(pod, ready_containers, before),
        "ContainersReady": ready_containers,
        "PodScheduled": (True, "", ""),
    }
    made = []
    for kind, (holds, reason, message) in ours.items():
        old = before.pop(kind, None)
        word = "True" if holds else "False"
        same = old is not None and old.get("status") == word
        condition: Object = {
            "type": kind,
            "status": word,
            "lastTransitionTime": old["lastTransitionTime"]
            if same and old and old.get("lastTransitionTime")
            else timefmt.format(now),
        }
        if generation:
            condition["observedGeneration"] = generation
        if reason:
            condition["reason"] = reason
        if message:
            condition["message"] = message
        made.append(condition)
    return made + list(before.values())


Verdict = tuple[bool, str, str]


def _containers_ready(pod: Mapping[str, Any], init: list[Object], regular: list[Object], phase: str) -> Verdict:
    if phase in TERMINAL:
        return False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    sidecars = {each["name"] for each in pods.init_containers(pod) if pods.is_sidecar(each)}
    unready = [each["name"] for each in init if each["name"] in sidecars and not each["ready"]]
    unready += [each["name"] for each in regular if not each["ready"]]
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return True, "", ""


def _pod_ready(pod: Mapping[str, Any], containers: Verdict, conditions: Mapping[Any, Object]) -> Verdict:
    if not containers[0]:
        return containers
    said = []
    for gate in pods.spec(pod).get("readinessGates") or ():
        kind = gate["conditionType"]
        condition = conditions.get(kind)
        if condition is None:
            said.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif condition.get("status") != "True":
            status = condition.get("status")
            said.append(f'the status of pod readiness gate "{kind}" is not "True", but {status}')
    if said:
        return False, "ReadinessGatesNotReady", ", ".join(said)
    return True, "", ""


def _initialized(pod: Mapping[str, Any], init: list[Object], regular: list[Object], phase: str) -> Verdict:
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    if any("running" in each["state"] or "terminated" in each["state"] or each["lastState"] for each in regular):
        return True, "", ""
    sidecars = {each["name"] for each in pods.init_containers(pod) if pods.is_sidecar(each)}
    waits = [each["name"] for each in init if not (each["started"] if each["name"] in sidecars else each["ready"])]
    if waits:
        return False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waits)}]"
    return True, "", ""
