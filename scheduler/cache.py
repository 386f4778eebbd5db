"""What the scheduler knows of the cluster: nodes, and the pods on them, assumed ones included.

A pod is *assumed* on a node from the moment it was chosen until the API shows it there (or the binding fails and it is
forgotten), so that the next pod sees the node as taken. A pod is *nominated* to a node where others are making room for
it. Pods may be told of before their node, and outlive it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scheduler.columns import Columns
from scheduler.demand import PodInfo
from scheduler.relations import Relation

Object = dict[str, Any]


class Placed:
    """A pod on a node."""

    __slots__ = ("assumed", "info", "node_name")

    def __init__(self, info: PodInfo, node_name: str, *, assumed: bool) -> None:
        self.info = info
        self.node_name = node_name
        self.assumed = assumed


class Cache:
    """See the module. Owned by the cycle; nothing here waits."""

    def __init__(self) -> None:
        self.columns = Columns()
        self.relations = Relation(self.columns)
        self._placed: dict[str, Placed] = {}
        self._by_node: dict[str, dict[str, PodInfo]] = {}
        self._priorities: Counter[int] = Counter()
        self._nominated: dict[str, tuple[PodInfo, str]] = {}
        self._nominated_on: dict[str, dict[str, PodInfo]] = {}

    # -- nodes

    def set_node(self, obj: Object) -> None:
        """A node was added or changed."""
        self.columns.set_node(obj)

    def remove_node(self, name: str) -> None:
        """A node is gone."""
        self.columns.remove_node(name)
        self._release(name)

    # -- pods

    def get(self, key: str) -> Placed | None:
        """The pod, if it is on a node."""
        return self._placed.get(key)

    def assume(self, info: PodInfo, node_name: str) -> None:
        """The pod is to be bound to the node."""
        self._add(info, node_name, assumed=True)

    def confirm(self, info: PodInfo, node_name: str) -> None:
        """The API shows the pod on the node."""
        known = self._placed.get(info.key)
        if known is not None:
            same = known.node_name == node_name and known.info.demand is info.demand
            if same and known.info.labels == info.labels and known.info.relations == info.relations:
                self._priorities[known.info.priority] -= 1
                self._priorities[info.priority] += 1
                known.info = info
                known.assumed = False
                self._by_node[node_name][info.key] = info
                self.relations.renew(info)
                return
            self.remove(info.key)
        self._add(info, node_name, assumed=False)

    def remove(self, key: str) -> Placed | None:
        """The pod is gone, has ended, or its binding failed; answers where it was."""
        placed = self._placed.pop(key, None)
        if placed is None:
            return None
        self._priorities[placed.info.priority] -= 1
        self.withdraw(placed.info, placed.node_name)
        pods = self._by_node[placed.node_name]
        del pods[key]
        if not pods:
            del self._by_node[placed.node_name]
            self._release(placed.node_name)
        return placed

    def pods_on(self, node_name: str) -> Collection[PodInfo]:
        """The pods on a node."""
        return self._by_node.get(node_name, {}).values()

    def lowest_priority(self) -> int | None:
        """Of all pods on nodes; None when there are none."""
        return min((priority for priority, count in self._priorities.items() if count > 0), default=None)

    # -- what if: for trying out, always undone before anything else happens

    def lend(self, info: PodInfo, node_name: str) -> None:
        """Count the pod on the node without listing it there."""
        place = self.columns.place_for(node_name).place
        self.columns.reserve(place, info.demand)
        self.relations.add(place, info)

    def withdraw(self, info: PodInfo, node_name: str) -> None:
        """Undo `lend`; or lift a listed pod off the node for a while."""
        self.columns.reserve(self.columns.place_for(node_name).place, info.demand, -1)
        self.relations.remove(info)

    # -- nominations

    def nominate(self, info: PodInfo, node_name: str) -> None:
        """Room is being made for the pod on this node; "" ends it."""
        old = self._nominated.pop(info.key, None)
        if old is not None:
            del self._nominated_on[old[1]][info.key]
            if not self._nominated_on[old[1]]:
                del self._nominated_on[old[1]]
        if node_name:
            self._nominated[info.key] = (info, node_name)
            self._nominated_on.setdefault(node_name, {})[info.key] = info

    def nomination(self, key: str) -> str:
        """The node that the pod is nominated to, "" for none."""
        found = self._nominated.get(key)
        return found[1] if found else ""

    def nominated_on(self, node_name: str, besides: PodInfo) -> Sequence[PodInfo]:
        """Pods of the same or higher priority that wait for this node."""
        waiting: Mapping[str, PodInfo] = self._nominated_on.get(node_name, {})
        return [each for each in waiting.values() if each.key != besides.key and each.priority >= besides.priority]

    # -- inside

    def _add(self, info: PodInfo, node_name: str, *, assumed: bool) -> None:
        self.nominate(info, "")
        self._placed[info.key] = Placed(info, node_name, assumed=assumed)
        self._by_node.setdefault(node_name, {})[info.key] = info
        self._priorities[info.priority] += 1
        self.lend(info, node_name)

    def _release(self, name: str) -> None:
        node = self.columns.node(name)
        if node is not None and node.object is None and name not in self._by_node:
            self.columns.release(node)
