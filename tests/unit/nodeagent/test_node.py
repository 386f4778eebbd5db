"""The Node object, its lease, and what is garbage on a node."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nodeagent.app import pod_range, slots
from nodeagent.config import Config
from nodeagent.node import facts
from nodeagent.node import object as objects
from nodeagent.node.facts import Machine, Pressure
from nodeagent.pods.events_generator import changes
from nodeagent.pods.garbage import dead_containers, dead_sandboxes, unused
from nodeagent.runtime.cri import Listed
from nodeagent.runtime.model import Image, PodRef, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine({"cpu": "4", "memory": "8Gi"}, facts.fake_info("n1", "fake://1"), ("172.18.0.2",), "n1")


def status(
    before: dict[str, Any] | None = None,
    *,
    problems: tuple[str, ...] = (),
    pressure: Pressure | None = None,
    later: int = 0,
) -> dict[str, Any]:
    moment = NOW + timedelta(seconds=later)
    return objects.status(
        MACHINE, before=before or {}, problems=problems, pressure=pressure or Pressure(), images=[], now=moment
    )


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    [only] = [each for each in found["conditions"] if each["type"] == kind]
    return only


def test_a_node_that_is_well() -> None:
    made = status()
    assert {each["type"]: each["status"] for each in made["conditions"]} == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "Ready": "True",
    }
    assert condition(made, "Ready")["reason"] == "KubeletReady"
    assert made["addresses"] == [
        {"type": "InternalIP", "address": "172.18.0.2"},
        {"type": "Hostname", "address": "n1"},
    ]
    assert made["nodeInfo"]["kubeletVersion"] == "v1.37.0"


def test_a_node_that_is_not() -> None:
    made = status(problems=("container runtime is down",), pressure=Pressure(disk=True))
    ready = condition(made, "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False",
        "KubeletNotReady",
        "container runtime is down",
    )
    assert condition(made, "DiskPressure")["reason"] == "KubeletHasDiskPressure"


def test_a_heartbeat_alone_is_no_change() -> None:
    before = status()
    assert not objects.differs(before, status(before, later=60))
    assert objects.differs(before, status(before, problems=("x",), later=60))
    beat = condition(status(before, later=60), "Ready")
    assert beat["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert beat["lastHeartbeatTime"] == "2026-01-01T00:01:00Z"


def test_what_others_say_of_the_node_is_kept() -> None:
    network = {"type": "NetworkUnavailable", "status": "False"}
    assert network in status({"conditions": [network]})["conditions"]


def test_labels_and_taints() -> None:
    made = objects.node("n1", MACHINE, {}, extra={"zone": "a"}, taints=[{"key": "k", "effect": "NoSchedule"}])
    labels = made["metadata"]["labels"]
    assert (labels["kubernetes.io/hostname"], labels["kubernetes.io/os"], labels["zone"]) == ("n1", "linux", "a")
    assert made["spec"]["taints"] == [{"key": "k", "effect": "NoSchedule"}]


def test_the_lease() -> None:
    first = objects.lease({"metadata": {"uid": "u"}}, "n1", 40.0, NOW, None)
    assert first["metadata"]["namespace"] == "kube-node-lease"
    assert first["metadata"]["ownerReferences"][0]["uid"] == "u"
    again = objects.lease({}, "n1", 40.0, NOW + timedelta(seconds=10), {**first, "metadata": {"resourceVersion": "7"}})
    assert again["metadata"] == {"resourceVersion": "7"}
    assert again["spec"] == {
        "holderIdentity": "n1",
        "leaseDurationSeconds": 40,
        "renewTime": "2026-01-01T00:00:10.000000Z",
    }


def test_fake_nodes_differ_wherever_they_run() -> None:
    names = [f"node-{index}" for index in range(1000)]
    found = slots(names)
    assert len(set(found.values())) == 1000
    assert slots(["node-7"])["node-7"] == found["node-7"]
    assert pod_range("10.128.0.0/9", 0) == "10.128.0.0/22"
    assert pod_range("10.128.0.0/9", 8191) == "10.255.252.0/22"
    assert pod_range("10.0.0.0/24", 5) == "10.0.0.0/24"
    assert len({facts.fake_address(slot) for slot in found.values()}) == 1000


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (Config(), ("node-1",)),
        (Config(nodes=2, name_prefix="n"), ("n-1", "n-2")),
        (Config(nodes=("a", "b")), ("a", "b")),
        (Config(nodes=("a",), runtime="unix:///x"), ("a",)),
    ],
)
def test_names(config: Config, names: tuple[str, ...]) -> None:
    assert config.names() == names


@pytest.mark.parametrize("config", [Config(nodes=0), Config(nodes=("a", "a")), Config(nodes=2, runtime="unix:///x")])
def test_names_that_cannot_be(config: Config) -> None:
    with pytest.raises(ValueError, match="agent"):
        config.names()


def listed(
    id: str, uid: str = "u1", *, age: float = 100, state: State = State.EXITED, sandbox: str = "", name: str = "app"
) -> Listed:
    created = int((NOW.timestamp() - age) * 1e9)
    return Listed(id, PodRef(uid, "ns", "p"), state is State.RUNNING, created, name, 0, sandbox, state)


def test_all_dead_containers_but_the_newest_go() -> None:
    every = [
        listed("new", age=70),
        listed("old", age=80),
        listed("running", age=90, state=State.RUNNING),
        listed("other", age=95, name="side"),
        listed("oldest", age=99),
    ]
    assert dead_containers(every, NOW.timestamp()) == ["old", "oldest"]
    assert dead_containers([listed("new", age=1), listed("young", age=2)], NOW.timestamp()) == []


def test_sandboxes_of_nobody_go_and_old_ones_that_hold_nothing() -> None:
    sandboxes = [
        listed("young orphan", "gone", age=1),
        listed("orphan", "gone", age=70, state=State.RUNNING),
        listed("newest", age=71),
        listed("holding", age=80),
        listed("empty", age=90),
    ]
    found = dead_sandboxes(sandboxes, [listed("c", sandbox="holding")], {"u1"}, NOW.timestamp())
    assert [each.id for each in found] == ["orphan", "empty"]


def test_images_in_use_stay() -> None:
    images = [Image("1", ("a:1",), (), 5), Image("2", ("b:1",), (), 9), Image("3", (), (), 99, pinned=True)]
    assert [each.id for each in unused(images, {"a:1"})] == ["2"]
    assert [each.id for each in unused(images, set())] == ["2", "1"]


def test_what_happened_between_two_lists() -> None:
    before = {each.id: each for each in (listed("a", state=State.RUNNING), listed("b"), listed("c"))}
    now = [listed("a"), listed("b"), listed("d", state=State.RUNNING)]
    found = [(each.container_id, each.stopped, each.deleted) for each in changes(before, now)]
    assert found == [("a", True, False), ("d", False, False), ("c", False, True)]
