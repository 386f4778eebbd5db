"""DaemonSets: which nodes get a pod, how an update rolls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controllermgr.controllers import daemonset_plan as plan

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


def _set(strategy: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}], **spec}}
    return {
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {"template": template, "updateStrategy": strategy or {"type": "RollingUpdate"}},
    }  # fmt: skip


def _node(name: str, *taints: str, **labels: str) -> dict[str, Any]:
    found = [dict(zip(("key", "effect"), taint.split(":"), strict=True)) for taint in taints]
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": found}}


def _pod(node: str, *, digest: str = "new", ready: bool = True, uid: str = "", **more: Any) -> dict[str, Any]:
    metadata = {
        "name": uid or f"p-{node}-{digest}",
        "uid": uid or f"{node}-{digest}",
        "labels": {plan.HASH_LABEL: digest},
    }
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2024-01-01T11:00:00Z"}
    return {
        "metadata": {**metadata, **more},
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "conditions": [condition]},
    }


def _place(daemon_set: dict[str, Any], nodes: list[Any], *pods: Any) -> tuple[list[str], list[str]]:
    found = plan.place(daemon_set, nodes, plan.by_node(pods), "new", NOW)
    return found.create, [each["metadata"]["uid"] for each in found.delete]


def _roll(daemon_set: dict[str, Any], nodes: list[Any], *pods: Any) -> tuple[list[str], list[str]]:
    found = plan.roll(daemon_set, nodes, plan.by_node(pods), "new", NOW)
    return found.create, [each["metadata"]["uid"] for each in found.delete]


@pytest.mark.parametrize(
    ("node", "runs", "stays"),
    [
        (_node("a"), True, True),
        (_node("a", "node.kubernetes.io/unschedulable:NoSchedule"), True, True),
        (_node("a", "node.kubernetes.io/not-ready:NoExecute"), True, True),
        (_node("a", "node.kubernetes.io/disk-pressure:NoSchedule"), True, True),
        (_node("a", "node.kubernetes.io/network-unavailable:NoSchedule"), False, True),
        (_node("a", "mine:NoSchedule"), False, True),
        (_node("a", "mine:NoExecute"), False, False),
        (_node("a", "mine:PreferNoSchedule"), True, True),
    ],
)
def test_taints(node: Any, runs: bool, stays: bool) -> None:
    spec = plan.pod_spec(_set()["spec"]["template"])
    assert plan.fit(spec, node) == plan.Fit(runs=runs, stays=stays)


def test_host_network_daemons_run_where_the_network_is_missing() -> None:
    spec = plan.pod_spec(_set(hostNetwork=True)["spec"]["template"])
    assert plan.fit(spec, _node("a", "node.kubernetes.io/network-unavailable:NoSchedule")).runs


def test_selector_chooses_nodes() -> None:
    chosen = _set(nodeSelector={"disk": "ssd"})
    assert _place(chosen, [_node("a", disk="ssd"), _node("b")]) == (["a"], [])
    assert _place(chosen, [_node("a", disk="hdd")], _pod("a")) == ([], ["a-new"])


def test_every_node_gets_one() -> None:
    nodes = [_node("a"), _node("b")]
    assert _place(_set(), nodes, _pod("a")) == (["b"], [])
    older = _pod("a", uid="older", creationTimestamp="2024-01-01T10:00:00Z")
    newer = _pod("a", uid="newer", creationTimestamp="2024-01-01T11:00:00Z")
    assert _place(_set(), nodes[:1], newer, older) == ([], ["newer"])


def test_a_pod_on_its_way_out_is_waited_for() -> None:
    going = _pod("a", deletionTimestamp="2024-01-01T12:00:00Z")
    assert _place(_set(), [_node("a")], going) == ([], [])


def test_failed_pods_are_replaced() -> None:
    failed = _pod("a")
    failed["status"]["phase"] = "Failed"
    found = plan.place(_set(), [_node("a")], plan.by_node([failed]), "new", NOW)
    assert found.delete == found.failed == [failed]


def test_pods_that_wait_for_a_node_that_is_gone_are_removed() -> None:
    waiting = plan.pod_for(_set(), plan.pod_spec(_set()["spec"]["template"]), "gone", "new")
    waiting["metadata"]["uid"] = "w"
    assert _place(_set(), [], waiting) == ([], ["w"])


def test_pod_is_tied_to_its_node_whatever_terms_it_has() -> None:
    terms = [{"matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"matchFields": [{"key": "other"}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    made = plan.pod_for(_set(), {"containers": [], "affinity": affinity}, "a", "h1")
    required = made["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    by_name = [{"key": "metadata.name", "operator": "In", "values": ["a"]}]
    assert required["nodeSelectorTerms"] == [
        {"matchExpressions": [{"key": "x", "operator": "Exists"}], "matchFields": by_name}, {"matchFields": by_name},
    ]  # fmt: skip
    assert plan.target_node(made) == "a"
    assert made["metadata"]["labels"][plan.HASH_LABEL] == "h1"
    assert terms[1] == {"matchFields": [{"key": "other"}]}  # the set's own spec is as it was


NODES = [_node(name) for name in "abcd"]


def test_update_takes_down_no_more_than_allowed() -> None:
    old = [_pod(name, digest="old") for name in "abcd"]
    assert _roll(_set(), NODES, *old) == ([], ["a-old"])
    half = _set({"rollingUpdate": {"maxUnavailable": "50%"}})
    assert _roll(half, NODES, *old) == ([], ["a-old", "b-old"])
    assert _roll(half, NODES, _pod("a", ready=False), *old[1:]) == ([], ["b-old"])
    assert _roll(_set(), NODES, *old[1:]) == ([], [])  # node a has none yet: that is the one that may be missing


def test_broken_old_pods_are_replaced_first_and_freely() -> None:
    pods = [_pod("a", digest="old"), _pod("b", digest="old", ready=False), _pod("c"), _pod("d")]
    assert _roll(_set(), NODES, *pods) == ([], ["b-old"])


def test_surge_makes_new_pods_beside_old_ones() -> None:
    surging = _set({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    old = [_pod(name, digest="old") for name in "abcd"]
    assert _roll(surging, NODES, *old) == (["a"], [])
    assert _roll(surging, NODES, *old, _pod("a", ready=False)) == ([], [])
    assert _roll(surging, NODES, *old, _pod("a")) == (["b"], ["a-old"])
    assert _place(surging, NODES, *old, _pod("a", ready=False)) == ([], [])


def test_status() -> None:
    nodes = [_node("a"), _node("b"), _node("c"), _node("x", "mine:NoSchedule")]
    pods = plan.by_node([_pod("a"), _pod("b", digest="old", ready=False), _pod("x")])
    assert plan.status(_set(), nodes, pods, "new", None, NOW) == {
        "currentNumberScheduled": 2, "numberMisscheduled": 1, "desiredNumberScheduled": 3, "numberReady": 1,
        "observedGeneration": 1, "updatedNumberScheduled": 1, "numberAvailable": 1, "numberUnavailable": 2,
    }  # fmt: skip
