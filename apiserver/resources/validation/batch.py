"""The batch group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation import cron
from apiserver.resources.validation.apps import MISMATCH
from apiserver.resources.validation.checks import (
    Errors,
    immutable,
    indexed,
    label_selector,
    not_negatives,
    one_of,
    required,
)
from apiserver.resources.validation.pods import template
from machinery.errors import FieldError
from machinery.objects import meta
from machinery.objects.names import too_long
from machinery.objects.selectors import from_label_selector

Object = dict[str, Any]

CRON_NAME_LIMIT = 52
"""Longest name of a cron job: eleven characters are left for what its jobs' names add."""
_INDEXED_LIMIT = 100_000
_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_WHILE_SUSPENDED = ("nodeSelector", "tolerations", "affinity", "schedulingGates")


def job(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = _generated_selector(obj, spec) if not spec.get("manualSelector") else []
    errors += job_spec("spec", spec)
    if spec.get("selector") is None:
        errors.append(FieldError.required("spec.selector"))
    else:
        malformed = label_selector("spec.selector", spec["selector"])
        errors += malformed
        labels = _template_labels(spec)
        if not malformed and not from_label_selector(spec["selector"]).matches(labels):
            errors.append(FieldError.invalid("spec.template.metadata.labels", labels, MISMATCH))
    return errors


def job_update(obj: Object, old: Object) -> Errors:
    """What makes up a job stays; while it is suspended and never ran, its pods' scheduling may change."""
    spec, before = obj["spec"], old["spec"]
    errors: Errors = []
    if spec.get("completions") != before.get("completions"):
        elastic = spec.get("completionMode") == "Indexed" and before.get("completions") is not None
        if not elastic or spec.get("completions") != spec.get("parallelism"):
            why = "field is immutable" if not elastic else "can only be modified in tandem with parallelism"
            errors.append(FieldError.invalid("spec.completions", spec.get("completions"), why))
    errors += immutable("spec.selector", spec.get("selector"), before.get("selector"))
    errors += _template_change(spec, old)
    for key in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        errors += immutable(f"spec.{key}", spec.get(key), before.get(key))
    return errors


def job_spec(path: str, spec: Mapping[str, Any]) -> Errors:
    """A JobSpec, of a job or of a cron job's template."""
    errors = not_negatives(path, spec, *_COUNTS, "backoffLimitPerIndex", "maxFailedIndexes")
    mode = spec.get("completionMode")
    errors += one_of(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"), optional=True)
    if mode == "Indexed":
        if spec.get("completions") is None:
            errors.append(FieldError.required(f"{path}.completions", "when completion mode is Indexed"))
        if (spec.get("parallelism") or 0) > _INDEXED_LIMIT:
            errors.append(
                FieldError.invalid(
                    f"{path}.parallelism",
                    spec["parallelism"],
                    f"must be less than or equal to {_INDEXED_LIMIT} when completion mode is Indexed",
                )
            )
    elif spec.get("backoffLimitPerIndex") is not None:
        errors.append(
            FieldError.invalid(
                f"{path}.backoffLimitPerIndex", spec["backoffLimitPerIndex"], "requires indexed completion mode"
            )
        )
    errors += one_of(
        f"{path}.podReplacementPolicy",
        spec.get("podReplacementPolicy"),
        ("Failed", "TerminatingOrFailed"),
        optional=True,
    )
    pods = spec.get("template") or {}
    errors += template(f"{path}.template", pods)
    at, policy = f"{path}.template.spec.restartPolicy", (pods.get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        errors.append(FieldError.required(at, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        errors.append(FieldError.not_supported(at, policy, ("OnFailure", "Never")))
    if spec.get("podFailurePolicy") is not None:
        errors += _failure_policy(f"{path}.podFailurePolicy", spec["podFailurePolicy"])
        if policy != "Never":
            errors.append(
                FieldError.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')
            )
    return errors


def cron_job(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors: Errors = []
    name = meta.name(obj)
    if len(name) > CRON_NAME_LIMIT:
        errors.append(FieldError.invalid("metadata.name", name, too_long(CRON_NAME_LIMIT)))
    schedule = spec.get("schedule")
    if not schedule:
        errors.append(FieldError.required("spec.schedule"))
    else:
        errors += _schedule("spec.schedule", schedule)
    if (zone := spec.get("timeZone")) is not None:
        errors += _time_zone("spec.timeZone", zone)
    errors += not_negatives(
        "spec", spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )
    errors += one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    jobs = (spec.get("jobTemplate") or {}).get("spec") or {}
    errors += job_spec("spec.jobTemplate.spec", jobs)
    if jobs.get("manualSelector"):
        errors.append(FieldError.not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false")))
    return errors


def _schedule(path: str, schedule: str) -> Errors:
    if "TZ" in schedule:
        return [FieldError.invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")]
    said = cron.problem(schedule)
    return [FieldError.invalid(path, schedule, said)] if said else []


def _time_zone(path: str, zone: str) -> Errors:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # here: most cron jobs name no zone

    if not zone:
        return [FieldError.invalid(path, zone, "timeZone must be nil or non-empty string")]
    if zone.lower() == "local":
        return [
            FieldError.invalid(
                path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
            )
        ]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [FieldError.invalid(path, zone, f"unknown time zone {zone}")]
    return []


def _generated_selector(obj: Object, spec: Mapping[str, Any]) -> Errors:
    """The labels that the server makes of the job's name and uid are there, and nobody put others in their place."""
    if not spec.get("selector"):
        return []
    errors: Errors = []
    labels = _template_labels(spec)
    for key, value in (
        ("batch.kubernetes.io/controller-uid", meta.uid(obj)),
        ("controller-uid", meta.uid(obj)),
        ("batch.kubernetes.io/job-name", meta.name(obj)),
        ("job-name", meta.name(obj)),
    ):
        if labels.get(key) != value:
            errors.append(FieldError.invalid("spec.template.metadata.labels", labels, f"must be '{value}'"))
    expected = {"batch.kubernetes.io/controller-uid": meta.uid(obj)}
    older = {"controller-uid": meta.uid(obj)}
    matched = spec["selector"].get("matchLabels") or {}
    if not any(each.items() <= matched.items() for each in (expected, older)):
        errors.append(FieldError.invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
    return errors


def _template_labels(spec: Mapping[str, Any]) -> dict[str, str]:
    return ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}


def _template_change(spec: Object, old: Object) -> Errors:
    now, before = spec.get("template") or {}, old["spec"].get("template") or {}
    if now == before:
        return []
    never_ran = (old.get("status") or {}).get("startTime") is None
    if old["spec"].get("suspend") and never_ran:
        allowed = {**now, "metadata": {**(before.get("metadata") or {})}, "spec": {**(now.get("spec") or {})}}
        for key in _WHILE_SUSPENDED:
            if key in (before.get("spec") or {}):
                allowed["spec"][key] = before["spec"][key]
            else:
                allowed["spec"].pop(key, None)
        allowed["spec"]["containers"] = _with_resources(allowed["spec"], before.get("spec") or {})
        if allowed["spec"] == before.get("spec"):
            return []
    return immutable("spec.template", now, before)


def _with_resources(spec: Mapping[str, Any], before: Mapping[str, Any]) -> list[Object]:
    """The containers with the resources they had: those of a job that waits to run may be adjusted."""
    was = {each.get("name"): each.get("resources") for each in before.get("containers") or []}
    return [{**each, "resources": was.get(each.get("name"))} for each in spec.get("containers") or []]


def _failure_policy(path: str, policy: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for at, rule in indexed(f"{path}.rules", policy.get("rules")):
        errors += one_of(f"{at}.action", rule.get("action"), ("Count", "FailIndex", "FailJob", "Ignore"))
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions")
        if codes is not None and patterns:
            errors.append(
                FieldError.invalid(at, rule, "specifying both OnExitCodes and OnPodConditions is not supported")
            )
        if codes is None and not patterns:
            errors.append(FieldError.invalid(at, rule, "specifying one of OnExitCodes and OnPodConditions is required"))
        if codes is not None:
            errors += one_of(f"{at}.onExitCodes.operator", codes.get("operator"), ("In", "NotIn"))
            errors += required(f"{at}.onExitCodes.values", codes.get("values"))
            if codes.get("operator") == "In" and 0 in (codes.get("values") or []):
                index = codes["values"].index(0)
                errors.append(
                    FieldError.invalid(f"{at}.onExitCodes.values[{index}]", 0, "must not be 0 for the In operator")
                )
        for pattern_at, pattern in indexed(f"{at}.onPodConditions", patterns):
            errors += required(f"{pattern_at}.type", pattern.get("type"))
            errors += one_of(f"{pattern_at}.status", pattern.get("status"), ("False", "True", "Unknown"))
    return errors
