"""Namespaces and what bounds them: quotas, limit ranges, disruption budgets, priorities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import UNSET, Text, labels
from machinery.objects.quantity import from_value, parse_or_zero

Object = Mapping[str, Any]

LIMITS = ("Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio")
LIMIT_KEYS = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
SCOPES = {
    "Terminating": "all pods that have an active deadline. These pods have a limited lifespan on a node before being "
    "actively terminated by the system.",
    "NotTerminating": "all pods that do not have an active deadline. These pods usually include long running pods "
    "whose container command is not expected to terminate.",
    "BestEffort": "all pods that do not have resource requirements set. These pods have a best effort quality of "
    "service.",
    "NotBestEffort": "all pods that have at least one resource requirement set. These pods have a burstable or "
    "guaranteed quality of service.",
}


def namespace(text: Text, obj: Object, seen: Seen) -> None:
    status = obj.get("status") or {}
    basics.metadata(text, obj)
    text.field("Status", status.get("phase", ""))
    basics.conditions(text, status, "LastTransitionTime", "Reason", "Message")
    text.line()
    if seen.quotas:
        text.line("Resource Quotas")
        for each in sorted(seen.quotas, key=lambda each: str(each["metadata"]["name"])):
            text.field("Name", each["metadata"]["name"], level=1)
            _scopes(text, each, "* ", level=1)
            text.line("Resource\tUsed\tHard", level=1)
            text.line("--------\t---\t---", level=1)
            _usage(text, each, level=1)
    else:
        text.line("No resource quota.")
    text.line()
    if seen.limit_ranges:
        text.line("Resource Limits")
        _limits(text, seen.limit_ranges, " ")
    else:
        text.line("No LimitRange resource.")


def resource_quota(text: Text, obj: Object, seen: Seen) -> None:
    basics.name(text, obj)
    _scopes(text, obj, " * ", level=0)
    text.line("Resource\tUsed\tHard")
    text.line("--------\t----\t----")
    _usage(text, obj, level=0)


def _scopes(text: Text, obj: Object, mark: str, *, level: int) -> None:
    scopes = sorted(obj["spec"].get("scopes") or ())
    text.given("Scopes", ", ".join(scopes), level=level)
    for scope in scopes:
        if scope in SCOPES:
            text.line(f"{mark}Matches {SCOPES[scope]}", level=level)


def _usage(text: Text, obj: Object, *, level: int) -> None:
    status = obj.get("status") or {}
    for name in sorted(status.get("hard") or {}):
        hard, used = parse_or_zero(status["hard"][name]), parse_or_zero((status.get("used") or {}).get(name))
        if not level and used.format is not hard.format:
            used = from_value(used.value(), hard.format)
        text.line(f"{name}\t{used}\t{hard}", level=level)


def limit_range(text: Text, obj: Object, seen: Seen) -> None:
    basics.name(text, obj)
    _limits(text, [obj], "")


def _limits(text: Text, ranges: Sequence[Object], mark: str) -> None:
    rows = []
    for limit in (limit for each in ranges for limit in each["spec"].get("limits") or ()):
        for name in sorted({name for key in LIMIT_KEYS for name in limit.get(key) or ()}):
            amounts = [(limit.get(key) or {}).get(name) for key in LIMIT_KEYS]
            shown = ["-" if amount is None else basics.quantity(amount) for amount in amounts]
            rows.append([f"{mark}{limit['type']}", name, *shown])
    text.line(mark + "\t".join(LIMITS))
    text.line(mark + "\t".join("-" * len(name) for name in LIMITS))
    for row in rows:
        text.line("\t".join(row))


def disruption_budget(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.name(text, obj)
    if spec.get("minAvailable") is not None:
        text.field("Min available", spec["minAvailable"])
    else:
        text.given("Max unavailable", spec.get("maxUnavailable"))
    text.field("Selector", basics.formatted(spec["selector"]) if spec.get("selector") is not None else UNSET)
    text.head("Status")
    for label, key in (
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ):
        text.field(label, status.get(key, 0), level=2)


def priority_class(text: Text, obj: Object, seen: Seen) -> None:
    text.field("Name", obj["metadata"]["name"])
    text.field("Value", obj.get("value", 0))
    text.field("GlobalDefault", bool(obj.get("globalDefault")))
    text.field("PreemptionPolicy", obj.get("preemptionPolicy", ""))
    text.field("Description", obj.get("description", ""))
    text.field("Annotations", labels(obj["metadata"].get("annotations")))
