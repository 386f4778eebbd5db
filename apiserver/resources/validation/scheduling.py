"""The scheduling.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.validation.checks import Errors, one_of
from machinery.errors import FieldError
from machinery.objects import meta

Object = dict[str, Any]

HIGHEST = 1_000_000_000
"""Highest priority that users may define; above it is the system's."""
_SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def priority_class(obj: Object) -> Errors:
    name, value = meta.name(obj), obj.get("value") or 0
    errors: Errors = []
    if name.startswith("system-"):
        if _SYSTEM.get(name) != value:
            errors.append(
                FieldError.forbidden(
                    "metadata.name",
                    "priority class names with 'system-' prefix are reserved for system use only. "
                    f"error: {name} is not a known system priority class",
                )
            )
    elif value > HIGHEST:
        errors.append(FieldError.forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}"))
    return errors + one_of(
        "preemptionPolicy", obj.get("preemptionPolicy"), ("Never", "PreemptLowerPriority"), optional=True
    )


def priority_class_update(obj: Object, old: Object) -> Errors:
    errors: Errors = []
    if (obj.get("value") or 0) != (old.get("value") or 0):
        errors.append(FieldError.forbidden("value", "may not be changed in an update."))
    if obj.get("preemptionPolicy") != old.get("preemptionPolicy"):
        errors.append(FieldError.invalid("preemptionPolicy", obj.get("preemptionPolicy"), "field is immutable"))
    return errors
