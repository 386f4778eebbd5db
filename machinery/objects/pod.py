"""Reading pods: phase, readiness, containers, resources, ports.

All functions take the pod as a dict and leave it alone. Absent fields read as their default in the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from machinery.objects import conditions, meta, timefmt
from machinery.objects.quantity import Quantity, from_value, parse

Object = dict[str, Any]
Resources = dict[str, Quantity]

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
DELETION_COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"


def spec(pod: Mapping[str, Any]) -> Object:
    """`spec`, {} when absent."""
    found: Object = pod.get("spec") or {}
    return found


def status(pod: Mapping[str, Any]) -> Object:
    """`status`, {} when absent."""
    found: Object = pod.get("status") or {}
    return found


def phase(pod: Mapping[str, Any]) -> str:
    """Pending, Running, Succeeded, Failed or Unknown; Pending when nobody reported yet."""
    return str(status(pod).get("phase") or "Pending")


def node_name(pod: Mapping[str, Any]) -> str:
    """The node it is bound to, "" while unscheduled."""
    return str(spec(pod).get("nodeName") or "")


def scheduler_name(pod: Mapping[str, Any]) -> str:
    """Who schedules it."""
    return str(spec(pod).get("schedulerName") or "default-scheduler")


def priority(pod: Mapping[str, Any]) -> int:
    """`spec.priority`, 0 when absent."""
    return int(spec(pod).get("priority") or 0)


def restart_policy(pod: Mapping[str, Any]) -> str:
    """Always, OnFailure or Never."""
    return str(spec(pod).get("restartPolicy") or "Always")


def grace_seconds(pod: Mapping[str, Any]) -> int:
    """`spec.terminationGracePeriodSeconds`: seconds a container gets between TERM and KILL."""
    value = spec(pod).get("terminationGracePeriodSeconds")
    return 30 if value is None else int(value)


def tolerations(pod: Mapping[str, Any]) -> list[Object]:
    """`spec.tolerations`, [] when absent."""
    return spec(pod).get("tolerations") or []


def is_terminal(pod: Mapping[str, Any]) -> bool:
    """Whether it ran to its end: nothing of it runs again."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Mapping[str, Any]) -> bool:
    """Whether it counts for its controller: neither at its end nor being deleted."""
    return not is_terminal(pod) and not meta.is_deleting(pod)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether its Ready condition is True."""
    return conditions.is_true(pod, "Ready")


def ready_since(pod: Mapping[str, Any]) -> datetime | None:
    """When it became ready; None while it is not."""
    condition = conditions.get(pod, "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    return timefmt.parse_optional(condition.get("lastTransitionTime"))


def is_available(pod: Mapping[str, Any], min_ready_seconds: int, now: datetime) -> bool:
    """Whether it has been ready for that many seconds."""
    if not is_ready(pod):
        return False
    if min_ready_seconds == 0:
        return True
    since = ready_since(pod)
    return since is not None and since + timedelta(seconds=min_ready_seconds) <= now


def is_mirror(pod: Mapping[str, Any]) -> bool:
    """Whether it only shows a static pod that the node runs from a file."""
    return MIRROR_ANNOTATION in meta.annotations(pod)


def host_network(pod: Mapping[str, Any]) -> bool:
    """Whether it uses its node's network."""
    return bool(spec(pod).get("hostNetwork"))


def ip(pod: Mapping[str, Any]) -> str:
    """`status.podIP`, "" before it has one."""
    return str(status(pod).get("podIP") or "")


def ips(pod: Mapping[str, Any]) -> list[str]:
    """All its addresses, the primary first."""
    found = [str(each.get("ip")) for each in status(pod).get("podIPs") or () if each.get("ip")]
    return found or ([ip(pod)] if ip(pod) else [])


def containers(pod: Mapping[str, Any]) -> list[Object]:
    """`spec.containers`."""
    return spec(pod).get("containers") or []


def init_containers(pod: Mapping[str, Any]) -> list[Object]:
    """`spec.initContainers`, sidecars included."""
    return spec(pod).get("initContainers") or []


def ephemeral_containers(pod: Mapping[str, Any]) -> list[Object]:
    """`spec.ephemeralContainers`."""
    return spec(pod).get("ephemeralContainers") or []


