"""Where a pod fits, and what is said when it fits nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.errors import BadConfig
from scheduler.framework.registry import Listers, profile
from tests.unit.scheduler.build import World, node, pod

NO_SCHEDULE = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}},
    }


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


NODES = [
    node("plain", labels={"disk": "ssd", "gen": "3"}),
    node("tainted", taints=[NO_SCHEDULE], labels={"disk": "hdd", "gen": "5"}),
    node("cordoned", unschedulable=True),
    node("soft", taints=[{"key": "slow", "effect": "PreferNoSchedule"}]),
    node("evicting", taints=[{"key": "bad", "effect": "NoExecute"}]),
    node("tiny", cpu="50m", memory="1Gi"),
    node("gpu", nvidia_com__gpu="2"),
]


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        pytest.param({}, {"plain", "soft", "gpu"}, id="nothing asked"),
        pytest.param(
            {"tolerations": [{"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}]},
            {"plain", "soft", "gpu", "tainted"},
            id="taint tolerated",
        ),
        pytest.param(
            {"tolerations": [{"operator": "Exists"}]},
            {"plain", "soft", "gpu", "tainted", "evicting", "cordoned"},
            id="everything tolerated",
        ),
        pytest.param(
            {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]},
            {"plain", "soft", "gpu", "cordoned"},
            id="cordon tolerated, as by a DaemonSet",
        ),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, {"plain"}, id="node selector"),
        pytest.param({"affinity": required(expression("gen", "Gt", "2"))}, {"plain"}, id="affinity Gt"),
        pytest.param(
            {"affinity": required(expression("disk", "DoesNotExist"), expression("gen", "In", "3"))},
            {"plain", "soft", "gpu"},
            id="affinity, either term",
        ),
        pytest.param(
            {
                "affinity": required(
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu", "nowhere"]}]}
                )
            },
            {"gpu"},
            id="affinity by name",
        ),
        pytest.param({"requests": {"nvidia.com/gpu": "1"}}, set(), id="extended resource under another name"),
        pytest.param({"requests": {"nvidia-com/gpu": "2"}}, {"gpu"}, id="extended resource"),
        pytest.param({"cpu": "40m"}, {"plain", "soft", "gpu", "tiny"}, id="small enough for the tiny one"),
        pytest.param({"memory": "9Gi"}, set(), id="too large for all"),
    ],
)
def test_one_pod_on_empty_nodes(spec: dict[str, Any], fits: set[str]) -> None:
    assert World(*NODES).fitting(pod("p", **spec)) == fits


def test_what_is_taken_does_not_fit_again() -> None:
    world = World(node("a", cpu="1", pods="3"))
    world.add(pod("one", cpu="500m", on="a"))
    assert world.fitting(pod("half", cpu="500m")) == {"a"}
    assert world.fitting(pod("more", cpu="501m")) == set()
    world.add(pod("two", cpu=None, on="a"), pod("three", cpu=None, on="a"))
    assert world.where(pod("p", cpu=None)) == "0/1 nodes are available: 1 Too many pods."
    world.cache.remove("default/three")
    assert world.fitting(pod("p", cpu=None)) == {"a"}


def test_init_containers_count_for_their_peak() -> None:
    world = World(node("a", cpu="1"))
    initial = pod("p", cpu="200m", initContainers=[{"name": "i", "resources": {"requests": {"cpu": "900m"}}}])
    assert world.run(initial) == "a"
    assert world.fitting(pod("q", cpu="100m")) == {"a"}
    assert world.fitting(pod("q", cpu="101m")) == set()


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ({"hostPort": 80}, {"hostPort": 80}, True),
        ({"hostPort": 80}, {"hostPort": 81}, False),
        ({"hostPort": 80}, {"hostPort": 80, "protocol": "UDP"}, False),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80, "hostIP": "10.0.0.2"}, False),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80}, True),
        ({"containerPort": 80}, {"containerPort": 80}, False),
    ],
)
def test_host_ports(first: dict[str, Any], second: dict[str, Any], clash: bool) -> None:
    world = World(node("a"))
    world.add(pod("first", ports=[first], on="a"))
    assert world.fitting(pod("second", ports=[second])) == (set() if clash else {"a"})
    world.cache.remove("default/first")
    assert world.fitting(pod("second", ports=[second])) == {"a"}


def test_every_node_is_told_with_its_first_reason() -> None:
    nodes = [
        node("a", taints=[NO_SCHEDULE]),
        node("b", cpu="50m"),
        node("c", cpu="50m", memory="1Mi"),
        node("d", unschedulable=True, taints=[NO_SCHEDULE]),
        node("e", labels={"disk": "hdd"}),
    ]
    asked = pod("p", nodeSelector={"kubernetes.io/hostname": "x"})
    assert World(*nodes[:1], *nodes[3:]).where(asked) == (
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) had untolerated taint {dedicated: db}, 1 node(s) were unschedulable."
    )
    assert World(*nodes[:3]).where(pod("p")) == (
        "0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint {dedicated: db}, "
        "2 Insufficient cpu."
    )
    assert World().where(pod("p")) == "no nodes available to schedule pods"


def test_nodes_change_under_remembered_rows() -> None:
    world = World(node("a"), node("b", unschedulable=True))
    asked = pod("p", nodeSelector={"zone": "1"})
    assert world.fitting(asked) == set()
    world.cache.set_node(node("b", labels={"zone": "1"}))
    assert world.fitting(asked) == {"b"}
    world.cache.set_node(node("b", labels={"zone": "1"}, taints=[NO_SCHEDULE]))
    assert world.fitting(asked) == set()
    world.cache.set_node(node("c", labels={"zone": "1"}))
    assert world.fitting(asked) == {"c"}
    world.cache.remove_node("c")
    assert world.fitting(asked) == set()
    for number in range(200):  # the columns grow
        world.cache.set_node(node(f"more-{number}", labels={"zone": str(number % 2)}))
    assert len(world.fitting(asked)) == 100


def test_pods_may_come_before_their_node_and_outlive_it() -> None:
    world = World()
    world.add(pod("early", cpu="3", on="late"))
    world.cache.set_node(node("late"))
    assert world.fitting(pod("p", cpu="2")) == set()
    world.cache.remove_node("late")
    assert world.where(pod("p")) == "no nodes available to schedule pods"
    world.cache.remove("default/early")
    world.cache.set_node(node("late"))
    assert world.fitting(pod("p", cpu="4")) == {"late"}


CLAIM_SPEC = {"storageClassName": "fast"}
VOLUME = {
    "metadata": {"name": "v"},
    "spec": {
        "nodeAffinity": {"required": {"nodeSelectorTerms": [expression("kubernetes.io/hostname", "In", "b")]}},
    },
}


@pytest.mark.parametrize(
    ("claim", "mode", "says"),
    [
        (None, "Immediate", '0/2 nodes are available: persistentvolumeclaim "data" not found.'),
        (
            {"metadata": {}, "spec": CLAIM_SPEC},
            "Immediate",
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        ),
        (
            {"metadata": {}, "spec": CLAIM_SPEC},
            "WaitForFirstConsumer",
            "0/2 nodes are available: node(s) didn't find available persistent volumes to bind.",
        ),
        ({"metadata": {}, "spec": {**CLAIM_SPEC, "volumeName": "v"}, "status": {"phase": "Bound"}}, "Immediate", "b"),
    ],
)
def test_claims(claim: dict[str, Any] | None, mode: str, says: str) -> None:
    listers = Listers(
        claims=lambda key: claim if key == "default/data" else None,
        volumes=lambda key: VOLUME if key == "v" else None,
        storage_classes=lambda key: {"volumeBindingMode": mode},
    )
    world = World(node("a"), node("b"), listers=listers)
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    assert world.where(pod("p", volumes=volumes)) == says


def test_claims_for_devices_are_not_served() -> None:
    asked = pod("p", resourceClaims=[{"name": "gpu", "resourceClaimName": "my-gpu"}])
    assert World(node("a")).where(asked) == (
        '0/1 nodes are available: resource claim "my-gpu" cannot be allocated: resource.k8s.io is not served.'
    )


def test_plugins_can_be_left_out_by_name() -> None:
    assert World(node("a", taints=[NO_SCHEDULE]), disabled=("TaintToleration",)).fitting(pod("p")) == {"a"}
    with pytest.raises(BadConfig, match="unknown plugin 'TaintTolerations'"):
        profile(["TaintTolerations"])
