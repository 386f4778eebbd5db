"""Which nodes a DaemonSet's pods belong on, which pods to make and remove, how an update rolls. Pure.

Rules: upstream's daemon controller. A pod is bound to its node by node affinity before the scheduler has done it, and
tolerates the taints by which a node says that it is unwell: daemons are part of the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from machinery.client.api import Object
from machinery.objects import meta, node, pod, taints, workload

HASH_LABEL = workload.CONTROLLER_REVISION_HASH

_TOLERATED = (
    (taints.NOT_READY, taints.NO_EXECUTE),
    (taints.UNREACHABLE, taints.NO_EXECUTE),
    (taints.DISK_PRESSURE, taints.NO_SCHEDULE),
    (taints.MEMORY_PRESSURE, taints.NO_SCHEDULE),
    (taints.PID_PRESSURE, taints.NO_SCHEDULE),
    (taints.UNSCHEDULABLE, taints.NO_SCHEDULE),
)
_TOLERATED_ON_HOST_NETWORK = ((taints.NETWORK_UNAVAILABLE, taints.NO_SCHEDULE),)


@dataclass(slots=True)
class Plan:
    """What one look decides. create: names of nodes that get a pod. failed: those of `delete` that had failed."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    failed: list[Object] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fit:
    """runs: a pod should be made there. stays: a pod that is there may go on."""

    runs: bool
    stays: bool


def pod_spec(template: Mapping[str, Any]) -> Object:
    """The template's spec with the tolerations of a daemon."""
    spec = dict(template.get("spec") or {})
    wanted = [*_TOLERATED, *(_TOLERATED_ON_HOST_NETWORK if spec.get("hostNetwork") else ())]
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in wanted]
    spec["tolerations"] = taints.merged(spec.get("tolerations") or [], added)
    return spec


def fit(spec: Mapping[str, Any], machine: Object) -> Fit:
    """Whether a pod of this spec (see `pod_spec`) belongs on a node: its name, labels and taints decide."""
    named = spec.get("nodeName")
    if (named and named != meta.name(machine)) or not node.admits(spec, machine):
        return Fit(runs=False, stays=False)
    tolerations = spec.get("tolerations") or []
    refused = taints.untolerated(node.taints(machine), tolerations)
    expelled = taints.untolerated(node.taints(machine), tolerations, (taints.NO_EXECUTE,))
    return Fit(runs=refused is None, stays=expelled is None)


