"""Limit ranges and resource quotas: what namespaces may use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, indexed, one_of, quantity, text
from machinery.errors import FieldError
from machinery.objects.names import is_label_key
from machinery.objects.quantity import Quantity, from_value

Object = dict[str, Any]

_LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_SCOPES = (
    "BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
    "VolumeAttributesClass",
)  # fmt: skip
_COUNTED = (
    "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services",
    "services.loadbalancers", "services.nodeports",
)  # fmt: skip
_MEASURED = ("cpu", "memory", "ephemeral-storage")


def limit_range(obj: Object) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for at, limit in indexed("spec.limits", (obj.get("spec") or {}).get("limits")):
        kind = limit.get("type") or ""
        wrong = text(f"{at}.type", kind, is_label_key)
        if not wrong and "/" not in kind and kind not in _LIMIT_TYPES:
            wrong = [FieldError.invalid(f"{at}.type", kind, "must be a standard limit type or fully qualified")]
        errors += wrong
        if kind in seen:
            errors.append(FieldError.duplicate(f"{at}.type", kind))
        seen.add(kind)
        errors += _limit(at, kind, limit)
    return errors


def _limit(path: str, kind: str, limit: Object) -> Errors:
    errors: Errors = []
    amounts: dict[str, dict[str, Quantity]] = {key: {} for key in _AMOUNTS}
    for key in _AMOUNTS:
        if kind == "Pod" and key.startswith("default"):
            if limit.get(key):
                errors.append(FieldError.forbidden(f"{path}.{key}", "may not be specified when `type` is 'Pod'"))
            continue
        for name, value in (limit.get(key) or {}).items():
            amount, wrong = quantity(f"{path}.{key}[{name}]", value)
            errors += text(f"{path}.{key}[{name}]", name, is_label_key) + wrong
            if amount is not None:
                amounts[key][name] = amount
    if kind == "PersistentVolumeClaim" and not any("storage" in amounts[key] for key in ("min", "max")):
        message = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(FieldError.required(f"{path}.limits", message))
    return errors + _ordered(path, amounts)


def _ordered(path: str, amounts: Mapping[str, Mapping[str, Quantity]]) -> Errors:
    """min ≤ defaultRequest ≤ default ≤ max, as far as they are given; a ratio of limit to request is at least 1."""
    errors: Errors = []
    for low, high, field, shown, said in (
        ("min", "max", "min", "min", "min value {} is greater than max value {}"),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest",
         "min value {} is greater than default request value {}"),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest",
         "default request value {} is greater than max value {}"),
        ("defaultRequest", "default", "defaultRequest", "defaultRequest",
         "default request value {} is greater than default limit value {}"),
        ("min", "default", "default", "min", "min value {} is greater than default value {}"),
        ("default", "max", "default", "max", "default value {} is greater than max value {}"),
    ):  # fmt: skip
        for name, amount in amounts[low].items():
            other = amounts[high].get(name)
            if other is not None and amount > other:
                value = str(amounts[shown][name])
                errors.append(FieldError.invalid(f"{path}.{field}[{name}]", value, said.format(amount, other)))
    for name, ratio in amounts["maxLimitRequestRatio"].items():
        if ratio < from_value(1):
            at = f"{path}.maxLimitRequestRatio[{name}]"
            errors.append(FieldError.invalid(at, str(ratio), f"ratio {ratio} is less than 1"))
    return errors


def resource_quota(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors: Errors = []
    for name, value in (spec.get("hard") or {}).items():
        at = f"spec.hard[{name}]"
        errors += _quota_name(at, name) + quantity(at, value)[1]
    for scope in spec.get("scopes") or []:
        if scope not in _SCOPES:
            errors.append(FieldError.invalid("spec.scopes", spec["scopes"], "unsupported scope"))
    expressions = (spec.get("scopeSelector") or {}).get("matchExpressions")
    for at, requirement in indexed("spec.scopeSelector.matchExpressions", expressions):
        errors += one_of(f"{at}.operator", requirement.get("operator"), ("DoesNotExist", "Exists", "In", "NotIn"))
        if requirement.get("scopeName") not in _SCOPES:
            errors.append(FieldError.invalid(f"{at}.scopeName", requirement.get("scopeName"), "unsupported scope"))
    return errors


def resource_quota_update(obj: Object, old: Object) -> Errors:
    now, before = (sorted((each.get("spec") or {}).get("scopes") or []) for each in (obj, old))
    return [FieldError.invalid("spec.scopes", now, "field is immutable")] if now != before else []


def _quota_name(path: str, name: str) -> Errors:
    """What can be limited: Kubernetes' own resources, and whatever has a domain (`count/jobs.batch`, devices)."""
    errors = text(path, name, is_label_key)
    if errors or "/" in name or name in _COUNTED:
        return errors
    measured = name.removeprefix("requests.").removeprefix("limits.")
    if measured in _MEASURED or name == "requests.storage" or measured.startswith("hugepages-"):
        return []
    return [
        FieldError.invalid(path, name, "must be a standard resource type or fully qualified"),
        FieldError.invalid(path, name, "must be a standard resource for quota"),
    ]
