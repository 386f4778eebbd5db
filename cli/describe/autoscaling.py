"""Horizontal pod autoscalers: what they look at, and how far they may go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import UNSET, Text

Object = Mapping[str, Any]

UNKNOWN = "<unknown>"


def autoscaler(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    target = spec["scaleTargetRef"]
    basics.metadata(text, obj)
    basics.created(text, obj)
    text.field("Reference", f"{target['kind']}/{target['name']}")
    text.field("Metrics", "( current / target )")
    current = status.get("currentMetrics") or ()
    for index, metric in enumerate(spec.get("metrics") or ()):
        text.line(_metric(metric, current[index] if index < len(current) else {}), level=1)
    text.field("Min replicas", spec.get("minReplicas", UNSET))
    text.field("Max replicas", spec["maxReplicas"])
    if spec.get("behavior"):
        text.head("Behavior")
        for label, key in (("Scale Up", "scaleUp"), ("Scale Down", "scaleDown")):
            _direction(text, label, spec["behavior"].get(key))
    counts = f"{status.get('currentReplicas', 0)} current / {status.get('desiredReplicas', 0)} desired"
    text.field(f"{target['kind']} pods", counts)
    basics.conditions(text, status, "Reason", "Message")


def _metric(metric: Object, current: Object) -> str:
    kind: str = metric["type"]
    key = kind[0].lower() + kind[1:]
    source, target = metric.get(key) or {}, (metric.get(key) or {}).get("target") or {}
    value = (current.get(key) or {}).get("current") or {}
    average = "averageValue" in target
    what, amount = (" (target average value)", "averageValue") if average else (" (target value)", "value")
    match kind:
        case "External":
            return f'"{source["metric"]["name"]}"{what}:\t{_ratio(value, target, amount)}'
        case "Pods":
            return f'"{source["metric"]["name"]}" on pods:\t{_ratio(value, target, "averageValue")}'
        case "Object":
            on = source["describedObject"]
            return f'"{source["metric"]["name"]}" on {on["kind"]}/{on["name"]}{what}:\t{_ratio(value, target, amount)}'
        case "Resource" | "ContainerResource":
            inside = f' of container "{source["container"]}"' if kind == "ContainerResource" else ""
            said = f"resource {source['name']}{inside} on pods"
            if average:
                return f"{said}:\t{_ratio(value, target, amount)}"
            return f"{said}  (as a percentage of request):\t{_share(value)} / {_percent(target)}"
    return f'<unknown metric type "{kind}">'


def _ratio(value: Object, target: Object, key: str) -> str:
    return f"{basics.quantity(value[key]) if key in value else UNKNOWN} / {basics.quantity(target.get(key))}"


def _share(value: Object) -> str:
    if value.get("averageUtilization") is None:
        return UNKNOWN
    return f"{value['averageUtilization']}% ({basics.quantity(value.get('averageValue'))})"


def _percent(target: Object) -> str:
    share = target.get("averageUtilization")
    return "<auto>" if share is None else f"{share}%"


def _direction(text: Text, label: str, rules: Object | None) -> None:
    if rules is None:
        return
    text.head(label, level=1)
    if rules.get("stabilizationWindowSeconds") is not None:
        text.line(f"Stabilization Window: {rules['stabilizationWindowSeconds']} seconds", level=2)
    if rules.get("policies"):
        text.line(f"Select Policy: {rules.get('selectPolicy', 'Max')}", level=2)
        text.head("Policies", level=2)
    for each in rules.get("policies") or ():
        period = f"{each['periodSeconds']} seconds"
        text.line(f"- Type: {each['type']}\tValue: {each['value']}\tPeriod: {period}", level=3)
