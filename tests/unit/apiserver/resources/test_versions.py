"""Kinds that are served in two forms and stored in one."""

from typing import Any

import orjson
import pytest

from apiserver.resources.events import from_core, to_core
from apiserver.resources.hpa_versions import BEHAVIOR, CONDITIONS, METRICS, to_v1, to_v2

MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}


def hpa(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"maxReplicas": 3, **spec},
    }


def test_a_cpu_target_is_a_metric() -> None:
    assert to_v2(hpa("v1", targetCPUUtilizationPercentage=70)) == hpa("v2", metrics=[CPU])


def test_a_cpu_metric_is_a_target() -> None:
    assert to_v1(hpa("v2", metrics=[CPU])) == hpa("v1", targetCPUUtilizationPercentage=70)


def test_what_v1_cannot_say_travels_in_annotations() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    stored = hpa("v2", metrics=[CPU, MEMORY], behavior=behavior)
    stored["status"] = {"currentReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}]}
    shown = to_v1(stored)
    annotations = shown["metadata"]["annotations"]
    assert orjson.loads(annotations[METRICS]) == [MEMORY]
    assert orjson.loads(annotations[BEHAVIOR]) == behavior
    assert orjson.loads(annotations[CONDITIONS])[0]["type"] == "AbleToScale"
    assert to_v2(shown) == stored


def test_an_annotation_that_is_no_json_is_left_out() -> None:
    broken = hpa("v1", targetCPUUtilizationPercentage=70)
    broken["metadata"]["annotations"] = {METRICS: "{", "own": "kept"}
    converted = to_v2(broken)
    assert converted["spec"]["metrics"] == [CPU]
    assert converted["metadata"]["annotations"] == {"own": "kept"}


def test_conversion_leaves_its_argument_alone() -> None:
    given = hpa("v2", metrics=[CPU, MEMORY])
    before = orjson.dumps(given)
    to_v1(given)
    assert orjson.dumps(given) == before


@pytest.mark.parametrize(
    ("core", "new"),
    [
        ("message", "note"),
        ("involvedObject", "regarding"),
        ("reportingComponent", "reportingController"),
        ("count", "deprecatedCount"),
        ("source", "deprecatedSource"),
        ("reason", "reason"),
    ],
)
def test_events_have_two_names_for_a_field(core: str, new: str) -> None:
    event = {"apiVersion": "v1", "kind": "Event", core: "x"}
    renamed = {"apiVersion": "events.k8s.io/v1", "kind": "Event", new: "x"}
    assert from_core(event) == renamed
    assert to_core(renamed) == event
