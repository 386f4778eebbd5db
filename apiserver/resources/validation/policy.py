"""The policy group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.validation.checks import Errors, at_most_all, int_or_percent, label_selector, one_of
from machinery.errors import FieldError

Object = dict[str, Any]


def disruption_budget(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    errors: Errors = []
    if low is not None and high is not None:
        errors.append(FieldError.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for key, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            errors += int_or_percent(f"spec.{key}", value) + at_most_all(f"spec.{key}", value)
    errors += label_selector("spec.selector", spec.get("selector"))
    return errors + one_of(
        "spec.unhealthyPodEvictionPolicy",
        spec.get("unhealthyPodEvictionPolicy"),
        ("AlwaysAllow", "IfHealthyBudget"),
        optional=True,
    )
