"""What changes mean for cache and queue."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import pytest

from machinery.client.resources import NODES, PODS
from machinery.informer.subscription import Change
from machinery.objects import meta
from scheduler.cache import Cache
from scheduler.demand import PodInfo
from scheduler.intake import Intake, node_events
from scheduler.queue import Place, SchedulingQueue
from scheduler.queue_hints import Event
from tests.unit.scheduler.build import node, pod

Object = dict[str, Any]


class Desk:
    """An intake with what it fills."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.queue = SchedulingQueue(initial_backoff=1, max_backoff=10, timeout=300)
        self.gone: list[str] = []
        self.intake = Intake(
            "default-scheduler", cache=self.cache, queue=self.queue, now=lambda: 0.0, gone=self.gone.append
        )

    def pods(self, *changes: tuple[Object | None, Object | None]) -> None:
        self.intake.pods([Change(PODS, old, new) for old, new in changes])

    def nodes(self, *changes: tuple[Object | None, Object | None]) -> None:
        self.intake.nodes([Change(NODES, old, new) for old, new in changes])

    def used(self, name: str) -> int:
        """Thousandths of a CPU that pods take on a node."""
        found = self.cache.columns.node(name)
        return 0 if found is None else int(self.cache.columns.requested["cpu"][found.place])


def changed(obj: Object, **spec: Any) -> Object:
    """The same pod later: same uid, other spec fields."""
    return {**obj, "spec": {**obj["spec"], **spec}}


def test_a_pod_from_waiting_to_bound_to_gone() -> None:
    desk = Desk()
    desk.nodes((None, node("a")))
    waiting = pod("p", cpu="1")
    desk.pods((None, waiting))
    assert desk.queue.count(Place.ACTIVE) == 1
    bound = changed(waiting, nodeName="a")
    desk.pods((waiting, bound))
    assert (len(desk.queue), desk.used("a")) == (0, 1000)
    ended = {**bound, "status": {"phase": "Succeeded"}}
    desk.pods((bound, ended))
    assert (desk.used("a"), desk.gone) == (0, ["default/p"])
    desk.pods((ended, None))
    assert desk.used("a") == 0


def test_an_assumed_pod_is_neither_queued_nor_counted_twice() -> None:
    desk = Desk()
    desk.nodes((None, node("a")))
    waiting = pod("p", cpu="1")
    desk.pods((None, waiting))
    queued = desk.queue.pop(0)
    assert queued is not None
    desk.cache.assume(queued.info, "a")
    desk.pods((waiting, {**waiting, "status": {"conditions": []}}))
    assert queued.place is Place.POPPED
    desk.pods((waiting, changed(waiting, nodeName="a")))
    assert desk.used("a") == 1000
    placed = desk.cache.get("default/p")
    assert placed is not None and not placed.assumed


def test_a_new_pod_of_the_same_name_replaces_the_assumed_one() -> None:
    desk = Desk()
    desk.nodes((None, node("a")))
    desk.pods((None, pod("p", cpu="1")))
    queued = desk.queue.pop(0)
    assert queued is not None
    desk.cache.assume(queued.info, "a")
    desk.pods((None, pod("p", cpu="2")))
    assert (desk.used("a"), desk.queue.count(Place.ACTIVE)) == (0, 1)


def test_a_resize_is_counted() -> None:
    desk = Desk()
    desk.nodes((None, node("a")))
    bound = pod("p", cpu="1", on="a")
    desk.pods((None, bound))
    smaller = changed(bound, containers=[{"name": "main", "resources": {"requests": {"cpu": "250m"}}}])
    desk.pods((bound, smaller))
    assert desk.used("a") == 250


def test_pods_that_nobody_or_another_schedules() -> None:
    desk = Desk()
    deleting = pod("deleting")
    deleting["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    desk.pods((None, deleting), (None, pod("foreign", schedulerName="other")))
    assert len(desk.queue) == 0


def test_a_nomination_is_taken_over_from_the_status() -> None:
    desk = Desk()
    desk.pods((None, pod("p", status={"nominatedNodeName": "a"})))
    assert desk.cache.nomination("default/p") == "a"
    desk.pods((pod("p"), None))
    assert desk.cache.nomination("default/p") == ""


@pytest.mark.parametrize(
    ("after", "events"),
    [
        pytest.param(node("a"), [], id="nothing"),
        pytest.param(node("a", cpu="8"), [Event.NODE_ALLOCATABLE], id="resources"),
        pytest.param(node("a", labels={"x": "y"}), [Event.NODE_LABELS], id="labels"),
        pytest.param(node("a", unschedulable=True), [Event.NODE_TAINTS], id="cordon"),
        pytest.param(node("a", taints=[{"key": "k", "effect": "NoSchedule"}]), [Event.NODE_TAINTS], id="taints"),
    ],
)
def test_what_of_a_node_matters(after: Object, events: list[Event]) -> None:
    assert node_events(node("a"), after) == events


def test_a_heartbeat_changes_no_column() -> None:
    desk = Desk()
    before = node("a")
    desk.nodes((None, before))
    position = desk.cache.columns.position
    beating = {**before, "status": {**before["status"], "conditions": [{"type": "Ready", "status": "True"}]}}
    desk.nodes((before, beating))
    assert desk.cache.columns.position == position
    desk.nodes((beating, node("a", cpu="8")))
    assert desk.cache.columns.position > position


def test_a_pod_that_runs_is_held_in_its_newest_state_only() -> None:
    desk = Desk()
    desk.nodes((None, node("a")))
    states = [pod("p", on="a")]
    states += [{**states[0], "status": {"message": str(number)}} for number in range(3)]
    desk.pods((None, states[0]))
    for old, new in itertools.pairwise(states):
        desk.pods((old, new))
    infos = [each for each in gc.get_objects() if isinstance(each, PodInfo) and each.uid == meta.uid(states[0])]
    assert [each.object for each in infos] == [states[-1]]