def pod_for(daemon_set: Object, spec: Mapping[str, Any], node_name: str, digest: str) -> Object:
    """The pod for one node, tied to it by its name whatever terms its affinity has."""
    made = workload.pod_of_template(
        {**workload.template(daemon_set), "spec": spec}, daemon_set, labels={HASH_LABEL: digest}
    )
    by_name = [{"key": "metadata.name", "operator": "In", "values": [node_name]}]
    affinity = made["spec"].setdefault("affinity", {})
    on_nodes = affinity.setdefault("nodeAffinity", {})
    required = on_nodes.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [{**term, "matchFields": by_name} for term in required.get("nodeSelectorTerms") or [{}]]
    on_nodes["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    return made


def target_node(daemon_pod: Object) -> str:
    """The node a daemon's pod is on or is meant for; "" when it says neither."""
    bound = pod.node_name(daemon_pod)
    if bound:
        return bound
    affinity = (pod.spec(daemon_pod).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for each in term.get("matchFields") or ():
            if (
                each.get("key") == "metadata.name"
                and each.get("operator") == "In"
                and len(each.get("values") or ()) == 1
            ):
                return str(each["values"][0])
    return ""


def by_node(pods: Iterable[Object]) -> dict[str, list[Object]]:
    """The pods by the node they are meant for, the oldest first."""
    found: dict[str, list[Object]] = {}
    for each in pods:
        found.setdefault(target_node(each), []).append(each)
    found.pop("", None)
    for on_node in found.values():
        on_node.sort(key=_age)
    return found


def place(
    daemon_set: Object, nodes: Iterable[Object], pods: Mapping[str, Sequence[Object]], digest: str, now: datetime
) -> Plan:
    """The pods to make and remove so that every node that should has one, and no other."""
    plan = Plan()
    spec = pod_spec(workload.template(daemon_set))
    surging = max_surge(daemon_set, 1) > 0
    seen = set()
    for machine in nodes:
        name = meta.name(machine)
        seen.add(name)
        fits = fit(spec, machine)
        here = pods.get(name, ())
        if not fits.stays:
            plan.delete += [each for each in here if not meta.is_deleting(each)]
        elif here:
            _keep_one(plan, daemon_set, here, digest, now, surging=surging)
        elif fits.runs:
            plan.create.append(name)
    for name, here in pods.items():
        if name not in seen:  # the node is gone, and the scheduler will never bind what waits for it
            plan.delete += [each for each in here if not pod.node_name(each) and not meta.is_deleting(each)]
    return plan


def _keep_one(
    plan: Plan, daemon_set: Object, here: Sequence[Object], digest: str, now: datetime, *, surging: bool
) -> None:
    running = []
    for each in here:
        if meta.is_deleting(each):
            continue
        if pod.is_terminal(each):
            plan.delete.append(each)
            if pod.phase(each) == "Failed":
                plan.failed.append(each)
        else:
            running.append(each)
    if not surging:
        plan.delete += running[1:]
        return
    new = [each for each in running if is_updated(each, digest)]
    old = [each for each in running if not is_updated(each, digest)]
    if new and old and pod.is_available(new[0], workload.min_ready_seconds(daemon_set), now):
        plan.delete += [*old, *new[1:]]
    else:
        plan.delete += [*new[1:], *old[1:]]


def is_updated(daemon_pod: Object, digest: str) -> bool:
    """Whether a pod is of the current revision."""
    return meta.label(daemon_pod, HASH_LABEL) == digest


def max_unavailable(daemon_set: Object, desired: int) -> int:
    """How many nodes may be without an available pod during an update."""
    value = _rolling(daemon_set).get("maxUnavailable")
    return workload.scaled(value, desired, round_up=True, default=1)


def max_surge(daemon_set: Object, desired: int) -> int:
    """How many nodes may have an old and a new pod at once during an update."""
    return workload.scaled(_rolling(daemon_set).get("maxSurge"), desired, round_up=True)


def is_rolling(daemon_set: Object) -> bool:
    """Whether updates replace pods by themselves; with OnDelete they wait for somebody to delete them."""
    strategy = workload.spec(daemon_set).get("updateStrategy") or {}
    return (strategy.get("type") or "RollingUpdate") == "RollingUpdate"


def roll(
    daemon_set: Object, nodes: Iterable[Object], pods: Mapping[str, Sequence[Object]], digest: str, now: datetime
) -> Plan:
    """The next step of an update: old pods to remove, or nodes to make a new pod on beside the old one."""
    spec = pod_spec(workload.template(daemon_set))
    wanted = [meta.name(machine) for machine in nodes if fit(spec, machine).runs]
    surge, unavailable = max_surge(daemon_set, len(wanted)), max_unavailable(daemon_set, len(wanted))
    min_ready = workload.min_ready_seconds(daemon_set)
    ready = {meta.uid(each): pod.is_available(each, min_ready, now) for name in wanted for each in pods.get(name, ())}
    if surge > 0:
        return _roll_with_surge(wanted, pods, digest, surge, ready)
    return _roll_in_place(wanted, pods, digest, unavailable, ready)


def _roll_in_place(
    wanted: Sequence[str], pods: Mapping[str, Sequence[Object]], digest: str, limit: int, ready: Mapping[str, bool]
) -> Plan:
    unavailable = 0
    broken: list[Object] = []
    candidates: list[Object] = []
    for name in wanted:
        new, old = _new_and_old(pods.get(name, ()), digest)
        if new is None and old is None:
            unavailable += 1
        elif new is not None:
            unavailable += not ready[meta.uid(new)]
        elif old is not None and not ready[meta.uid(old)]:
            unavailable += 1
            broken.append(old)  # it is of no use: replacing it costs nothing
        elif old is not None:
            candidates.append(old)
    return Plan(delete=[*broken, *candidates[: max(0, limit - unavailable)]])


def _roll_with_surge(
    wanted: Sequence[str], pods: Mapping[str, Sequence[Object]], digest: str, limit: int, ready: Mapping[str, bool]
) -> Plan:
    surging = 0
    delete: list[Object] = []
    broken: list[str] = []
    candidates: list[str] = []
    for name in wanted:
        new, old = _new_and_old(pods.get(name, ()), digest)
        if old is None:
            continue
        if new is None:
            (candidates if ready[meta.uid(old)] else broken).append(name)
        elif ready[meta.uid(new)]:
            delete.append(old)
        else:
            surging += 1
    return Plan(create=[*broken, *candidates[: max(0, limit - surging)]], delete=delete)


def _new_and_old(here: Sequence[Object], digest: str) -> tuple[Object | None, Object | None]:
    running = [each for each in here if not meta.is_deleting(each)]
    new = next((each for each in running if is_updated(each, digest)), None)
    old = next((each for each in running if not is_updated(each, digest)), None)
    return new, old


def status(
    daemon_set: Object,
    nodes: Iterable[Object],
    pods: Mapping[str, Sequence[Object]],
    digest: str,
    collisions: int | None,
    now: datetime,
) -> Object:
    """The status to write. On each node the oldest pod counts."""
    spec = pod_spec(workload.template(daemon_set))
    min_ready = workload.min_ready_seconds(daemon_set)
    desired = current = misscheduled = ready = available = updated = 0
    for machine in nodes:
        here = [each for each in pods.get(meta.name(machine), ()) if not meta.is_deleting(each)]
        if not fit(spec, machine).runs:
            misscheduled += bool(here)
            continue
        desired += 1
        if here:
            current += 1
            ready += any(pod.is_ready(each) for each in here)
            available += any(pod.is_available(each, min_ready, now) for each in here)
            updated += any(is_updated(each, digest) for each in here)
    found: Object = {
        "currentNumberScheduled": current,
        "numberMisscheduled": misscheduled,
        "desiredNumberScheduled": desired,
        "numberReady": ready,
        "observedGeneration": meta.generation(daemon_set),
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": desired - available,
    }
    # These are left out when zero, as in the API's own encoding.
    for name in ("updatedNumberScheduled", "numberAvailable", "numberUnavailable"):
        if not found[name]:
            del found[name]
    if collisions is not None:
        found["collisionCount"] = collisions
    if kept := workload.status(daemon_set).get("conditions"):
        found["conditions"] = kept
    return found


def next_look(daemon_set: Object, pods: Iterable[Object], now: datetime) -> float | None:
    """Seconds until the next ready pod becomes available; None when none is on its way there."""
    wait = timedelta(seconds=workload.min_ready_seconds(daemon_set))
    left = [(since + wait - now).total_seconds() for each in pods if (since := pod.ready_since(each)) is not None]
    return min((each for each in left if each > 0), default=None)


def _rolling(daemon_set: Object) -> Object:
    strategy = workload.spec(daemon_set).get("updateStrategy") or {}
    found: Object = strategy.get("rollingUpdate") or {}
    return found


def _age(each: Object) -> tuple[str, str]:
    return str(meta.metadata(each).get("creationTimestamp") or ""), meta.name(each)
