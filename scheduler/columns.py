"""Nodes as NumPy columns.

Every node has a place, an index into all columns. Places of removed nodes are used again; `alive` says which count. A
change of a node or of its pods is a delta: the columns are updated at one place, and the place is appended to a log, so
that whoever cached something about all nodes recomputes it for the few that changed since (`changes_since`).

Amounts are int64: cpu in thousandths, all else in units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from machinery.objects import meta
from machinery.objects import node as nodes
from machinery.objects.taints import NO_EXECUTE, NO_SCHEDULE
from scheduler.demand import Demand, Port

Object = dict[str, Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Places = slice | NDArray[np.intp]
"""Which nodes a computation is about: all (a slice from 0), or some."""

ANY_ADDRESS = "0.0.0.0"
LOG_LIMIT = 16384


class Node:
    """One node's facts that filters ask for one by one."""

    __slots__ = ("images", "labels", "name", "object", "place", "taints", "unschedulable")

    def __init__(self, name: str, place: int) -> None:
        self.name = name
        self.place = place
        self.object: Object | None = None  # None: pods were seen on it, itself not yet
        self.labels: Mapping[str, str] = {}
        self.taints: Sequence[Object] = ()
        self.unschedulable = False
        self.images: Mapping[str, int] = {}

    def update(self, obj: Object) -> None:
        self.object = obj
        self.labels = meta.labels(obj)
        self.taints = nodes.taints(obj)
        self.unschedulable = nodes.is_unschedulable(obj)
        self.images = {
            name: int(image.get("sizeBytes") or 0)
            for image in nodes.status(obj).get("images") or ()
            for name in image.get("names") or ()
        }

    def blocking_taints(self) -> Iterable[Object]:
        """Those that keep pods away."""
        return (taint for taint in self.taints if taint.get("effect") in (NO_SCHEDULE, NO_EXECUTE))


class Columns:
    """See the module."""

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self.size = 0  # places in use or free below this
        self._free: list[int] = []
        self._by_name: dict[str, Node] = {}
        self.nodes: list[Node | None] = []
        self.alive: Bools = np.zeros(capacity, np.bool_)
        self.count = 0
        self.allocatable: dict[str, Ints] = {}
        self.requested: dict[str, Ints] = {}
        self.scored_cpu: Ints = np.zeros(capacity, np.int64)
        self.scored_memory: Ints = np.zeros(capacity, np.int64)
        self._ports: dict[tuple[str, int], dict[int, dict[str, int]]] = {}
        self._domains: dict[str, Domains] = {}
        self._log: list[int] = []
        self._log_start = 0
        for name in ("cpu", "memory", "pods"):
            self._resource(name)

    @property
    def capacity(self) -> int:
        """Length of the columns; only the first `size` places mean anything."""
        return self._capacity

    def everywhere(self) -> slice:
        """All places."""
        return slice(0, self.size)

    def node(self, name: str) -> Node | None:
        """The node of that name, None when neither it nor pods on it were seen."""
        return self._by_name.get(name)

    def at(self, place: int) -> Node:
        """The node at a place in use."""
        found = self.nodes[place]
        assert found is not None, f"no node at place {place}"
        return found

    def living(self) -> Sequence[Node]:
        """All nodes that exist."""
        return [self.at(int(place)) for place in np.flatnonzero(self.alive[: self.size])]

    # -- deltas

    def set_node(self, obj: Object) -> Node:
        """A node was added or changed."""
        node = self.place_for(meta.name(obj))
        node.update(obj)
        place = node.place
        if not self.alive[place]:
            self.alive[place] = True
            self.count += 1
        amounts = {
            name: quantity.milli() if name == "cpu" else quantity.value()
            for name, quantity in nodes.allocatable(obj).items()
        }
        for name in amounts:
            self._resource(name)
        for name, column in self.allocatable.items():
            column[place] = amounts.get(name, 0)
        for domains in self._domains.values():
            domains.set(place, node.labels)
        self.touch(place, node_changed=True)
        return node

    def remove_node(self, name: str) -> None:
        """A node is gone; its pods may still be told of (and removed) afterwards."""
        node = self._by_name.get(name)
        if node is None or node.object is None:
            return
        node.object = None
        self.alive[node.place] = False
        self.count -= 1
        for domains in self._domains.values():
            domains.set(node.place, {})
        self.touch(node.place, node_changed=True)

    def place_for(self, name: str) -> Node:
        """The node's facts; a place is made for one that was not seen yet."""
        node = self._by_name.get(name)
        if node is None:
            if not self._free and self.size == self._capacity:
                self._grow()
            place = self._free.pop() if self._free else self.size
            if place == self.size:
                self.size += 1
                self.nodes.append(None)
            node = Node(name, place)
            self.nodes[place] = node
            self._by_name[name] = node
        return node

    def release(self, node: Node) -> None:
        """Give the place up: the node is gone and so are all its pods."""
        assert node.object is None and not self.requested["pods"][node.place]
        del self._by_name[node.name]
        self.nodes[node.place] = None
        self._free.append(node.place)

    def reserve(self, place: int, demand: Demand, sign: int = 1) -> None:
        """A pod comes to the node (or leaves it, with sign -1)."""
        for name, amount in demand.requests:
            column = self.requested.get(name)
            if column is None:
                column = self._resource(name)
            column[place] += sign * amount
        self.scored_cpu[place] += sign * demand.scored_cpu
        self.scored_memory[place] += sign * demand.scored_memory
        for address, protocol, port in demand.ports:
            self._count_port(place, address, protocol, port, sign)
        self.touch(place)

    def touch(self, place: int, *, node_changed: bool = False) -> None:
        """Write the place into the log; as its complement when the node itself changed."""
        self._log.append(~place if node_changed else place)
        if len(self._log) > LOG_LIMIT:
            half = LOG_LIMIT // 2
            del self._log[:half]
            self._log_start += half

    # -- what changed

    @property
    def position(self) -> int:
        """The end of the log."""
        return self._log_start + len(self._log)

    def changes_since(self, position: int) -> tuple[set[int], set[int]] | None:
        """(places whose pods changed, places whose node changed) after `position`; None when the log forgot."""
        if position < self._log_start:
            return None
        pods: set[int] = set()
        changed: set[int] = set()
        for entry in self._log[position - self._log_start :]:
            if entry >= 0:
                pods.add(entry)
            else:
                changed.add(~entry)
        return pods, changed

    # -- questions

    def domains(self, key: str) -> Domains:
        """The topology that a node label makes."""
        found = self._domains.get(key)
        if found is None:
            found = self._domains[key] = Domains(key, self._capacity)
            for node in self.living():
                found.set(node.place, node.labels)
        return found

    def port_conflicts(self, ports: Iterable[Port]) -> set[int]:
        """The places where one of these ports is taken: same protocol and port, and an address that overlaps."""
        found: set[int] = set()
        for address, protocol, port in ports:
            for place, addresses in self._ports.get((protocol, port), {}).items():
                if address == ANY_ADDRESS or ANY_ADDRESS in addresses or address in addresses:
                    found.add(place)
        return found

    # -- inside

    def _resource(self, name: str) -> Ints:
        if name not in self.requested:
            self.allocatable[name] = np.zeros(self._capacity, np.int64)
            self.requested[name] = np.zeros(self._capacity, np.int64)
        return self.requested[name]

    def _count_port(self, place: int, address: str, protocol: str, port: int, sign: int) -> None:
        places = self._ports.setdefault((protocol, port), {})
        addresses = places.setdefault(place, {})
        addresses[address] = addresses.get(address, 0) + sign
        if addresses[address] <= 0:
            del addresses[address]
        if not addresses:
            del places[place]
        if not places:
            del self._ports[(protocol, port)]

    def _grow(self) -> None:
        self._capacity *= 2
        self.alive = grown(self.alive, self._capacity)
        self.scored_cpu = grown(self.scored_cpu, self._capacity)
        self.scored_memory = grown(self.scored_memory, self._capacity)
        for table in (self.allocatable, self.requested):
            for name, column in table.items():
                table[name] = grown(column, self._capacity)
        for domains in self._domains.values():
            domains.grow(self._capacity)


