"""Inter-pod affinity and topology spread."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.unit.scheduler.build import World, node, pod

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
WEB, DB = {"app": "web"}, {"app": "db"}


def term(labels: dict[str, str], key: str, **more: Any) -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": labels}, "topologyKey": key, **more}


def near(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def away(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def prefer(section: str, weight: int, wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        section: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "podAffinityTerm": wanted}]}
    }


def zones() -> World:
    return World(
        node("a1", labels={ZONE: "a"}),
        node("a2", labels={ZONE: "a"}),
        node("b1", labels={ZONE: "b"}),
        node("none"),
    )


def test_required_affinity_means_the_domain_of_the_other_pod() -> None:
    world = zones()
    world.add(pod("db", labels=DB, on="a1"))
    assert world.fitting(pod("p", affinity=near(term(DB, ZONE)))) == {"a1", "a2"}
    assert world.fitting(pod("p", affinity=near(term(DB, HOST)))) == {"a1"}
    assert world.fitting(pod("p", namespace="other", affinity=near(term(DB, HOST)))) == set()
    assert world.fitting(pod("p", namespace="other", affinity=near(term(DB, HOST, namespaces=["default"])))) == {"a1"}
    assert "didn't match pod affinity rules" in world.where(pod("p", affinity=near(term({"app": "no"}, ZONE))))


def test_the_first_of_a_group_that_selects_itself_goes_anywhere_with_the_key() -> None:
    world = zones()
    group = pod("p", labels=WEB, affinity=near(term(WEB, ZONE)))
    assert world.fitting(group) == {"a1", "a2", "b1"}
    world.add(pod("w", labels=WEB, on="b1"))
    assert world.fitting(group) == {"b1"}


def test_several_affinity_terms_must_be_met_by_one_pod() -> None:
    world = zones()
    both = pod("p", affinity=near(term(DB, ZONE), term({"tier": "gold"}, ZONE)))
    world.add(pod("db", labels=DB, on="a1"), pod("gold", labels={"tier": "gold"}, on="a1"))
    assert world.fitting(both) == set()
    world.add(pod("golden-db", labels={**DB, "tier": "gold"}, on="b1"))
    assert world.fitting(both) == {"b1"}


def test_anti_affinity_works_both_ways_and_ends_with_the_pod() -> None:
    world = zones()
    world.add(pod("loner", labels=WEB, affinity=away(term(WEB, ZONE)), on="a1"))
    assert world.fitting(pod("p", labels=WEB)) == {"b1", "none"}  # the loner's rule
    assert world.fitting(pod("p", labels=DB, affinity=away(term(WEB, HOST)))) == {"a2", "b1", "none"}
    assert "didn't satisfy existing pods anti-affinity rules" in World_of_one("a1", ZONE).where(pod("p", labels=WEB))
    world.cache.remove("default/loner")
    assert world.fitting(pod("p", labels=WEB)) == {"a1", "a2", "b1", "none"}


def World_of_one(name: str, key: str) -> World:
    world = World(node(name, labels={key: "only"}))
    world.add(pod("loner", labels=WEB, affinity=away(term(WEB, key)), on=name))
    return world


def test_replicas_with_anti_affinity_take_a_node_each() -> None:
    world = World(*(node(f"n{number}") for number in range(5)))
    replicas = [pod(f"w{number}", labels=WEB, affinity=away(term(WEB, HOST))) for number in range(6)]
    placed = [world.run(each) for each in replicas]
    assert len(set(placed[:5])) == 5
    assert placed[5] == "0/5 nodes are available: 5 node(s) didn't match pod anti-affinity rules."


def test_namespaces_are_selected_by_their_labels() -> None:
    world = zones()
    wanted = near(term(DB, HOST, namespaceSelector={"matchLabels": {"team": "x"}}))
    world.add(pod("db", labels=DB, namespace="other", on="a2"))
    asked = pod("p", affinity=wanted)
    assert world.fitting(asked) == set()
    world.cache.relations.set_namespace("other", {"team": "x"})
    assert world.fitting(asked) == {"a2"}


def test_match_label_keys_narrow_to_the_own_revision() -> None:
    world = zones()
    world.add(pod("old", labels={**WEB, "rev": "1"}, on="a1"), pod("new", labels={**WEB, "rev": "2"}, on="b1"))
    asked = pod("p", labels={**WEB, "rev": "2"}, affinity=away(term(WEB, HOST, matchLabelKeys=["rev"])))
    assert world.fitting(asked) == {"a1", "a2", "none"}


def test_preferences_pull_and_push() -> None:
    world = zones()
    world.add(pod("db", labels=DB, on="b1"))
    assert world.where(pod("p", affinity=prefer("podAffinity", 100, term(DB, ZONE)))) == "b1"
    world.add(pod("x", cpu="2", memory="4Gi", on="none"), pod("y", cpu="2", memory="4Gi", on="a1"))
    assert world.where(pod("p", affinity=prefer("podAntiAffinity", 100, term(DB, ZONE)))) == "a2"
    world.add(pod("fan", affinity=prefer("podAffinity", 100, term(WEB, HOST)), on="a1"))
    assert world.where(pod("p", labels=WEB)) == "a1"  # the preference of the pod that is there


def spread(key: str, skew: int = 1, when: str = "DoNotSchedule", **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "topologyKey": key,
            "maxSkew": skew,
            "whenUnsatisfiable": when,
            "labelSelector": {"matchLabels": WEB},
            **more,
        }
    ]


def test_a_hard_spread_keeps_zones_level() -> None:
    world = zones()
    pods = [pod(f"w{number}", labels=WEB, topologySpreadConstraints=spread(ZONE)) for number in range(6)]
    placed = [world.run(each) for each in pods]
    assert Counter(name[0] for name in placed) == {"a": 3, "b": 3}
    assert all(abs(sum(1 if name[0] == "a" else -1 for name in placed[:count])) <= 1 for count in range(7))


def test_a_hard_spread_says_why() -> None:
    world = World(node("a1", labels={ZONE: "a"}), node("b1", labels={ZONE: "b"}, unschedulable=True), node("none"))
    world.add(pod("w", labels=WEB, on="a1"))
    assert world.where(pod("p", labels=WEB, topologySpreadConstraints=spread(ZONE))) == (
        "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints, "
        "1 node(s) didn't match pod topology spread constraints (missing required label), "
        "1 node(s) were unschedulable."
    )


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        pytest.param({}, set(), id="the tainted domain counts"),
        pytest.param({"nodeTaintsPolicy": "Honor"}, {"a1"}, id="it does not when taints are honored"),
        pytest.param({"minDomains": 2, "nodeTaintsPolicy": "Honor"}, set(), id="too few domains"),
        pytest.param({"maxSkew": 2}, {"a1"}, id="more skew allowed"),
    ],
)
def test_which_domains_count(more: dict[str, Any], fits: set[str]) -> None:
    tainted = node("b1", labels={ZONE: "b"}, taints=[{"key": "x", "effect": "NoSchedule"}])
    world = World(node("a1", labels={ZONE: "a"}), tainted)
    world.add(pod("w", labels=WEB, on="a1"))
    constraints = [{**spread(ZONE)[0], **more}]
    assert world.fitting(pod("p", labels=WEB, topologySpreadConstraints=constraints)) == fits


def test_node_affinity_restricts_the_domains() -> None:
    world = zones()
    world.add(pod("w", labels=WEB, on="a1"))
    asked = pod("p", labels=WEB, nodeSelector={ZONE: "a"}, topologySpreadConstraints=spread(ZONE))
    assert world.fitting(asked) == {"a1", "a2"}


def test_a_soft_spread_prefers_the_smaller_domain() -> None:
    world = zones()
    world.add(pod("w1", labels=WEB, on="a1"), pod("w2", labels=WEB, on="a2"))
    world.add(pod("x", cpu="3", memory="6Gi", on="b1"))
    soft = spread(ZONE, when="ScheduleAnyway")
    assert world.where(pod("p", labels=WEB, topologySpreadConstraints=soft)) == "b1"


def test_counts_follow_pods_and_new_nodes() -> None:
    world = World(node("n0", labels={ZONE: "0"}))
    asked = pod("p", labels=WEB, topologySpreadConstraints=spread(ZONE))
    world.add(pod("w0", labels=WEB, on="n0"))
    assert world.fitting(asked) == {"n0"}
    for number in range(1, 150):  # beyond the first capacity of the columns
        world.cache.set_node(node(f"n{number}", labels={ZONE: str(number)}))
    assert "n0" not in world.fitting(asked)
    assert len(world.fitting(asked)) == 149
    world.add(pod("w140", labels=WEB, on="n140"))
    assert "n140" not in world.fitting(asked)
    world.cache.remove("default/w140")
    assert "n140" in world.fitting(asked)


def test_replicas_without_constraints_keep_apart_by_themselves() -> None:
    world = World(node("empty"), node("b"), node("c"))
    world.add(pod("x", cpu="1", memory="2Gi", on="b"), pod("y", cpu="1", memory="2Gi", on="c"))
    replicas = [pod(f"r{number}", cpu="10m", labels={"pod-template-hash": "5d4"}) for number in range(3)]
    assert {world.run(each) for each in replicas} == {"empty", "b", "c"}
    loose = [pod(f"s{number}", cpu="10m") for number in range(3)]
    assert {world.run(each) for each in loose} == {"empty"}
