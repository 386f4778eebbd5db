"""Remembered rows and counts say what a cache built anew would say, whatever happened in between."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.placement import Choice
from tests.unit.scheduler.build import World, node, pod

Object = dict[str, Any]
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
NAMES = [f"n{number}" for number in range(5)]

nodes = st.builds(
    node,
    st.sampled_from(NAMES),
    cpu=st.sampled_from(["1", "2"]),
    labels=st.sampled_from([{}, {ZONE: "a"}, {ZONE: "b", "disk": "ssd"}]),
    unschedulable=st.booleans(),
    taints=st.sampled_from([[], [{"key": "t", "effect": "NoSchedule"}], [{"key": "s", "effect": "PreferNoSchedule"}]]),
)


def _terms(section: str, key: str, when: str = "required") -> Object:
    term = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": key}
    if when == "required":
        return {section: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {section: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": term}]}}


KINDS: list[Object] = [
    {},
    {"cpu": "700m"},
    {"nodeSelector": {"disk": "ssd"}},
    {"tolerations": [{"operator": "Exists"}]},
    {"ports": [{"hostPort": 80}]},
    {"labels": {"app": "x"}},
    {"labels": {"app": "x"}, "affinity": _terms("podAntiAffinity", HOST)},
    {"labels": {"app": "x"}, "affinity": _terms("podAffinity", ZONE)},
    {"affinity": _terms("podAffinity", ZONE, "preferred")},
    {"labels": {"pod-template-hash": "h"}},
    {
        "labels": {"app": "x"},
        "topologySpreadConstraints": [
            {
                "topologyKey": ZONE,
                "maxSkew": 1,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "x"}},
            }
        ],
    },
]

kinds = st.sampled_from(KINDS)
names = st.sampled_from(NAMES)
steps = st.one_of(
    st.tuples(st.just("set node"), nodes),
    st.tuples(st.just("remove node"), names),
    st.tuples(st.just("add pod"), st.integers(0, 7), kinds, names),
    st.tuples(st.just("remove pod"), st.integers(0, 7)),
    st.tuples(st.just("schedule"), st.integers(0, 7), kinds),
)


@settings(max_examples=100)
@given(history=st.lists(steps, max_size=25))
def test_nothing_is_stale(history: list[Any]) -> None:
    world = World()
    alive: dict[str, Object] = {}
    placed: dict[str, Object] = {}
    for step in history:
        match step:
            case "set node", obj:
                alive[obj["metadata"]["name"]] = obj
                world.cache.set_node(obj)
            case "remove node", name:
                alive.pop(name, None)
                world.cache.remove_node(name)
            case "add pod", number, kind, name:
                obj = pod(f"p{number}", on=name, **kind)
                placed[f"default/p{number}"] = obj
                world.add(obj)
            case "remove pod", number:
                placed.pop(f"default/p{number}", None)
                world.cache.remove(f"default/p{number}")
            case "schedule", number, kind:
                if f"default/p{number}" in placed:
                    continue
                obj = pod(f"p{number}", **kind)
                result = world.choose(obj)
                if isinstance(result, Choice):
                    world.cache.assume(world.info(obj), result.node_name)
                    placed[f"default/p{number}"] = {**obj, "spec": {**obj["spec"], "nodeName": result.node_name}}
        fresh = World(*alive.values())
        fresh.add(*placed.values())
        for kind in KINDS:
            asked = pod("asked", **kind)
            assert world.fitting(asked) == fresh.fitting(asked)
            was, now = world.choose(asked), fresh.choose(asked)
            if isinstance(was, Choice) and isinstance(now, Choice):
                assert abs(was.points - now.points) < 1e-6
            else:
                assert type(was) is type(now)