class Domains:
    """The values of one node label as numbers; `ids` is -1 where the node does not have the label.

    A value that no node has any more is no domain: its number is given to the next new value.
    """

    __slots__ = ("_free", "_members", "_numbers", "_values", "ids", "key")

    def __init__(self, key: str, capacity: int) -> None:
        self.key = key
        self.ids: NDArray[np.int64] = np.full(capacity, -1, np.int64)
        self._numbers: dict[str, int] = {}
        self._values: list[str] = []  # by number
        self._members: list[int] = []  # nodes that have the value, by number
        self._free: list[int] = []

    def __len__(self) -> int:
        """How many domains have a node."""
        return len(self._numbers)

    @property
    def extent(self) -> int:
        """All numbers are below it."""
        return len(self._values)

    def set(self, place: int, labels: Mapping[str, str]) -> None:
        """The node at a place has these labels now; it is gone when there are none."""
        value = labels.get(self.key)
        old = int(self.ids[place])
        if old >= 0:
            if self._values[old] == value:
                return
            self._leave(old)
        self.ids[place] = -1 if value is None else self._join(value)

    def grow(self, capacity: int) -> None:
        fresh = np.full(capacity, -1, np.int64)
        fresh[: len(self.ids)] = self.ids
        self.ids = fresh

    def totals(self, counts: Ints, among: Bools | None = None) -> Ints:
        """The sum of `counts` over each domain (of the places `among`), by the domain's number."""
        ids = self.ids[: len(counts)]
        has = ids >= 0 if among is None else (ids >= 0) & among
        return np.bincount(ids[has], weights=counts[has], minlength=self.extent).astype(np.int64)

    def _join(self, value: str) -> int:
        number = self._numbers.get(value)
        if number is not None:
            self._members[number] += 1
            return number
        if self._free:
            number = self._free.pop()
            self._values[number], self._members[number] = value, 1
        else:
            number = len(self._values)
            self._values.append(value)
            self._members.append(1)
        self._numbers[value] = number
        return number

    def _leave(self, number: int) -> None:
        self._members[number] -= 1
        if not self._members[number]:
            del self._numbers[self._values[number]]
            self._free.append(number)


def grown(column: NDArray[Any], capacity: int) -> NDArray[Any]:
    """A longer copy, zeros at the end."""
    fresh = np.zeros(capacity, column.dtype)
    fresh[: len(column)] = column
    return fresh
