"""Which events may make which rejected pods schedulable (upstream: EventsToRegister of the plugins)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Event(Enum):
    """What happened to the cluster."""

    NODE_ADDED = "node added"
    NODE_ALLOCATABLE = "node has more resources"
    NODE_LABELS = "node labels changed"
    NODE_TAINTS = "node taints changed, or it was uncordoned"
    NODE_REMOVED = "node removed"
    POD_ASSIGNED = "a pod came to a node, or its labels changed"
    POD_GONE = "a pod left its node, or ended"
    STORAGE = "a claim, volume or storage class changed"
    NAMESPACE = "namespace labels changed"


HINTS: Mapping[str, frozenset[Event]] = {
    "NodeUnschedulable": frozenset({Event.NODE_ADDED, Event.NODE_TAINTS}),
    "TaintToleration": frozenset({Event.NODE_ADDED, Event.NODE_TAINTS}),
    "NodeAffinity": frozenset({Event.NODE_ADDED, Event.NODE_LABELS}),
    "NodePorts": frozenset({Event.NODE_ADDED, Event.POD_GONE}),
    "NodeResourcesFit": frozenset({Event.NODE_ADDED, Event.NODE_ALLOCATABLE, Event.POD_GONE}),
    "VolumeBinding": frozenset({Event.NODE_ADDED, Event.NODE_LABELS, Event.STORAGE}),
    "DynamicResources": frozenset(),
    "PodTopologySpread": frozenset(
        {
            Event.NODE_ADDED,
            Event.NODE_LABELS,
            Event.NODE_TAINTS,
            Event.NODE_REMOVED,
            Event.POD_ASSIGNED,
            Event.POD_GONE,
        }
    ),
    "InterPodAffinity": frozenset(
        {Event.NODE_ADDED, Event.NODE_LABELS, Event.POD_ASSIGNED, Event.POD_GONE, Event.NAMESPACE}
    ),
}


def helps(event: Event, plugins: frozenset[str]) -> bool:
    """Whether a pod that these plugins rejected is worth another try. One that nobody rejected (no nodes) always is."""
    return not plugins or any(event in HINTS.get(plugin, frozenset(Event)) for plugin in plugins)
