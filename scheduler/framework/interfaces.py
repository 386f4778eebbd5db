"""The extension points. A plugin is one class with a name that implements one or more of them.

They differ in what a verdict depends on, which is what decides how long it can be remembered:

- `NodeFilter`, `NodeScore`: on the node and the pod's demand. Asked node by node, remembered per class of alike pods
  until the node changes.
- `PlaceFilter`, `PlaceScore`: also on the pods of that node. Asked for many nodes at once as NumPy columns, remembered
  until a pod comes to the node or leaves it.
- `PodFilter`, `RelationFilter`, `RelationScore`: on anything else (claims, pods elsewhere). Asked for every pod.

Nothing here waits, reads a clock or changes what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from scheduler.columns import Bools, Columns, Floats, Node, Places
from scheduler.demand import Demand, PodInfo
from scheduler.relations import Relation

MAX_SCORE = 100.0


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a node does not suit. `resolvable`: removing pods from the node could change it."""

    plugin: str
    reason: str
    resolvable: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What filters and scores of relations look at, at one moment."""

    columns: Columns
    relations: Relation
    passes: Callable[[str], Bools]
    """The existing nodes that the node filter of this name does not reject."""


class Plugin(Protocol):
    """What all have."""

    name: str
    """Upstream's name, as in KubeSchedulerConfiguration."""


class NodeFilter(Plugin, Protocol):
    def test(self, demand: Demand) -> Callable[[Node], Rejection | None] | None:
        """The test that this demand puts to a node; None when it rejects none."""


class PlaceFilter(Plugin, Protocol):
    def rejected(self, demand: Demand, columns: Columns, at: Places) -> Bools | None:
        """Which of the places are rejected; None for none."""

    def explain(self, demand: Demand, columns: Columns, place: int) -> Sequence[Rejection]:
        """All reasons at one place; empty when it is not rejected."""


class PodFilter(Plugin, Protocol):
    def check(self, pod: PodInfo) -> Rejection | None:
        """Why no node at all suits this pod now; None when nodes should be looked at."""


class RelationFilter(Plugin, Protocol):
    def rejections(self, pod: PodInfo, view: View) -> Sequence[tuple[Bools, Rejection]]:
        """Which nodes are rejected and why; where several reject a node the first counts."""


class NodeScore(Plugin, Protocol):
    fewer_is_better: bool

    def rate(self, demand: Demand) -> Callable[[Node], int] | None:
        """Raw points of a node, scaled to 0..100 among those that fit; None when all are alike."""


class PlaceScore(Plugin, Protocol):
    def score(self, demand: Demand, columns: Columns, at: Places) -> Floats | None:
        """0..100 for each of the places; None when all are alike."""


class RelationScore(Plugin, Protocol):
    def points(self, pod: PodInfo, view: View, fitting: Bools) -> Floats | None:
        """0..100 for each node (only those that fit matter); None when all are alike."""
