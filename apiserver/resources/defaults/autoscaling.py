"""The autoscaling group, in both versions."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import canonical, fill, items, section
from apiserver.resources.hpa_versions import METRICS

Object = dict[str, Any]

CPU_PERCENT = 80
"""The target of an autoscaler that names no metric."""


def hpa_v1(obj: Object) -> None:
    spec = section(obj, "spec")
    fill(spec, "minReplicas", 1)
    if METRICS not in (obj["metadata"].get("annotations") or {}):
        fill(spec, "targetCPUUtilizationPercentage", CPU_PERCENT)


def hpa_v2(obj: Object) -> None:
    spec = section(obj, "spec")
    fill(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    for metric in items(spec, "metrics"):
        for source in metric.values():
            if isinstance(source, dict):
                target = source.get("target") or {}
                for key in ("value", "averageValue"):
                    if target.get(key) is not None:
                        target[key] = canonical(target[key])
    if (behavior := spec.get("behavior")) is not None:
        up, down = section(behavior, "scaleUp"), section(behavior, "scaleDown")
        fill(up, "stabilizationWindowSeconds", 0)
        fill(up, "selectPolicy", "Max")
        if not up.get("policies"):
            up["policies"] = [_policy("Pods", 4), _policy("Percent", 100)]
        fill(down, "selectPolicy", "Max")
        if not down.get("policies"):
            down["policies"] = [_policy("Percent", 100)]


def _policy(kind: str, value: int) -> Object:
    return {"type": kind, "value": value, "periodSeconds": 15}
