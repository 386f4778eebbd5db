"""Nodes: signs of life, taints, evictions, ranges of addresses."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from controllermgr.controllers import nodelifecycle_plan as plan
from controllermgr.controllers.nodeipam import NodeRanges, Ranges
from controllermgr.controllers.nodelifecycle_zones import Rates, State, Zones
from controllermgr.controllers.tainteviction import seconds_left
from machinery.informer.store import Store

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STAMP = "2026-01-01T12:00:00Z"


def node(*taints: tuple[str, str], unschedulable: bool = False, **conditions: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"taints": [{"key": key, "effect": effect} for key, effect in taints]}
    if unschedulable:
        spec["unschedulable"] = True
    told = [
        {"type": kind, "status": status, "lastHeartbeatTime": "2026-01-01T11:00:00Z"}
        for kind, status in conditions.items()
    ]
    return {
        "metadata": {"name": "n", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
        "status": {"conditions": told},
    }


def lease(renewed: str) -> dict[str, Any]:
    return {"spec": {"renewTime": renewed}}


def test_a_sign_of_life_is_a_change_by_our_own_clock() -> None:
    host = node(Ready="True")
    first = plan.signs(host, lease("1"), None, 10.0)
    assert first.at == 10.0
    assert plan.signs(host, lease("1"), first, 30.0) is first
    assert plan.signs(host, lease("2"), first, 40.0).at == 40.0
    beating = node(Ready="True")
    beating["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-01T11:00:10Z"
    assert plan.signs(beating, lease("1"), first, 50.0).at == 50.0


def test_what_we_wrote_ourselves_is_no_sign_of_life() -> None:
    host = node(Ready="True")
    first = plan.signs(host, None, None, 10.0)
    told = plan.silenced(host, NOW)
    assert told is not None
    silent = {**host, "status": {"conditions": told}}
    assert plan.signs(silent, None, first, 60.0) is first


def test_a_silent_nodes_conditions_become_unknown() -> None:
    told = plan.silenced(node(Ready="True", MemoryPressure="False", Custom="True"), NOW)
    assert told is not None
    by_type = {each["type"]: each for each in told}
    assert by_type["Custom"]["status"] == "True"
    assert (by_type["Ready"]["status"], by_type["Ready"]["reason"], by_type["Ready"]["lastTransitionTime"]) == (
        "Unknown",
        "NodeStatusUnknown",
        STAMP,
    )
    assert by_type["Ready"]["lastHeartbeatTime"] == "2026-01-01T11:00:00Z"
    assert by_type["DiskPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert plan.silenced({"status": {"conditions": told}}, NOW) is None


NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


@pytest.mark.parametrize(
    ("host", "evict", "expected"),
    [
        pytest.param(node(Ready="True"), True, [], id="well"),
        pytest.param(
            node((NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute"), ("mine", "NoSchedule"), Ready="True"),
            True,
            [("mine", "NoSchedule")],
            id="well again",
        ),
        pytest.param(node(Ready="False"), True, [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")], id="not ready"),
        pytest.param(node(Ready="Unknown"), False, [(UNREACHABLE, "NoSchedule")], id="silent, eviction has to wait"),
        pytest.param(
            node((UNREACHABLE, "NoExecute"), Ready="Unknown"),
            False,
            [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")],
            id="silent, marked already",
        ),
        pytest.param(
            node((NOT_READY, "NoExecute"), Ready="Unknown"),
            True,
            [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")],
            id="from not ready to silent",
        ),
        pytest.param(
            node(Ready="True", DiskPressure="True", unschedulable=True),
            True,
            [("node.kubernetes.io/disk-pressure", "NoSchedule"), ("node.kubernetes.io/unschedulable", "NoSchedule")],
            id="full and cordoned",
        ),
    ],
)
def test_taints_follow_conditions(host: dict[str, Any], evict: bool, expected: list[tuple[str, str]]) -> None:
    found = plan.wanted_taints(host, NOW, evict=evict)
    assert [(each["key"], each["effect"]) for each in found] == expected


def test_taints_are_the_same_in_any_order() -> None:
    one, two = {"key": "a", "effect": "NoExecute", "timeAdded": STAMP}, {"key": "b", "effect": "NoSchedule"}
    assert plan.same_taints([one, two], [two, {**one, "timeAdded": None}])
    assert not plan.same_taints([one], [one, two])


def taint(key: str = UNREACHABLE, ago: float = 0) -> dict[str, Any]:
    added = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"key": key, "effect": "NoExecute", "timeAdded": added}


def tolerating(*tolerations: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"tolerations": list(tolerations)}}


FOR_300 = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}


@pytest.mark.parametrize(
    ("pod", "taints", "left"),
    [
        pytest.param(tolerating(), [], None, id="no taint"),
        pytest.param(tolerating(), [taint()], 0.0, id="not tolerated"),
        pytest.param(tolerating(FOR_300), [taint()], 300.0, id="tolerated for a while"),
        pytest.param(tolerating(FOR_300), [taint(ago=200)], 100.0, id="part of it is over"),
        pytest.param(tolerating(FOR_300), [taint(ago=400)], 0.0, id="all of it is over"),
        pytest.param(tolerating(FOR_300), [taint(), taint("other")], 0.0, id="one is not tolerated"),
        pytest.param(tolerating({"operator": "Exists"}), [taint(), taint("other")], None, id="anything for ever"),
        pytest.param(
            tolerating(FOR_300, {"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 20}),
            [taint()],
            20.0,
            id="the shortest counts",
        ),
        pytest.param(tolerating({**FOR_300, "tolerationSeconds": -5}), [taint()], 0.0, id="a negative time is none"),
    ],
)
def test_when_a_pod_has_to_go(pod: dict[str, Any], taints: list[dict[str, Any]], left: float | None) -> None:
    assert seconds_left(pod, taints, NOW) == left


@pytest.mark.parametrize(
    ("ready", "silent", "state", "interval"),
    [
        pytest.param(3, 0, State.NORMAL, 10.0, id="all ready"),
        pytest.param(1, 2, State.NORMAL, 10.0, id="two are not many"),
        pytest.param(3, 3, State.NORMAL, 10.0, id="half of them"),
        pytest.param(1, 3, State.PARTIAL, None, id="most of a small zone"),
        pytest.param(22, 28, State.PARTIAL, None, id="fifty are small"),
        pytest.param(22, 29, State.PARTIAL, 100.0, id="most of a large zone"),
        pytest.param(0, 1, State.FULL, 10.0, id="all of one"),
    ],
)
def test_how_fast_a_zone_evicts(ready: int, silent: int, state: State, interval: float | None) -> None:
    rates = Rates()
    assert rates.state(ready, silent) is state
    assert rates.interval(state, ready + silent) == interval


def test_each_zone_has_a_pace_of_its_own_and_the_dead_stop_all() -> None:
    zones = Zones(Rates())
    zones.set("a1", "a", 100.0)
    zones.set("a2", "a", 5.0)
    zones.set("b1", "b", 5.0)
    assert zones.look(6.0)
    assert zones.states == {"a": State.NORMAL, "b": State.FULL}
    assert (zones.wait("a2", 6.0), zones.wait("b1", 6.0)) == (0.0, 0.0)
    zones.evicted("a2", 6.0)
    assert (zones.wait("a2", 8.0), zones.wait("b1", 8.0)) == (8.0, 0.0)
    assert not zones.look(99.0)
    assert zones.look(101.0) and zones.cut_off
    assert zones.wait("b1", 101.0) is None
    zones.set("a1", "c", 200.0)  # it moved
    assert zones.look(102.0) and not zones.cut_off
    assert zones.states == {"a": State.FULL, "b": State.FULL, "c": State.NORMAL}
    zones.remove("b1")
    zones.look(102.0)
    assert set(zones.states) == {"a", "c"}


def network(text: str) -> Any:
    return ipaddress.ip_network(text)


def test_ranges_are_cut_in_turn_and_end() -> None:
    ranges = Ranges(network("10.244.0.0/22"), 24)
    for expected in ("10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"):
        found = ranges.free()
        assert str(found) == expected
        ranges.take(network(expected))
    assert ranges.free() is None
    ranges.release(network("10.244.1.0/24"))
    assert str(ranges.free()) == "10.244.1.0/24"


def test_ranges_of_another_size_or_network_are_counted_as_what_they_cover() -> None:
    ranges = Ranges(network("10.244.0.0/22"), 24)
    for text in ("10.244.0.0/23", "10.244.2.128/25", "192.168.0.0/16", "fd00::/64"):
        ranges.take(network(text))
    assert str(ranges.free()) == "10.244.3.0/24"
    ranges.take(network("10.244.2.0/25"))
    ranges.release(network("10.244.2.128/25"))
    ranges.take(network("10.244.3.0/24"))
    assert ranges.free() is None, "half of it is still somebody's"


def test_a_range_must_fit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Ranges(ipaddress.ip_network("10.244.0.0/24"), 16)


async def test_a_node_that_the_cache_shows_late_is_given_the_same_range_again() -> None:
    store = Store()
    store.put({"metadata": {"name": "n", "uid": "u"}, "spec": {}})
    client = AsyncMock()
    context = Mock(
        client=client,
        informers=Mock(store=lambda resource: store),
        config={"clusterCIDRs": ("10.244.0.0/16",), "nodeCIDRMaskSize": 24, "nodeCIDRMaskSizeIPv6": 64},
    )
    loop = NodeRanges(context)
    await loop.reconcile("n")
    await loop.reconcile("n")
    first, second = (call.args[2]["spec"] for call in client.patch.await_args_list)
    assert first == second == {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]}
    store.remove("n")
    await loop.reconcile("n")
    store.put({"metadata": {"name": "m", "uid": "v"}, "spec": {"podCIDR": "10.244.1.0/24"}})
    await loop.reconcile("m")
    store.put({"metadata": {"name": "o", "uid": "w"}, "spec": {}})
    await loop.reconcile("o")
    assert client.patch.await_args.args[2]["spec"]["podCIDR"] == "10.244.2.0/24"
