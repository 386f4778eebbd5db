"""The autoscaling group; a v1 object is judged by its v2 form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.hpa_versions import to_v2
from apiserver.resources.validation.checks import Errors, indexed, one_of, quantity, required
from machinery.errors import FieldError
from machinery.objects.names import is_path_segment

Object = dict[str, Any]

_METRICS = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_LONGEST_PERIOD = 1800
_LONGEST_WINDOW = 3600


def hpa_v1(obj: Object) -> Errors:
    return hpa_v2(to_v2(obj))


def hpa_v2(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    errors: Errors = []
    if low is not None and low < 1:
        errors.append(FieldError.invalid("spec.minReplicas", low, "must be greater than or equal to 1"))
    if high < 1:
        errors.append(FieldError.invalid("spec.maxReplicas", high, "must be greater than 0"))
    if low is not None and high < low:
        errors.append(FieldError.invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    errors += _reference("spec.scaleTargetRef", spec.get("scaleTargetRef") or {})
    for at, metric in indexed("spec.metrics", spec.get("metrics")):
        errors += _metric(at, metric)
    for key, rules in (spec.get("behavior") or {}).items():
        errors += _scaling_rules(f"spec.behavior.{key}", rules or {})
    return errors


def _reference(path: str, reference: Mapping[str, Any]) -> Errors:
    errors = required(f"{path}.kind", reference.get("kind"), is_path_segment)
    return errors + required(f"{path}.name", reference.get("name"), is_path_segment)


def _metric(path: str, metric: Mapping[str, Any]) -> Errors:
    kind = metric.get("type")
    if not kind:
        return [FieldError.required(f"{path}.type", "must specify a metric source type")]
    if kind not in _METRICS:
        return [FieldError.not_supported(f"{path}.type", kind, sorted(_METRICS))]
    field = _METRICS[kind]
    source, at = metric.get(field), f"{path}.{field}"
    if source is None:
        return [FieldError.required(at, "must populate information for the given metric source")]
    errors: Errors = []
    if field in ("resource", "containerResource"):
        errors += required(f"{at}.name", source.get("name"))
    else:
        errors += required(f"{at}.metric.name", (source.get("metric") or {}).get("name"))
    if field == "containerResource":
        errors += required(f"{at}.container", source.get("container"))
    if field == "object":
        errors += _reference(f"{at}.describedObject", source.get("describedObject") or {})
    return errors + _target(f"{at}.target", source.get("target") or {})


def _target(path: str, target: Mapping[str, Any]) -> Errors:
    errors = one_of(f"{path}.type", target.get("type"), ("AverageValue", "Utilization", "Value"))
    for key in ("value", "averageValue"):
        if target.get(key) is not None:
            amount, wrong = quantity(f"{path}.{key}", target[key])
            errors += wrong
            if amount is not None and amount.is_zero():
                errors.append(FieldError.invalid(f"{path}.{key}", str(amount), "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        errors.append(FieldError.invalid(f"{path}.averageUtilization", utilization, "must be greater than 0"))
    if all(target.get(key) is None for key in ("value", "averageValue", "averageUtilization")):
        errors.append(
            FieldError.required(
                f"{path}.averageUtilization", "must set either a target raw value or a target utilization"
            )
        )
    return errors


def _scaling_rules(path: str, rules: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and not 0 <= window <= _LONGEST_WINDOW:
        limit = "greater than or equal to zero" if window < 0 else f"less than or equal to {_LONGEST_WINDOW}"
        errors.append(FieldError.invalid(f"{path}.stabilizationWindowSeconds", window, f"must be {limit}"))
    errors += one_of(f"{path}.selectPolicy", rules.get("selectPolicy"), ("Disabled", "Max", "Min"), optional=True)
    if not rules.get("policies"):
        errors.append(FieldError.required(f"{path}.policies", "must specify at least one Policy"))
    for at, policy in indexed(f"{path}.policies", rules.get("policies")):
        errors += one_of(f"{at}.type", policy.get("type"), ("Percent", "Pods"))
        if (policy.get("value") or 0) <= 0:
            errors.append(FieldError.invalid(f"{at}.value", policy.get("value") or 0, "must be greater than zero"))
        period = policy.get("periodSeconds") or 0
        if period <= 0:
            errors.append(FieldError.invalid(f"{at}.periodSeconds", period, "must be greater than zero"))
        if period > _LONGEST_PERIOD:
            errors.append(
                FieldError.invalid(f"{at}.periodSeconds", period, f"must be less than or equal to {_LONGEST_PERIOD}")
            )
    return errors
