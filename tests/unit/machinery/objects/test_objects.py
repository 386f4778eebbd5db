"""Metadata, owners, conditions, taints, pods, nodes, workloads, the mutation guard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from machinery.objects import conditions, meta, node, owners, pod, taints, workload
from machinery.objects.mutation_guard import CachedObjectChanged, MutationGuard
from machinery.objects.quantity import parse

NOW = datetime(2024, 1, 1, tzinfo=UTC)
OWNER: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "r", "namespace": "n", "uid": "u1"},
}


def test_absent_metadata_reads_as_empty() -> None:
    assert (meta.name({}), meta.namespace({}), meta.labels({}), meta.finalizers({}), meta.generation({})) == (
        "",
        "",
        {},
        [],
        0,
    )
    assert meta.key({"metadata": {"name": "a"}}) == "a"
    assert meta.split_key(meta.join_key("n", "a")) == ("n", "a")
    assert meta.split_key("a") == ("", "a")


def test_changes_of_metadata_copy() -> None:
    before = {"metadata": {"labels": {"a": "1"}, "finalizers": ["f"]}}
    assert meta.with_labels(before, {"a": None, "b": "2"})["metadata"]["labels"] == {"b": "2"}
    assert "labels" not in meta.with_labels(before, {"a": None})["metadata"]
    assert "finalizers" not in meta.without_finalizer(before, "f")["metadata"]
    assert meta.with_finalizer(before, "g")["metadata"]["finalizers"] == ["f", "g"]
    assert meta.with_finalizer(before, "f") is before
    assert before == {"metadata": {"labels": {"a": "1"}, "finalizers": ["f"]}}


def test_adopt_and_release() -> None:
    orphan = {"metadata": {"name": "p", "namespace": "n"}}
    adopted = owners.adopt(orphan, OWNER)
    assert owners.is_controlled_by(adopted, OWNER)
    assert owners.controller_of(orphan) is None
    assert owners.adopt(adopted, OWNER) == adopted
    assert owners.release(adopted, "u1") == orphan
    assert owners.release(orphan, "u1") is orphan
    with pytest.raises(ValueError, match="is controlled by ReplicaSet r"):
        owners.adopt(adopted, {**OWNER, "metadata": {"name": "other", "uid": "u2"}})


def test_condition_time_moves_with_status_only() -> None:
    o: dict[str, Any] = {}
    assert conditions.set(o, "Ready", "False", reason="A", now=NOW)
    assert conditions.set(o, "Ready", "False", reason="B", message="m", now=NOW + timedelta(hours=1))
    assert conditions.get(o, "Ready") == {
        "type": "Ready", "status": "False", "reason": "B", "message": "m", "lastTransitionTime": "2024-01-01T00:00:00Z",
    }  # fmt: skip
    assert not conditions.set(o, "Ready", "False", reason="B", message="m", now=NOW)
    assert conditions.set(o, "Ready", "True", reason="B", now=NOW + timedelta(hours=1))
    assert conditions.all_of(o)[0]["lastTransitionTime"] == "2024-01-01T01:00:00Z"
    assert conditions.is_true(o, "Ready") and not conditions.is_true(o, "Other")


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], tolerated: bool) -> None:
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    assert taints.tolerates(toleration, taint) is tolerated
    assert (taints.untolerated([taint], [toleration]) is None) is tolerated


def test_preferred_taints_never_keep_a_pod_off() -> None:
    assert taints.untolerated([{"key": "k", "effect": "PreferNoSchedule"}], []) is None


def _pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec, "status": {}}


def _container(cpu: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


def test_requests_count_sidecars_and_the_largest_init_step() -> None:
    sidecar = _container("100m", restartPolicy="Always")
    counted = pod.requests(
        _pod(containers=[_container("200m"), _container("300m")], initContainers=[sidecar, _container("1")])
    )
    assert counted["cpu"] == parse("1100m")
    counted = pod.requests(_pod(containers=[_container("2")], initContainers=[sidecar, _container("1")]))
    assert counted["cpu"] == parse("2100m")
    assert counted["pods"] == parse("1")


def test_limit_stands_in_for_an_absent_request_and_overhead_is_added() -> None:
    counted = pod.requests(_pod(containers=[{"resources": {"limits": {"memory": "1Gi"}}}], overhead={"memory": "1Mi"}))
    assert counted["memory"] == parse("1025Mi")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
    ],
)
def test_qos_class(resources: dict[str, Any], expected: str) -> None:
    assert pod.qos_class(_pod(containers=[{"resources": resources}])) == expected


def test_availability_waits_for_min_ready_seconds() -> None:
    ready = {
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2024-01-01T00:00:00Z"}]}
    }
    assert pod.is_available(ready, 0, NOW)
    assert not pod.is_available(ready, 10, NOW + timedelta(seconds=9))
    assert pod.is_available(ready, 10, NOW + timedelta(seconds=10))
    assert not pod.is_available({}, 0, NOW)


def test_host_ports() -> None:
    containers = [{"ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 90}]}]
    assert pod.host_ports(_pod(containers=containers)) == [("0.0.0.0", "TCP", 8080)]


@pytest.mark.parametrize(
    ("spec", "admitted"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ([{"key": "disk", "operator": "In", "values": ["ssd"]}], True),
        ([{"key": "disk", "operator": "NotIn", "values": ["ssd"]}], False),
        ([{"key": "cores", "operator": "Gt", "values": ["4"]}], True),
        ([], False),
    ],
)
def test_node_affinity(spec: Any, admitted: bool) -> None:
    machine = {"metadata": {"name": "m", "labels": {"disk": "ssd", "cores": "8"}}}
    if isinstance(spec, list):
        terms = {"nodeSelectorTerms": [{"matchExpressions": spec}]}
        spec = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}
    assert node.admits(spec, machine) is admitted


def test_match_fields_names_a_node() -> None:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["m"]}]}
    assert node.matches_term(term, {"metadata": {"name": "m"}})
    assert not node.matches_term(term, {"metadata": {"name": "x"}})


@pytest.mark.parametrize(
    ("value", "up", "expected"),
    [(3, True, 3), ("25%", True, 3), ("25%", False, 2), ("0%", True, 0), ("100%", False, 10), (None, True, 7)],
)
def test_int_or_percent(value: int | str | None, up: bool, expected: int) -> None:
    assert workload.scaled(value, 10, round_up=up, default=7) == expected


def test_int_or_percent_refuses_other_texts() -> None:
    with pytest.raises(ValueError, match="invalid value for IntOrString"):
        workload.scaled("5", 10, round_up=True)


def test_pod_of_template() -> None:
    template: dict[str, Any] = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "c"}]}}
    made = workload.pod_of_template(template, OWNER, labels={"h": "x"})
    assert made["metadata"]["generateName"] == "r-"
    assert made["metadata"]["labels"] == {"a": "1", "h": "x"}
    assert owners.is_controlled_by(made, OWNER)
    made["spec"]["containers"].append({})
    assert len(template["spec"]["containers"]) == 1


def test_mutation_guard_names_what_was_changed() -> None:
    guard = MutationGuard()
    o: dict[str, Any] = {"kind": "Pod", "metadata": {"name": "a", "namespace": "n"}}
    guard.add(o)
    guard.check()
    o["metadata"]["labels"] = {}
    with pytest.raises(CachedObjectChanged, match="Pod n/a was changed"):
        guard.check()
