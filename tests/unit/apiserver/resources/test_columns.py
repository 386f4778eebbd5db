"""What `kubectl get` shows of an object."""

from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.resources.columns.build import selector
from apiserver.resources.columns.pods import pod_state
from apiserver.resources.registry import RESOURCES
from apiserver.resources.spec import Column
from machinery.objects import timefmt
from tests.unit.apiserver.resources.builders import golden, merge, row

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PODS = golden("columns/pods.yaml")
KINDS = golden("columns/kinds.yaml")


def cell(column: Column, obj: dict[str, Any]) -> Any:
    if column.timed is not None:
        return column.timed(obj, NOON)
    value = column.cell(obj)
    return timefmt.age(value, NOON) if column.age else value


def cells(obj: dict[str, Any], priority: int) -> dict[str, Any]:
    return {each.name: cell(each, obj) for each in row(obj).columns if each.priority == priority}


@pytest.mark.parametrize("case", PODS.values(), ids=PODS.keys())
def test_pods(case: dict[str, Any]) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}
    merge(pod, {key: value for key, value in case.items() if key != "cells"})
    shown = cells(pod, priority=0)
    assert [shown["Ready"], shown["Status"], shown["Restarts"]] == case["cells"]


def test_where_pods_are() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}, "status": {}}
    assert set(cells(pod, priority=1).values()) == {"<none>"}
    pod["spec"] = {"nodeName": "n1", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]}
    pod["status"] = {"podIP": "10.0.0.1", "conditions": [{"type": "b", "status": "True"}]}
    shown = cells(pod, priority=1)
    assert (shown["IP"], shown["Node"], shown["Readiness Gates"]) == ("10.0.0.1", "n1", "1/2")


@pytest.mark.parametrize("case", KINDS.values(), ids=KINDS.keys())
def test_kinds(case: dict[str, Any]) -> None:
    assert cells(case["object"], priority=0) == case["row"]
    assert cells(case["object"], priority=1) == case.get("wide", {})


@pytest.mark.parametrize("spec", [each for each in RESOURCES.values() if each.columns], ids=lambda spec: str(spec.gvr))
def test_a_bare_object_has_a_row(spec: Any) -> None:
    """What a write has defaulted is enough for every cell."""
    obj: dict[str, Any] = {"apiVersion": spec.gvk.api_version, "kind": spec.kind, "metadata": {"name": "bare"}}
    spec.strategy.default(obj)
    assert len([cell(column, obj) for column in spec.columns]) == len(spec.columns)
    assert [column.name for column in spec.columns if column.format == "name"] == ["Name"]


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        ("Complete", "True", "Complete"),
        ("Failed", "True", "Failed"),
        ("Suspended", "True", "Suspended"),
        ("Complete", "False", "Running"),
    ],
)
def test_the_state_of_a_job(kind: str, status: str, word: str) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {},
        "status": {"conditions": [{"type": kind, "status": status}]},
    }
    assert cells(job, priority=0)["Status"] == word


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "<none>"),
        ({}, "<none>"),
        ({"matchLabels": {"b": "1", "a": "2"}}, "a=2,b=1"),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["b", "a"]}]}, "x notin (a,b)"),
        ({"matchExpressions": [{"key": "x", "operator": "Exists"}, {"key": "y", "operator": "DoesNotExist"}]}, "!y,x"),
    ],
)
def test_selectors(value: dict[str, Any] | None, text: str) -> None:
    assert selector(value) == text


def test_a_pod_without_status_has_a_state() -> None:
    assert pod_state({"spec": {"containers": [{"name": "a"}]}}).total == 1
