"""The coordination.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.validation.checks import Errors, not_negatives
from machinery.errors import FieldError

Object = dict[str, Any]


def lease(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors: Errors = []
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        errors.append(FieldError.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    errors += not_negatives("spec", spec, "leaseTransitions")
    if spec.get("holderIdentity") == "":
        errors.append(FieldError.required("spec.holderIdentity", "must not be empty"))
    return errors
