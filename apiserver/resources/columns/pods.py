"""What `kubectl get pods` shows: the state of a pod in one word, which its phase alone does not tell.

The word is the most telling of: the phase or its reason, what an init container waits for (`Init:0/1`,
`Init:CrashLoopBackOff`), what a container waits for or ended with (`ErrImagePull`, `Completed`, `OOMKilled`), and that
the pod is going away (`Terminating`). Rule: kube-apiserver's pod printer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apiserver.resources.columns.build import AGE, NAME, NONE, labels, since, text, timed, wide
from machinery.objects import conditions, meta

Object = dict[str, Any]


@dataclass(slots=True)
class PodState:
    """A pod in a line: ready containers of all, the word for its state, restarts and when the last one was."""

    ready: int
    total: int
    word: str
    restarts: int
    last_restart: str


def pod_state(pod: Mapping[str, Any]) -> PodState:
    """The line of a pod."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = {each["name"] for each in spec.get("initContainers") or [] if each.get("restartPolicy") == "Always"}
    word = str(status.get("reason") or status.get("phase") or "")
    scheduled = conditions.get(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "SchedulingGated":
        word = "SchedulingGated"
    state = PodState(0, len(spec.get("containers") or []) + len(sidecars), word, 0, "")
    kept = PodState(0, 0, "", 0, "")  # what the sidecars restarted, which counts on after the initialization
    initializing = _initialization(state, kept, status, spec, sidecars)
    if not initializing or conditions.is_true(pod, "Initialized"):
        state.restarts, state.last_restart = kept.restarts, kept.last_restart
        _containers(state, status, ready_condition=conditions.is_true(pod, "Ready"))
    if meta.is_deleting(pod):
        if status.get("reason") == "NodeLost":
            state.word = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            state.word = "Terminating"
    return state


def _initialization(
    state: PodState, kept: PodState, status: Mapping[str, Any], spec: Mapping[str, Any], sidecars: set[str]
) -> bool:
    """Whether init containers still run or have failed, and then the word for it."""
    for index, container in enumerate(status.get("initContainerStatuses") or []):
        sidecar = container.get("name") in sidecars
        for tally in (state, kept) if sidecar else (state,):
            _count_restarts(tally, container)
        current = container.get("state") or {}
        ended, waiting = current.get("terminated"), current.get("waiting") or {}
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if sidecar and container.get("started"):
            state.ready += bool(container.get("ready"))
            continue
        if ended is not None:
            state.word = f"Init:{_ending(ended)}"
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            state.word = f"Init:{waiting['reason']}"
        else:
            state.word = f"Init:{index}/{len(spec.get('initContainers') or [])}"
        return True
    return False


def _containers(state: PodState, status: Mapping[str, Any], *, ready_condition: bool) -> None:
    """The first container that has something to say gives the word."""
    running = False
    for container in reversed(status.get("containerStatuses") or []):
        _count_restarts(state, container)
        current = container.get("state") or {}
        ended, waiting = current.get("terminated"), current.get("waiting") or {}
        if waiting.get("reason"):
            state.word = waiting["reason"]
        elif ended is not None:
            state.word = _ending(ended)
        elif container.get("ready") and current.get("running") is not None:
            running = True
            state.ready += 1
    if state.word == "Completed" and running:
        state.word = "Running" if ready_condition else "NotReady"


def _count_restarts(tally: PodState, container: Mapping[str, Any]) -> None:
    tally.restarts += container.get("restartCount") or 0
    before = (container.get("lastState") or {}).get("terminated") or {}
    tally.last_restart = max(tally.last_restart, before.get("finishedAt") or "")


def _ending(ended: Mapping[str, Any]) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _restarts(pod: Object, now: datetime) -> str:
    state = pod_state(pod)
    if state.restarts and state.last_restart:
        return f"{state.restarts} ({since(state.last_restart, now)} ago)"
    return str(state.restarts)


def _ready(pod: Object) -> str:
    state = pod_state(pod)
    return f"{state.ready}/{state.total}"


def _ip(pod: Object) -> str:
    status = pod.get("status") or {}
    first = (status.get("podIPs") or [{}])[0].get("ip")
    return str(first or status.get("podIP") or NONE)


def _gates(pod: Object) -> str:
    gates = (pod.get("spec") or {}).get("readinessGates") or []
    if not gates:
        return NONE
    return f"{sum(conditions.is_true(pod, gate.get('conditionType', '')) for gate in gates)}/{len(gates)}"


COLUMNS = (
    NAME,
    text("Ready", "The aggregate readiness state of this pod for accepting traffic.", _ready),
    text("Status", "The aggregate status of the containers in this pod.", lambda pod: pod_state(pod).word),
    timed("Restarts", "How often the containers in this pod have been restarted, and when the last time.", _restarts),
    AGE,
    wide("IP", "The pod's address.", _ip),
    wide("Node", "The node that the pod runs on.", lambda pod: (pod.get("spec") or {}).get("nodeName") or NONE),
    wide(
        "Nominated Node",
        "The node that preemption makes room on for this pod.",
        lambda pod: (pod.get("status") or {}).get("nominatedNodeName") or NONE,
    ),
    wide("Readiness Gates", "How many of the pod's readiness gates are true.", _gates),
)

TEMPLATE_COLUMNS = (
    NAME,
    text(
        "Containers",
        "Names of each container in the template.",
        lambda o: ",".join(each["name"] for each in o["template"]["spec"].get("containers") or []),
    ),
    text(
        "Images",
        "Images referenced by each container in the template.",
        lambda o: ",".join(each.get("image") or "" for each in o["template"]["spec"].get("containers") or []),
    ),
    text(
        "Pod Labels",
        "The labels for the pod template.",
        lambda o: labels((o["template"].get("metadata") or {}).get("labels")),
    ),
)
