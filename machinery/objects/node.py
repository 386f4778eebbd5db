"""Reading nodes: readiness, resources, taints, addresses, and whether a pod's node affinity admits one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machinery.objects import conditions, fields, meta, selectors
from machinery.objects.quantity import Quantity, parse

Object = dict[str, Any]

HOSTNAME_LABEL = "kubernetes.io/hostname"
ZONE_LABEL = "topology.kubernetes.io/zone"
REGION_LABEL = "topology.kubernetes.io/region"
ARCH_LABEL = "kubernetes.io/arch"
OS_LABEL = "kubernetes.io/os"
LEASE_NAMESPACE = "kube-node-lease"


def spec(node: Mapping[str, Any]) -> Object:
    """`spec`, {} when absent."""
    found: Object = node.get("spec") or {}
    return found


def status(node: Mapping[str, Any]) -> Object:
    """`status`, {} when absent."""
    found: Object = node.get("status") or {}
    return found


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether its Ready condition is True."""
    return conditions.is_true(node, "Ready")


def zone(node: Mapping[str, Any]) -> str:
    """Region and zone as one name, as cloud providers' failure domains are; "" when the labels say neither."""
    region, zone = meta.label(node, REGION_LABEL), meta.label(node, ZONE_LABEL)
    return f"{region}/{zone}" if region or zone else ""


def is_unschedulable(node: Mapping[str, Any]) -> bool:
    """Whether it was cordoned."""
    return bool(spec(node).get("unschedulable"))


def taints(node: Mapping[str, Any]) -> list[Object]:
    """`spec.taints`, [] when absent."""
    return spec(node).get("taints") or []


def allocatable(node: Mapping[str, Any]) -> dict[str, Quantity]:
    """What pods may use: `status.allocatable`, or `status.capacity` when that is absent."""
    amounts = status(node).get("allocatable") or status(node).get("capacity") or {}
    return {name: parse(amount) for name, amount in amounts.items()}


def capacity(node: Mapping[str, Any]) -> dict[str, Quantity]:
    """What the machine has: `status.capacity`."""
    return {name: parse(amount) for name, amount in (status(node).get("capacity") or {}).items()}


def addresses(node: Mapping[str, Any], type: str) -> list[str]:
    """Its addresses of one type (InternalIP, ExternalIP, Hostname, …), in order."""
    return [str(each["address"]) for each in status(node).get("addresses") or () if each.get("type") == type]


def internal_ip(node: Mapping[str, Any]) -> str:
    """Its first InternalIP, "" without one."""
    found = addresses(node, "InternalIP")
    return found[0] if found else ""


def pod_cidrs(node: Mapping[str, Any]) -> list[str]:
    """The ranges that its pods' addresses come from."""
    single = spec(node).get("podCIDR")
    return spec(node).get("podCIDRs") or ([single] if single else [])


def admits(pod_spec: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether `nodeSelector` and the required node affinity of a pod let it on this node."""
    wanted = pod_spec.get("nodeSelector") or {}
    labels = meta.labels(node)
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or matches(required, node)


def matches(node_selector: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether any of the terms of a v1 NodeSelector matches; an empty term matches nothing."""
    return any(matches_term(term, node) for term in node_selector.get("nodeSelectorTerms") or ())


def matches_term(term: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether all expressions of one term match. A malformed term, and one without expressions, matches nothing."""
    expressions, on_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not on_fields:
        return False
    try:
        if not selectors.from_node_expressions(expressions).matches(meta.labels(node)):
            return False
    except selectors.SelectorError:
        return False
    return all(_matches_field(each, node) for each in on_fields)


def _matches_field(expression: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    value = fields.lookup(node, str(expression.get("key") or ""))
    wanted = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case _:
            return False
