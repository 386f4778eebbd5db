"""The autoscaling group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.columns.build import AGE, NAME, UNKNOWN, UNSET, at, some, text
from apiserver.resources.hpa_versions import to_v2

Object = dict[str, Any]

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}


def _targets(hpa: Object) -> str:
    current = (hpa.get("status") or {}).get("currentMetrics") or []
    specs = (hpa.get("spec") or {}).get("metrics") or []
    listed = [_metric(each, current[index] if index < len(current) else {}) for index, each in enumerate(specs)]
    return some(listed, shown=2, joint=", ")


def _metric(metric: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Current and wanted value; those of resources with the resource's name before them."""
    kind = metric.get("type") or ""
    field = _SOURCES.get(kind)
    if field is None:
        return "<unknown type>"
    source, now = metric.get(field) or {}, (seen.get(field) or {}).get("current") or {}
    target = source.get("target") or {}
    named = f"{source.get('name')}: " if field in ("resource", "containerResource") else ""
    if target.get("averageUtilization") is not None:
        percent = now.get("averageUtilization")
        current = UNKNOWN if percent is None else f"{percent}%"
        return f"{named}{current}/{target['averageUtilization']}%"
    if target.get("averageValue") is not None:
        average = " (avg)" if field in ("external", "object") else ""
        return f"{named}{now.get('averageValue') or UNKNOWN}/{target['averageValue']}{average}"
    return f"{named}{now.get('value') or UNKNOWN}/{target.get('value') or '<auto>'}"


HPA = (
    NAME,
    text(
        "Reference",
        "What is scaled.",
        lambda o: f"{at('spec', 'scaleTargetRef', 'kind')(o)}/{at('spec', 'scaleTargetRef', 'name')(o)}",
    ),
    text("Targets", "Current and wanted values of the metrics.", lambda o: _targets(_v2(o))),
    text("MinPods", "Fewest pods.", lambda o: str(at("spec", "minReplicas", default=UNSET)(o))),
    text("MaxPods", "Most pods.", lambda o: str(at("spec", "maxReplicas", default=0)(o))),
    text("Replicas", "How many pods there are.", lambda o: str(at("status", "currentReplicas", default=0)(o))),
    AGE,
)


def _v2(hpa: Object) -> Object:
    return to_v2(hpa) if hpa.get("apiVersion") == "autoscaling/v1" else hpa
