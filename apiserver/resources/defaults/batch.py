"""The batch group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill, items, section
from apiserver.resources.defaults.pods import template

Object = dict[str, Any]

BACKOFF_LIMIT = 6
"""Failed pods after which a job fails."""
_NO_LIMIT = 2**31 - 1


def job(obj: Object) -> None:
    spec = section(obj, "spec")
    template(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(spec, "parallelism", 1)
    fill(spec, "backoffLimit", BACKOFF_LIMIT if spec.get("backoffLimitPerIndex") is None else _NO_LIMIT)
    fill(spec, "completionMode", "NonIndexed")
    fill(spec, "suspend", False)
    fill(spec, "manualSelector", False)
    policy = spec.get("podFailurePolicy")
    fill(spec, "podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    for rule in items(policy or {}, "rules"):
        for pattern in items(rule, "onPodConditions"):
            fill(pattern, "status", "True")
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def cron_job(obj: Object) -> None:
    spec = section(obj, "spec")
    fill(spec, "concurrencyPolicy", "Allow")
    fill(spec, "suspend", False)
    fill(spec, "successfulJobsHistoryLimit", 3)
    fill(spec, "failedJobsHistoryLimit", 1)
    template(section(section(spec, "jobTemplate"), "spec"))
