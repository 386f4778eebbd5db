"""Which of the nodes that fit is chosen."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.unit.scheduler.build import World, node, pod


def test_the_emptiest_node_wins_and_alike_nodes_take_turns() -> None:
    world = World(node("a"), node("b"), node("c"))
    world.add(pod("big", cpu="2", memory="4Gi", on="a"))
    assert Counter(world.run(pod(f"p{number}", cpu="10m", memory="10Mi")) for number in range(20)) == {"b": 10, "c": 10}


def test_pods_without_requests_spread_too() -> None:
    world = World(*(node(name) for name in "abcd"))
    placed = Counter(world.run(pod(f"p{number}", cpu=None, memory=None)) for number in range(40))
    assert set(placed.values()) == {10}


def test_balance_breaks_ties_of_emptiness() -> None:
    world = World(node("skewed", cpu="4", memory="8Gi"), node("even", cpu="4", memory="8Gi"))
    world.add(pod("s", cpu="2", memory=None, on="skewed"), pod("e", cpu="900m", memory="2Gi", on="even"))
    assert world.where(pod("p", cpu="1", memory="1Gi")) == "even"


def test_soft_taints_repel() -> None:
    soft = [{"key": "slow", "effect": "PreferNoSchedule"}]
    world = World(node("a", taints=soft), node("b"))
    world.add(pod("x", cpu="2", memory="4Gi", on="b"))
    assert world.where(pod("p")) == "b"
    assert world.where(pod("p", tolerations=[{"key": "slow", "operator": "Exists"}])) == "a"


def test_preferred_node_affinity_attracts_by_weight() -> None:
    def prefer(*weights: tuple[int, str]) -> dict[str, Any]:
        return {
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": weight,
                        "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]},
                    }
                    for weight, zone in weights
                ]
            }
        }

    world = World(node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"}), node("c"))
    assert world.where(pod("p", affinity=prefer((1, "2")))) == "b"
    assert world.where(pod("p", affinity=prefer((10, "2"), (20, "1")))) == "a"


def test_images_that_are_there_attract() -> None:
    image = {"names": ["app:1"], "sizeBytes": 900 * 2**20}
    assert World(node("a"), node("b", images=[image])).where(pod("p")) == "b"
