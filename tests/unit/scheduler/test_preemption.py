"""Who has to go."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.demand import PodInfo
from scheduler.diagnosis import Diagnosis
from scheduler.preemption import Victims, preempt
from tests.unit.scheduler.build import World, node, pod


def attempt(world: World, asked: dict[str, Any], budgets: list[dict[str, Any]] | None = None) -> Victims | str:
    info: PodInfo = world.info(asked)
    diagnosis = world.placement.choose(info)
    assert isinstance(diagnosis, Diagnosis)
    before = {name: column.copy() for name, column in world.cache.columns.requested.items()}
    outcome = preempt(info, diagnosis, world.cache, world.placement, budgets or [])
    for name, column in world.cache.columns.requested.items():
        assert (column == before[name]).all(), "everything tried is undone"
    return outcome


def names(outcome: Victims | str) -> tuple[str, list[str]]:
    assert isinstance(outcome, Victims), outcome
    return outcome.node_name, [each.name for each in outcome.pods]


def test_only_as_many_as_needed_and_the_least_important() -> None:
    world = World(node("a", cpu="3"))
    world.add(
        pod("low", cpu="1", priority=1, on="a"),
        pod("mid", cpu="1", priority=5, on="a"),
        pod("high", cpu="1", priority=9, on="a"),
    )
    assert names(attempt(world, pod("p", cpu="1", priority=7))) == ("a", ["low"])
    assert names(attempt(world, pod("p", cpu="2", priority=7))) == ("a", ["mid", "low"])
    outcome = attempt(world, pod("p", cpu="3", priority=7))
    assert outcome == "0/1 nodes are available: 1 Insufficient cpu."


def test_the_node_with_the_least_important_victims() -> None:
    world = World(node("a", cpu="1"), node("b", cpu="1"), node("c", cpu="1"))
    world.add(
        pod("a5", cpu="1", priority=5, on="a"), pod("b3", cpu="1", priority=3, on="b"), pod("c4", priority=4, on="c")
    )
    assert names(attempt(world, pod("p", cpu="1", priority=9))) == ("b", ["b3"])


def test_budgets_are_broken_last() -> None:
    world = World(node("a", cpu="1"), node("b", cpu="1"))
    world.add(
        pod("kept", cpu="1", priority=1, labels={"app": "kept"}, on="a"), pod("free", cpu="1", priority=5, on="b")
    )
    budget = {
        "metadata": {"namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "kept"}}},
        "status": {"disruptionsAllowed": 0},
    }
    asked = pod("p", cpu="1", priority=9)
    assert names(attempt(world, asked, [budget])) == ("b", ["free"])
    budget["status"] = {"disruptionsAllowed": 1}
    assert names(attempt(world, asked, [budget])) == ("a", ["kept"])


def test_among_equals_the_one_that_runs_the_shortest() -> None:
    world = World(node("a", cpu="1"), node("b", cpu="1"))
    world.add(
        pod("old", cpu="1", on="a", status={"startTime": "2026-01-01T00:00:00Z"}),
        pod("new", cpu="1", on="b", status={"startTime": "2026-01-02T00:00:00Z"}),
    )
    assert names(attempt(world, pod("p", cpu="1", priority=1))) == ("b", ["new"])


def test_anti_affinity_can_be_preempted() -> None:
    loner = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}
            ]
        }
    }
    world = World(node("a"))
    world.add(pod("there", labels={"app": "x"}, affinity=loner, on="a"))
    assert names(attempt(world, pod("p", labels={"app": "x"}, priority=1))) == ("a", ["there"])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            pod("p", cpu="1", priority=0),
            (
                "0/2 nodes are available: 1 No preemption victims found for incoming pod, "
                "1 Preemption is not helpful for scheduling."
            ),
        ),
        (pod("p", cpu="1", priority=9, preemptionPolicy="Never"), "not eligible due to preemptionPolicy=Never."),
        (
            pod("p", cpu="9", priority=9),
            "0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
        ),
    ],
)
def test_why_nobody_can_go(asked: dict[str, Any], says: str) -> None:
    world = World(node("a", cpu="1"), node("b", taints=[{"key": "x", "effect": "NoSchedule"}]))
    world.add(pod("q", cpu="1", on="a"))
    assert attempt(world, asked) == says


def test_no_second_round_while_the_victims_are_leaving() -> None:
    world = World(node("a", cpu="1"))
    leaving = pod("v", cpu="1", on="a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    leaving["status"] = {
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]
    }
    world.add(leaving)
    asked = pod("p", cpu="1", priority=9)
    world.cache.nominate(world.info(asked), "a")
    assert attempt(world, asked) == "not eligible due to a terminating pod on the nominated node."


def test_room_made_for_one_is_not_taken_by_another() -> None:
    world = World(node("a", cpu="1"), node("b", cpu="500m"))
    waiting = pod("waiting", cpu="1", priority=9)
    world.cache.nominate(world.info(waiting), "a")
    assert world.where(pod("other", cpu="500m", priority=5)) == "b"
    assert world.where(pod("large", cpu="800m", priority=5)) == "0/2 nodes are available: 1 Insufficient cpu."
    assert world.where(pod("urgent", cpu="800m", priority=10)) == "a"
    assert world.where(waiting) == "a"