def all_containers(pod: Mapping[str, Any]) -> Iterator[Object]:
    """Init, then regular, then ephemeral containers."""
    yield from init_containers(pod)
    yield from containers(pod)
    yield from ephemeral_containers(pod)


def is_sidecar(container: Mapping[str, Any]) -> bool:
    """Whether an init container keeps running beside the regular ones."""
    return container.get("restartPolicy") == "Always"


def container_statuses(pod: Mapping[str, Any]) -> list[Object]:
    """`status.containerStatuses`."""
    return status(pod).get("containerStatuses") or []


def init_container_statuses(pod: Mapping[str, Any]) -> list[Object]:
    """`status.initContainerStatuses`."""
    return status(pod).get("initContainerStatuses") or []


def restarts(pod: Mapping[str, Any]) -> int:
    """Restarts of all its regular containers."""
    return sum(int(each.get("restartCount") or 0) for each in container_statuses(pod))


def host_ports(pod: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """(host IP, protocol, host port) that it takes on its node."""
    found = []
    for container in (*containers(pod), *(each for each in init_containers(pod) if is_sidecar(each))):
        for port in container.get("ports") or ():
            number = int(port.get("hostPort") or (port.get("containerPort") or 0 if host_network(pod) else 0))
            if number:
                found.append((port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", number))
    return found


def requests(pod: Mapping[str, Any]) -> Resources:
    """What the scheduler reserves: the larger of what runs together and what each init step needs, plus overhead.

    A container without a request but with a limit asks for its limit. Includes `pods: 1`.
    Rule: k8s.io/component-helpers `resource.PodRequests`.
    """
    total = _total(pod, container_requests)
    whole = (spec(pod).get("resources") or {}).get("requests") or {}
    total |= {name: parse(amount) for name, amount in whole.items()}  # a pod-level request replaces the sum
    total = _add(total, _quantities(spec(pod).get("overhead")))
    total["pods"] = from_value(1)
    return total


def limits(pod: Mapping[str, Any]) -> Resources:
    """The sum of the limits, counted as `requests` counts; a resource without any limit is absent."""
    return _total(pod, lambda container: _quantities((container.get("resources") or {}).get("limits")))


def container_requests(container: Mapping[str, Any]) -> Resources:
    """What one container asks for, a limit standing in for an absent request."""
    resources = container.get("resources") or {}
    return _quantities(resources.get("limits")) | _quantities(resources.get("requests"))


def qos_class(pod: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort, from cpu and memory of all init and regular containers."""
    asked = False
    guaranteed = True
    for container in (*containers(pod), *init_containers(pod)):
        resources = container.get("resources") or {}
        requested, limited = _quantities(resources.get("requests")), _quantities(resources.get("limits"))
        for name in ("cpu", "memory"):
            want, most = requested.get(name), limited.get(name)
            asked = asked or any(amount is not None and amount.nano > 0 for amount in (want, most))
            guaranteed = guaranteed and most is not None and most.nano > 0 and (want is None or want == most)
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def deletion_cost(pod: Mapping[str, Any]) -> int:
    """The annotation that says which of alike pods to remove first (the cheapest); 0 when absent or malformed."""
    try:
        return int(meta.annotation(pod, DELETION_COST_ANNOTATION) or 0)
    except ValueError:
        return 0


def _total(pod: Mapping[str, Any], of: Any) -> Resources:
    running: Resources = {}
    for container in containers(pod):
        running = _add(running, of(container))
    sidecars: Resources = {}
    peak: Resources = {}
    for container in init_containers(pod):
        if is_sidecar(container):
            sidecars = _add(sidecars, of(container))
            peak = _largest(peak, sidecars)
        else:
            peak = _largest(peak, _add(sidecars, of(container)))
    return _largest(_add(running, sidecars), peak)


def _quantities(amounts: Mapping[str, Any] | None) -> Resources:
    return {name: parse(amount) for name, amount in (amounts or {}).items()}


def _add(left: Resources, right: Resources) -> Resources:
    return {
        name: left[name] + right[name] if name in left and name in right else left.get(name) or right[name]
        for name in {**left, **right}
    }


def _largest(left: Resources, right: Resources) -> Resources:
    return {name: max(left.get(name) or right[name], right.get(name) or left[name]) for name in {**left, **right}}
