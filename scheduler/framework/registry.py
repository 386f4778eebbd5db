"""All plugins, in filter order, with the weights of their scores. Adding one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.errors import BadConfig
from scheduler.framework.interfaces import (
    NodeFilter,
    NodeScore,
    PlaceFilter,
    PlaceScore,
    PodFilter,
    RelationFilter,
    RelationScore,
)
from scheduler.plugins.balancedallocation import NodeResourcesBalancedAllocation
from scheduler.plugins.dynamicresources import DynamicResources
from scheduler.plugins.imagelocality import ImageLocality
from scheduler.plugins.interpodaffinity import InterPodAffinity
from scheduler.plugins.nodeaffinity import NodeAffinity
from scheduler.plugins.nodeports import NodePorts
from scheduler.plugins.noderesources import NodeResourcesFit
from scheduler.plugins.nodeunschedulable import NodeUnschedulable
from scheduler.plugins.podtopologyspread import PodTopologySpread
from scheduler.plugins.tainttoleration import TaintToleration
from scheduler.plugins.volumebinding import Lookup, VolumeBinding


@dataclass(frozen=True, slots=True)
class Listers:
    """What plugins may look up beside nodes and pods, by key."""

    claims: Lookup
    volumes: Lookup
    storage_classes: Lookup


def nothing(key: str) -> None:
    """A lookup that finds nothing."""
    return


NO_LISTERS = Listers(nothing, nothing, nothing)

PLUGINS: Mapping[str, tuple[Callable[[Listers], Any], int]] = {
    "NodeUnschedulable": (lambda _: NodeUnschedulable(), 0),
    "TaintToleration": (lambda _: TaintToleration(), 3),
    "NodeAffinity": (lambda _: NodeAffinity(), 2),
    "NodePorts": (lambda _: NodePorts(), 0),
    "NodeResourcesFit": (lambda _: NodeResourcesFit(), 1),
    "VolumeBinding": (
        lambda listers: VolumeBinding(claims=listers.claims, volumes=listers.volumes, classes=listers.storage_classes),
        0,
    ),
    "DynamicResources": (lambda _: DynamicResources(), 0),
    "PodTopologySpread": (lambda _: PodTopologySpread(), 2),
    "InterPodAffinity": (lambda _: InterPodAffinity(), 2),
    "NodeResourcesBalancedAllocation": (lambda _: NodeResourcesBalancedAllocation(), 1),
    "ImageLocality": (lambda _: ImageLocality(), 1),
}

OTHERS = frozenset({"PrioritySort", "DefaultBinder", "DefaultPreemption", "SchedulingGates", "NodeName"})
"""Names of upstream's plugins that are parts of the queue, the binder and the cycle here (a pod that names its node
is on it: nobody schedules it)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The plugins of one scheduler name, sorted by what they implement."""

    node_filters: tuple[NodeFilter, ...]
    place_filters: tuple[PlaceFilter, ...]
    pod_filters: tuple[PodFilter, ...]
    relation_filters: tuple[RelationFilter, ...]
    node_scores: tuple[tuple[int, NodeScore], ...]
    place_scores: tuple[tuple[int, PlaceScore], ...]
    relation_scores: tuple[tuple[int, RelationScore], ...]
    preemption: bool


def profile(disabled: Iterable[str] = (), listers: Listers = NO_LISTERS) -> Profile:
    """The default profile without the disabled plugins. Raises `BadConfig` for a name that is no plugin's."""
    without = set(disabled)
    if unknown := without - set(PLUGINS) - OTHERS:
        raise BadConfig(f"unknown plugin {sorted(unknown)[0]!r}: use {', '.join([*PLUGINS, 'DefaultPreemption'])}")
    made = [(weight, make(listers)) for name, (make, weight) in PLUGINS.items() if name not in without]

    def having(method: str) -> list[tuple[int, Any]]:
        return [(weight, plugin) for weight, plugin in made if hasattr(plugin, method)]

    return Profile(
        node_filters=tuple(plugin for _, plugin in having("test")),
        place_filters=tuple(plugin for _, plugin in having("rejected")),
        pod_filters=tuple(plugin for _, plugin in having("check")),
        relation_filters=tuple(plugin for _, plugin in having("rejections")),
        node_scores=tuple(having("rate")),
        place_scores=tuple(having("score")),
        relation_scores=tuple(having("points")),
        preemption="DefaultPreemption" not in without,
    )
