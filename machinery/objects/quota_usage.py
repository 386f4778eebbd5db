"""What one object uses of a namespace's quota, and which quotas it counts for. Pure.

Rules: kube-apiserver `pkg/quota/v1/evaluator/core` (pods, services, persistent volume claims) and the generic
`count/RESOURCE.GROUP` of every kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machinery.objects import meta
from machinery.objects import pod as pods
from machinery.objects.gvk import GVR
from machinery.objects.quantity import Quantity, from_value, parse

Object = dict[str, Any]
Usage = Mapping[str, Quantity]

ZERO = from_value(0)
ONE = from_value(1)
_NAMED = (
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"


def usage_of(resource: GVR, obj: Object) -> dict[str, Quantity]:
    """What an object uses, by the names that quotas have for it. A pod that has ended uses nothing but its count."""
    used = {f"count/{resource.group_resource}": ONE}
    if not resource.group and resource.resource == "pods":
        return used if pods.is_terminal(obj) else {**used, "pods": ONE, **_pod(obj)}
    if not resource.group and resource.resource in _NAMED:
        used[resource.resource] = ONE
    match resource.group_resource:
        case "services":
            used.update(_service(obj))
        case "persistentvolumeclaims":
            used.update(_claim(obj))
        case _:
            pass
    return used


def charged(quota: Object, resource: GVR) -> bool:
    """Whether a quota limits anything that objects of this resource use."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    name = resource.group_resource
    if f"count/{name}" in hard or (name in _NAMED and name in hard):
        return True
    match name:
        case "pods":
            return any(key.startswith(("requests.", "limits.")) or key in _COMPUTE for key in hard)
        case "services":
            return any(key.startswith("services.") for key in hard)
        case "persistentvolumeclaims":
            return any(key == "requests.storage" or _STORAGE_CLASS in key for key in hard)
        case _:
            return False


def missing(resource: GVR, obj: Object, hard: Mapping[str, Quantity]) -> str:
    """What each container must name because a quota limits its sum, as the refusal lists it; "" when nothing."""
    if resource.group_resource != "pods" or ((obj.get("spec") or {}).get("resources")):
        return ""
    found: dict[str, list[str]] = {}
    for container in (*pods.containers(obj), *pods.init_containers(obj)):
        resources = container.get("resources") or {}
        for key in hard:
            field, _, name = key.partition(".") if "." in key else ("requests", "", key)
            if name in _COMPUTE and field in ("requests", "limits") and name not in (resources.get(field) or {}):
                found.setdefault(key, []).append(container["name"])
    return "; ".join(f"{key} for: {','.join(names)}" for key, names in sorted(found.items()))


def scoped(quota: Object, resource: GVR, obj: Object) -> bool:
    """Whether an object is in a quota's scopes. A quota with scopes is about pods alone."""
    spec = quota.get("spec") or {}
    wanted = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or []]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    if not wanted:
        return True
    if resource.group_resource != "pods":
        return False
    return all(_in_scope(each, obj) for each in wanted)


def _in_scope(requirement: Object, pod: Object) -> bool:
    spec = pod.get("spec") or {}
    match requirement.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return pods.qos_class(pod) == "BestEffort"
        case "NotBestEffort":
            return pods.qos_class(pod) != "BestEffort"
        case "PriorityClass":
            return _matches(requirement, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return _crosses(spec.get("affinity") or {})
        case _:
            return False


def _matches(requirement: Object, value: str) -> bool:
    values = requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return bool(value)
        case _:
            return not value


def _crosses(affinity: Object) -> bool:
    for key in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(key) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or [])
        weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or []
        terms += [each.get("podAffinityTerm") or {} for each in weighted]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def _pod(pod: Object) -> dict[str, Quantity]:
    used: dict[str, Quantity] = {}
    for name, amount in pods.requests(pod).items():
        if name == "pods":
            continue  # the scheduler counts by it; here pods are counted by themselves
        used[f"requests.{name}"] = amount
        if name in _COMPUTE:
            used[name] = amount
    for name, amount in pods.limits(pod).items():
        used[f"limits.{name}"] = amount
    return used


def _service(service: Object) -> dict[str, Quantity]:
    spec = service.get("spec") or {}
    ports = from_value(len(spec.get("ports") or []))
    match spec.get("type"):
        case "NodePort":
            return {"services.nodeports": ports}
        case "LoadBalancer":
            wants_ports = spec.get("allocateLoadBalancerNodePorts", True)
            return {"services.loadbalancers": ONE, "services.nodeports": ports if wants_ports else ZERO}
        case _:
            return {}


def _claim(claim: Object) -> dict[str, Quantity]:
    spec = claim.get("spec") or {}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    storage = parse(asked) if asked is not None else ZERO
    used = {"requests.storage": storage}
    storage_class = spec.get("storageClassName") or meta.annotation(claim, "volume.beta.kubernetes.io/storage-class")
    if storage_class:
        used[f"{storage_class}{_STORAGE_CLASS}requests.storage"] = storage
        used[f"{storage_class}{_STORAGE_CLASS}persistentvolumeclaims"] = ONE
    return used
