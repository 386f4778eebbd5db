"""The Node object and its Lease: what a node says of itself. Pure.

Names, reasons and messages are kubelet's (pkg/kubelet/kubelet_node_status.go, nodestatus/setters.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from machinery.objects import meta, timefmt
from machinery.objects import node as nodes
from machinery.objects.quantity import Quantity, parse
from nodeagent.node.facts import Machine, Pressure

Object = dict[str, Any]

_CONDITIONS = (
    # type, how it is short of it, reason and message when it is, reason and message when it is not
    (
        "MemoryPressure",
        "memory",
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ),
    (
        "DiskPressure",
        "disk",
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ),
    (
        "PIDPressure",
        "pids",
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ),
)


def labels(name: str, machine: Machine, extra: Mapping[str, str]) -> dict[str, str]:
    """The labels a node registers with."""
    architecture, system = machine.info["architecture"], machine.info["operatingSystem"]
    return {
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": system,
        nodes.ARCH_LABEL: architecture,
        nodes.HOSTNAME_LABEL: machine.hostname or name,
        nodes.OS_LABEL: system,
        **extra,
    }


def node(
    name: str, machine: Machine, status: Object, *, extra: Mapping[str, str], taints: Sequence[Mapping[str, str]]
) -> Object:
    """A new Node."""
    spec: Object = {"taints": [dict(taint) for taint in taints]} if taints else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels(name, machine, extra),
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": spec,
        "status": status,
    }


def status(
    machine: Machine,
    *,
    before: Mapping[str, Any],
    problems: Sequence[str],
    pressure: Pressure,
    images: Sequence[Object],
    now: datetime,
) -> Object:
    """`status` of a Node. before: what the API holds, whose conditions of other types are kept.

    problems: why no pod can run now; empty for a ready node."""
    known = {each.get("type"): each for each in before.get("conditions") or ()}
    conditions = []
    for kind, field, short, fine in _CONDITIONS:
        is_short = getattr(pressure, field)
        conditions.append(_condition(kind, is_short, *(short if is_short else fine), known.pop(kind, None), now))
    ready = (
        ("KubeletNotReady", ", ".join(problems)) if problems else ("KubeletReady", "kubelet is posting ready status")
    )
    conditions.append(_condition("Ready", not problems, *ready, known.pop("Ready", None), now))
    kept = {
        key: value for key, value in before.items() if key in ("config", "volumesAttached", "volumesInUse", "phase")
    }
    return {
        **kept,
        "capacity": dict(machine.capacity),
        "allocatable": dict(machine.capacity),
        "conditions": [*known.values(), *conditions],
        "addresses": [
            *({"type": "InternalIP", "address": each} for each in machine.addresses),
            {"type": "Hostname", "address": machine.hostname},
        ],
        "nodeInfo": dict(machine.info),
        "images": list(images),
    }


def _condition(
    kind: str, holds: bool, reason: str, message: str, old: Mapping[str, Any] | None, now: datetime
) -> Object:
    word = "True" if holds else "False"
    stamp = timefmt.format(now)
    since = old.get("lastTransitionTime") if old and old.get("status") == word else None
    return {
        "type": kind,
        "status": word,
        "lastHeartbeatTime": stamp,
        "lastTransitionTime": since or stamp,
        "reason": reason,
        "message": message,
    }


def differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether anything but heartbeats changed."""
    return _still(before) != _still(after)


def _still(status: Mapping[str, Any]) -> Object:
    conditions = [
        {key: value for key, value in each.items() if key != "lastHeartbeatTime"}
        for each in status.get("conditions") or ()
    ]
    said = {key: value for key, value in status.items() if value not in ([], {}, None)}  # the API keeps no empty lists
    return {**said, "conditions": sorted(conditions, key=lambda each: str(each.get("type")))}


def allocatable(machine: Machine) -> dict[str, Quantity]:
    """What pods may use, as quantities."""
    return {name: parse(amount) for name, amount in machine.capacity.items()}


def lease(owner: Mapping[str, Any], name: str, seconds: float, now: datetime, before: Object | None) -> Object:
    """The node's Lease, renewed now. before: the one that is there, None for the first."""
    spec = {"holderIdentity": name, "leaseDurationSeconds": int(seconds), "renewTime": timefmt.format_micro(now)}
    if before is not None:
        return {**before, "spec": {**(before.get("spec") or {}), **spec}}
    reference = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": meta.uid(owner)}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": nodes.LEASE_NAMESPACE, "ownerReferences": [reference]},
        "spec": spec,
    }
