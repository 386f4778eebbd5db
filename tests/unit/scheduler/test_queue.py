"""The scheduling queue."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.demand import Compiler, PodInfo
from scheduler.queue import Place, SchedulingQueue
from scheduler.queue_hints import Event
from tests.unit.scheduler.build import pod

COMPILER = Compiler()


def queue() -> SchedulingQueue:
    return SchedulingQueue(initial_backoff=1, max_backoff=10, timeout=300)


def info(name: str, **options: Any) -> PodInfo:
    return COMPILER.compile(pod(name, **options))


def popped(waiting: SchedulingQueue, now: float) -> list[str]:
    names = []
    while (queued := waiting.pop(now)) is not None:
        names.append(queued.info.name)
    return names


def test_priority_first_then_age() -> None:
    waiting = queue()
    waiting.set(info("old"), 0)
    waiting.set(info("high", priority=10), 1)
    waiting.set(info("young"), 2)
    assert popped(waiting, 3) == ["high", "old", "young"]


def test_an_unschedulable_pod_waits_for_an_event_that_helps_and_for_its_backoff() -> None:
    waiting = queue()
    waiting.set(info("p"), 0)
    queued = waiting.pop(0)
    assert queued is not None
    waiting.unschedulable(queued, frozenset({"NodeResourcesFit"}), 0)
    waiting.happened(Event.NODE_TAINTS, 0.1)
    assert queued.place is Place.UNSCHEDULABLE
    waiting.happened(Event.POD_GONE, 0.2)
    assert queued.place is Place.BACKOFF
    assert waiting.next_time() == 1
    assert popped(waiting, 0.9) == []
    assert popped(waiting, 1.0) == ["p"]
    waiting.unschedulable(queued, frozenset({"NodeResourcesFit"}), 1)
    waiting.happened(Event.NODE_ADDED, 50)  # its backoff is long over
    assert popped(waiting, 50) == ["p"]


def test_the_backoff_doubles_up_to_its_limit() -> None:
    assert [queue().backoff(attempts) for attempts in (1, 2, 3, 4, 5, 2000)] == [1, 2, 4, 8, 10, 10]


def test_after_the_timeout_it_is_tried_again_although_nothing_happened() -> None:
    waiting = queue()
    waiting.set(info("p"), 0)
    queued = waiting.pop(0)
    assert queued is not None
    waiting.unschedulable(queued, frozenset({"NodeAffinity"}), 0)
    assert waiting.next_time() == 300
    assert popped(waiting, 299) == []
    assert popped(waiting, 300) == ["p"]


def test_gated_pods_wait_apart() -> None:
    waiting = queue()
    waiting.set(info("p", schedulingGates=[{"name": "quota"}]), 0)
    assert (popped(waiting, 0), waiting.count(Place.GATED)) == ([], 1)
    waiting.set(info("p"), 5)
    assert popped(waiting, 5) == ["p"]


@pytest.mark.parametrize(
    ("change", "woken"),
    [
        pytest.param({}, False, id="only its status"),
        pytest.param({"nodeSelector": {"a": "b"}}, True, id="its demand"),
        pytest.param({"labels": {"x": "y"}}, True, id="its labels"),
    ],
)
def test_a_change_of_the_pod_is_worth_a_try(change: dict[str, Any], woken: bool) -> None:
    waiting = queue()
    first = pod("p")
    waiting.set(COMPILER.compile(first), 0)
    queued = waiting.pop(0)
    assert queued is not None
    waiting.unschedulable(queued, frozenset({"NodeAffinity"}), 0)
    second = pod("p", **change)
    second["metadata"]["uid"] = first["metadata"]["uid"]
    waiting.set(COMPILER.compile(second), 20)
    assert popped(waiting, 20) == (["p"] if woken else [])


def test_a_new_pod_of_the_name_starts_over_and_removed_ones_do_not_come_back() -> None:
    waiting = queue()
    waiting.set(info("p"), 0)
    queued = waiting.pop(0)
    assert queued is not None
    waiting.retry(queued, 0)
    waiting.set(info("p"), 0.1)  # another uid
    assert popped(waiting, 0.1) == ["p"]
    waiting.set(info("q"), 0.2)
    waiting.remove("default/q")
    waiting.remove("default/p")
    assert (popped(waiting, 100), len(waiting), waiting.next_time()) == ([], 0, None)


def test_an_event_wakes_those_whom_it_may_help_and_no_others() -> None:
    waiting = queue()
    rejected_by = {
        "resources": {"NodeResourcesFit"},
        "taint": {"TaintToleration"},
        "both": {"TaintToleration", "NodeResourcesFit"},
        "devices": {"DynamicResources"},
        "no-nodes": set[str](),
    }
    for name, plugins in rejected_by.items():
        waiting.set(info(name), 0)
        queued = waiting.pop(0)
        assert queued is not None
        waiting.unschedulable(queued, frozenset(plugins), 0)
    waiting.happened(Event.POD_GONE, 20)
    assert set(popped(waiting, 20)) == {"resources", "both", "no-nodes"}
    waiting.happened(Event.NODE_TAINTS, 30)
    assert popped(waiting, 30) == ["taint"]
    waiting.remove("default/devices")
    assert waiting.next_time() is None
