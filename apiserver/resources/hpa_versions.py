"""HorizontalPodAutoscaler between autoscaling/v1 and the stored autoscaling/v2.

v1 knows one CPU target; what else a v2 object says travels in annotations of the v1 form, so that a v1 client that
reads and writes an object loses nothing. Rule: kube-apiserver's conversion of these two versions.
"""

from __future__ import annotations

from typing import Any

import orjson

Object = dict[str, Any]

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"


def to_v2(hpa: Object) -> Object:
    """The v2 form of a v1 object."""
    annotations = dict(hpa.get("metadata", {}).get("annotations") or {})
    spec, status = dict(hpa.get("spec") or {}), dict(hpa.get("status") or {})
    metrics = _carried(annotations, METRICS)
    if (target := spec.pop("targetCPUUtilizationPercentage", None)) is not None:
        metrics = [_cpu_target(target), *metrics]
    if metrics:
        spec["metrics"] = metrics
    if behavior := _carried(annotations, BEHAVIOR):
        spec["behavior"] = behavior
    current = _carried(annotations, CURRENT_METRICS)
    if (seen := status.pop("currentCPUUtilizationPercentage", None)) is not None:
        current = [_cpu_current(seen), *[each for each in current if not _is_cpu(each)]]
    if current:
        status["currentMetrics"] = current
    if conditions := _carried(annotations, CONDITIONS):
        status["conditions"] = conditions
    return _assembled(hpa, "autoscaling/v2", annotations, spec, status)


def to_v1(hpa: Object) -> Object:
    """The v1 form of a v2 object."""
    annotations = dict(hpa.get("metadata", {}).get("annotations") or {})
    spec, status = dict(hpa.get("spec") or {}), dict(hpa.get("status") or {})
    others = []
    for metric in spec.pop("metrics", None) or []:
        target = metric.get("resource", {}).get("target", {}).get("averageUtilization")
        if _is_cpu(metric) and target is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = target
        else:
            others.append(metric)
    current = status.pop("currentMetrics", None) or []
    for metric in current:
        seen = metric.get("resource", {}).get("current", {}).get("averageUtilization")
        if _is_cpu(metric) and seen is not None:
            status["currentCPUUtilizationPercentage"] = seen
    carried = {
        METRICS: others,
        CURRENT_METRICS: current,
        CONDITIONS: status.pop("conditions", None),
        BEHAVIOR: spec.pop("behavior", None),
    }
    annotations.update({key: orjson.dumps(value).decode() for key, value in carried.items() if value})
    return _assembled(hpa, "autoscaling/v1", annotations, spec, status)


def _carried(annotations: dict[str, str], key: str) -> Any:
    """What a carrier annotation holds, taken out; an empty list when there is none or when it is no JSON."""
    try:
        return orjson.loads(annotations.pop(key, "[]"))
    except orjson.JSONDecodeError:
        return []


def _is_cpu(metric: Object) -> bool:
    return metric.get("type") == "Resource" and metric.get("resource", {}).get("name") == "cpu"


def _cpu_target(percent: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _cpu_current(percent: int) -> Object:
    current = {"averageUtilization": percent, "averageValue": "0"}
    return {"type": "Resource", "resource": {"name": "cpu", "current": current}}


def _assembled(hpa: Object, api_version: str, annotations: dict[str, str], spec: Object, status: Object) -> Object:
    metadata = {key: value for key, value in hpa.get("metadata", {}).items() if key != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    converted = {**hpa, "apiVersion": api_version, "metadata": metadata, "spec": spec}
    if status or "status" in hpa:
        converted["status"] = status
    return converted
