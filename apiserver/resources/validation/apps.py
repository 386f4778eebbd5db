"""The apps group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import (
    Errors,
    at_most_all,
    immutable,
    int_or_percent,
    is_empty_selector,
    is_zero,
    label_selector,
    not_negatives,
    one_of,
)
from apiserver.resources.validation.checks import labels as labels_of
from apiserver.resources.validation.metadata import annotation_map
from apiserver.resources.validation.pods import template
from machinery.errors import FieldError
from machinery.objects.selectors import from_label_selector

Object = dict[str, Any]

MISMATCH = "`selector` does not match template `labels`"
_STATEFUL_CHANGEABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def deployment(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = not_negatives(
        "spec", spec, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"
    )
    errors += _selector_and_template(spec, "deployment", "Deployment")
    errors += _strategy(spec.get("strategy") or {})
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        errors.append(
            FieldError.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
        )
    return errors


def deployment_update(obj: Object, old: Object) -> Errors:
    return immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))


def replica_set(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = not_negatives("spec", spec, "replicas", "minReadySeconds")
    return errors + _selector_and_template(spec, "deployment", "ReplicaSet")


def replica_set_update(obj: Object, old: Object) -> Errors:
    return immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))


def daemon_set(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = _selector_and_template(spec, "daemonset", "DaemonSet")
    errors += not_negatives("spec", spec, "minReadySeconds", "revisionHistoryLimit")
    strategy = spec.get("updateStrategy") or {}
    errors += one_of("spec.updateStrategy", strategy.get("type"), ("OnDelete", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "RollingUpdate" and rolling is not None:
        at = "spec.updateStrategy.rollingUpdate"
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        for key, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
            errors += int_or_percent(f"{at}.{key}", value) + at_most_all(f"{at}.{key}", value)
        if not is_zero(unavailable) and not is_zero(surge):
            errors.append(FieldError.invalid(f"{at}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
        if is_zero(unavailable) and is_zero(surge):
            errors.append(FieldError.required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return errors


def daemon_set_update(obj: Object, old: Object) -> Errors:
    return immutable("spec.selector", obj["spec"].get("selector"), old["spec"].get("selector"))


def stateful_set(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors: Errors = []
    if spec.get("podManagementPolicy") not in ("OrderedReady", "Parallel"):
        errors.append(
            FieldError.invalid(
                "spec.podManagementPolicy", spec.get("podManagementPolicy"), "must be 'OrderedReady' or 'Parallel'"
            )
        )
    strategy = spec.get("updateStrategy") or {}
    match strategy.get("type"):
        case "OnDelete":
            if strategy.get("rollingUpdate") is not None:
                errors.append(
                    FieldError.invalid(
                        "spec.updateStrategy.rollingUpdate",
                        strategy["rollingUpdate"],
                        "only allowed for updateStrategy 'RollingUpdate'",
                    )
                )
        case "RollingUpdate":
            rolling = strategy.get("rollingUpdate") or {}
            errors += not_negatives("spec.updateStrategy.rollingUpdate", rolling, "partition")
            if (unavailable := rolling.get("maxUnavailable")) is not None:
                at = "spec.updateStrategy.rollingUpdate.maxUnavailable"
                errors += int_or_percent(at, unavailable) + at_most_all(at, unavailable)
                if is_zero(unavailable):
                    errors.append(FieldError.invalid(at, unavailable, "cannot be 0"))
        case _:
            errors.append(FieldError.invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'"))
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for key in ("whenDeleted", "whenScaled"):
        errors += one_of(f"spec.persistentVolumeClaimRetentionPolicy.{key}", retention.get(key), ("Delete", "Retain"))
    errors += not_negatives("spec", spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    errors += not_negatives("spec.ordinals", spec.get("ordinals") or {}, "start")
    return errors + _selector_and_template(spec, "statefulset", "StatefulSet")


def stateful_set_update(obj: Object, old: Object) -> Errors:
    """A stateful set is what its claims and names were made for: few fields change."""
    spec, before = obj["spec"], old["spec"]
    if any(spec.get(key) != before.get(key) for key in {*spec, *before} - set(_STATEFUL_CHANGEABLE)):
        *most, last = (f"'{key}'" for key in _STATEFUL_CHANGEABLE)
        allowed = f"{', '.join(most)} and {last}"
        return [
            FieldError.forbidden("spec", f"updates to statefulset spec for fields other than {allowed} are forbidden")
        ]
    return []


def controller_revision(obj: Object) -> Errors:
    errors: Errors = []
    if obj.get("data") is None:
        errors.append(FieldError.required("data", "data is mandatory"))
    return errors + not_negatives("", obj, "revision")


def controller_revision_update(obj: Object, old: Object) -> Errors:
    return immutable("data", obj.get("data"), old.get("data"))


def _strategy(strategy: Object) -> Errors:
    rolling, at = strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
    match strategy.get("type"):
        case "Recreate":
            if rolling is not None:
                return [FieldError.forbidden(at, "may not be specified when strategy `type` is 'Recreate'")]
            return []
        case "RollingUpdate":
            if rolling is None:
                return [FieldError.required(at, "this should be defaulted and never be nil")]
        case _:
            return [FieldError.not_supported("spec.strategy", strategy, ("Recreate", "RollingUpdate"))]
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    errors = int_or_percent(f"{at}.maxUnavailable", unavailable) + int_or_percent(f"{at}.maxSurge", surge)
    if is_zero(unavailable) and is_zero(surge):
        errors.append(FieldError.invalid(f"{at}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return errors + at_most_all(f"{at}.maxUnavailable", unavailable)


def _selector_and_template(spec: Mapping[str, Any], word: str, kind: str) -> Errors:
    """A workload finds its pods by its selector, so what its template makes must match; and they restart always."""
    selector, pods = spec.get("selector"), spec.get("template") or {}
    errors = label_selector("spec.selector", selector)
    matching = not errors
    if selector is None and kind != "DaemonSet":
        errors.append(FieldError.required("spec.selector"))
    elif is_empty_selector(selector):
        errors.append(FieldError.invalid("spec.selector", selector, f"empty selector is invalid for {word}"))
    labels = (pods.get("metadata") or {}).get("labels")
    if matching and not from_label_selector(selector).matches(labels or {}):
        errors.append(FieldError.invalid("spec.template.metadata.labels", labels, MISMATCH))
    errors += _stateful_template(pods) if kind == "StatefulSet" else template("spec.template", pods)
    pod = pods.get("spec") or {}
    if pod.get("restartPolicy") not in (None, "", "Always"):
        errors.append(FieldError.not_supported("spec.template.spec.restartPolicy", pod["restartPolicy"], ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        shown = "ReplicaSet" if kind == "Deployment" else kind
        errors.append(
            FieldError.forbidden(
                "spec.template.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {shown} is not Supported"
            )
        )
    return errors


def _stateful_template(pods: Mapping[str, Any]) -> Errors:
    """Only the template's metadata: its pods get volumes from claim templates, and are judged when they are made."""
    metadata = pods.get("metadata") or {}
    errors = labels_of("spec.template.labels", metadata.get("labels"))
    return errors + annotation_map("spec.template.annotations", metadata.get("annotations"))
