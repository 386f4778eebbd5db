"""Nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import Errors, cidr, indexed, one_of, quantity, text
from machinery.errors import FieldError
from machinery.objects.names import is_label_key, is_label_value

Object = dict[str, Any]

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def node(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = _taints("metadata.taints", spec.get("taints"))
    for at, network in indexed("spec.podCIDRs", spec.get("podCIDRs")):
        errors += cidr(at, network)
    return errors + node_status(obj)


def node_status(obj: Object) -> Errors:
    """What an agent reports: amounts that are amounts, addresses that are said once."""
    status = obj.get("status") or {}
    errors: Errors = []
    for key in ("capacity", "allocatable"):
        for name, value in (status.get(key) or {}).items():
            errors += quantity(f"status.{key}.{name}", value)[1]
    seen: set[tuple[Any, Any]] = set()
    for at, address in indexed("status.addresses", status.get("addresses")):
        each = (address.get("type"), address.get("address"))
        if each in seen:
            errors.append(FieldError.duplicate(at, address))
        seen.add(each)
    return errors


def node_update(obj: Object, old: Object) -> Errors:
    """Where a node is and what it was given stays; an administrator changes taints and whether it takes pods."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    errors = node(obj)
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
        errors.append(
            FieldError.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
        )
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        errors.append(
            FieldError.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')
        )
    return errors


def _taints(path: str, taints: list[Mapping[str, Any]] | None) -> Errors:
    errors: Errors = []
    seen: set[tuple[Any, Any]] = set()
    for at, taint in indexed(path, taints):
        errors += text(f"{at}.key", taint.get("key"), is_label_key)
        errors += text(f"{at}.value", taint.get("value"), is_label_value)
        errors += one_of(f"{at}.effect", taint.get("effect"), _EFFECTS)
        key = (taint.get("key"), taint.get("effect"))
        if key in seen:
            message = f"{FieldError.duplicate(at, taint).message}: taints must be unique by key and effect pair"
            errors.append(FieldError(at, "FieldValueDuplicate", message))
        seen.add(key)
    return errors
