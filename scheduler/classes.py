"""Rows: what is known of all nodes for one class of alike pods.

A row holds, by place, which node filters reject, whether the node fits, and its points. It is computed once for all
nodes and then only where the columns' log says that something changed; so the next pod of the same class costs one
place (the node that the one before went to) and one `argmax`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scheduler.columns import Bools, Columns, Floats, Ints, Places, grown
from scheduler.demand import Demand
from scheduler.framework.interfaces import MAX_SCORE, Rejection
from scheduler.framework.registry import Profile

UNFIT = -1.0
REMEMBERED = 256


class Row:
    """See the module. `total` is UNFIT where the pod does not fit."""

    def __init__(self, demand: Demand, columns: Columns, profile: Profile) -> None:
        self.demand = demand
        self._columns = columns
        self._profile = profile
        self._tests = [(bit, f.name, f.test(demand)) for bit, f in enumerate(profile.node_filters)]
        self._rates = [(weight, s, rate) for weight, s in profile.node_scores if (rate := s.rate(demand)) is not None]
        capacity = columns.capacity
        self._bits: NDArray[np.uint16] = np.zeros(capacity, np.uint16)
        self._raw: list[Ints] = [np.zeros(capacity, np.int64) for _ in self._rates]
        self._fits: Bools = np.zeros(capacity, np.bool_)
        self._total: Floats = np.full(capacity, UNFIT)
        self._position = -1
        self._bit_of = {name: bit for bit, name, _ in self._tests}
        self._rated: list[int] = []  # which rates gave any node points
        if demand.node_names is not None and "NodeAffinity" in self._bit_of:
            self._bits[:] = 1 << self._bit_of["NodeAffinity"]  # all but the named are never asked

    @property
    def version(self) -> int:
        """Of the columns that this row reflects."""
        return self._position

    @property
    def total(self) -> Floats:
        """Points of the place scores; UNFIT where rejected."""
        return self._total[: self._columns.size]

    @property
    def fits(self) -> Bools:
        """Whether no node or place filter rejects."""
        return self._fits[: self._columns.size]

    def passes(self, plugin: str) -> Bools:
        """The existing nodes that one node filter does not reject."""
        alive = self._columns.alive[: self._columns.size]
        bit = self._bit_of.get(plugin)
        if bit is None:
            return alive
        passing: Bools = alive & ((self._bits[: self._columns.size] & np.uint16(1 << bit)) == 0)
        return passing

    def refresh(self) -> None:
        """Bring the row up to the columns' present."""
        columns = self._columns
        if self._position == columns.position:
            return
        if len(self._fits) < columns.capacity:
            self._grow(columns.capacity)
        changes = columns.changes_since(self._position) if self._position >= 0 else None
        self._position = columns.position
        if self.demand.node_names is not None and "NodeAffinity" in self._bit_of:
            named = [node.place for name in self.demand.node_names if (node := columns.node(name)) is not None]
            self._ask(named)
            self._compute(np.array(named, np.intp))
            return
        if changes is None or sum(map(len, changes)) * 4 > columns.size + 16:
            self._ask(range(columns.size) if changes is None else changes[1])
            self._compute(columns.everywhere())
            return
        pods, nodes = changes
        self._ask(nodes)
        places = pods | nodes
        if places:
            self._compute(np.fromiter(places, np.intp, len(places)))

    def soft_points(self, fitting: Bools) -> Floats | None:
        """Points of the node scores, each scaled to 0..100 among the nodes that fit; None when all are alike."""
        points: Floats | None = None
        for index in self._rated:
            weight, plugin, _ = self._rates[index]
            values = self._raw[index][: self._columns.size]
            highest = int(values[fitting].max())
            if highest == 0:
                continue  # nobody has any: no difference
            scaled = np.floor(MAX_SCORE * values / highest)
            if plugin.fewer_is_better:
                scaled = MAX_SCORE - scaled
            points = weight * scaled if points is None else points + weight * scaled
        return points

    def explain(self, place: int) -> list[Rejection]:
        """Why the node at this place does not fit, as far as node and place filters say: the first that rejects."""
        node = self._columns.at(place)
        for bit, _, test in self._tests:
            if self._bits[place] & (1 << bit) and test is not None and (rejection := test(node)) is not None:
                return [rejection]
        for plugin in self._profile.place_filters:
            if found := plugin.explain(self.demand, self._columns, place):
                return list(found)
        return []

    def _ask(self, places: Iterable[int]) -> None:
        """Put the node tests and rates to the nodes at these places."""
        tests = [(np.uint16(1 << bit), test) for bit, _, test in self._tests if test is not None]
        rates = [(raw, rate) for (_, _, rate), raw in zip(self._rates, self._raw, strict=True)]
        nodes = self._columns.nodes
        for place in places:
            node = nodes[place]
            bits = np.uint16(0)
            if node is not None and node.object is not None:
                for bit, test in tests:
                    if test(node) is not None:
                        bits |= bit
                for raw, rate in rates:
                    raw[place] = rate(node)
            self._bits[place] = bits
        self._rated = [index for index, (raw, _) in enumerate(rates) if raw.any()]

    def _compute(self, at: Places) -> None:
        columns, profile, demand = self._columns, self._profile, self.demand
        fits = columns.alive[at] & (self._bits[at] == 0)
        for plugin in profile.place_filters:
            rejected = plugin.rejected(demand, columns, at)
            if rejected is not None:
                fits &= ~rejected
        total: Floats = np.zeros(len(fits))
        for weight, scorer in profile.place_scores:
            points = scorer.score(demand, columns, at)
            if points is not None:
                total += weight * points
        total[~fits] = UNFIT
        self._fits[at] = fits
        self._total[at] = total

    def _grow(self, capacity: int) -> None:
        size = len(self._total)
        named = self.demand.node_names is not None and "NodeAffinity" in self._bit_of
        self._bits = grown(self._bits, capacity)
        self._bits[size:] = 1 << self._bit_of["NodeAffinity"] if named else 0
        self._raw = [grown(raw, capacity) for raw in self._raw]
        self._fits = grown(self._fits, capacity)
        self._total = grown(self._total, capacity)
        self._total[size:] = UNFIT


class Rows:
    """The rows of the classes seen last."""

    def __init__(self, columns: Columns, profile: Profile) -> None:
        self._columns = columns
        self._profile = profile
        self._rows: OrderedDict[int, Row] = OrderedDict()

    def of(self, demand: Demand) -> Row:
        """The row of a class, up to date."""
        row = self._rows.get(id(demand))
        if row is None or row.demand is not demand:
            row = self._rows[id(demand)] = Row(demand, self._columns, self._profile)
            if len(self._rows) > REMEMBERED:
                self._rows.popitem(last=False)
        else:
            self._rows.move_to_end(id(demand))
        row.refresh()
        return row
