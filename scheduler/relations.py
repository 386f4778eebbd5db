"""How many pods on each node a term selects, and how many own it.

Inter-pod affinity and topology spread ask two questions of every node: how many pods here does this term select, and
how many pods here have a term that selects the incoming one. Both are kept as one column per term, updated at one place
when a pod comes or goes; a domain's number is then one `bincount`. A term is counted from the first time somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

import numpy as np

from scheduler.columns import Columns, Ints, grown
from scheduler.demand import PodInfo, Term
from scheduler.termindex import TermIndex

LIMIT = 1024
"""Terms counted at a time; the one not asked for the longest is forgotten."""


class Kind(Enum):
    """How a pod owns a term."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    PREFERRED = "preferred"


Owned = tuple[Kind, int, Term]
"""(kind, weight, term)."""


class Relation:
    """All counts."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._selected: dict[tuple[Term, ...], Ints] = {}
        self._selected_index: TermIndex[tuple[Term, ...]] = TermIndex()
        self._owned: dict[Owned, Ints] = {}
        self._owned_index: TermIndex[Owned] = TermIndex()
        self._owners: dict[Owned, int] = {}
        self._placed: dict[str, tuple[int, PodInfo]] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    def add(self, place: int, pod: PodInfo) -> None:
        """The pod came to the node at `place`."""
        self._placed[pod.key] = (place, pod)
        self._count(place, pod, 1)

    def remove(self, pod: PodInfo) -> None:
        """The pod left."""
        found = self._placed.pop(pod.key, None)
        if found is not None:
            self._count(*found, -1)

    def renew(self, pod: PodInfo) -> None:
        """The pod changed in nothing that is counted: hold its newest state only."""
        place, _ = self._placed[pod.key]
        self._placed[pod.key] = (place, pod)

    def set_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """A namespace's labels; terms that select namespaces by label count again from the start."""
        if self._namespaces.get(name, {}) != labels:
            self._namespaces[name] = labels
            for terms in [terms for terms in self._selected if any(not t.namespace_selector.none for t in terms)]:
                self._forget(terms)

    def selects_all(self, terms: tuple[Term, ...], pod: PodInfo) -> bool:
        """Whether each of the terms is about this pod."""
        return all(self.selects(term, pod) for term in terms)

    def selects(self, term: Term, pod: PodInfo) -> bool:
        """Whether the term is about this pod."""
        return term.selects(pod.namespace, pod.labels, self._namespaces.get(pod.namespace, {}))

    def selected(self, *terms: Term) -> Ints:
        """For each node, how many of its pods the terms (all of them) select."""
        column = self._selected.pop(terms, None)
        if column is None:
            column = np.zeros(self._columns.capacity, np.int64)
            for place, pod in self._placed.values():
                if self.selects_all(terms, pod):
                    column[place] += 1
            if len(self._selected) >= LIMIT:
                self._forget(next(iter(self._selected)))
            self._selected_index.add(terms, terms[0].selector)
        elif len(column) < self._columns.capacity:
            column = grown(column, self._columns.capacity)
        self._selected[terms] = column  # now the last to be forgotten
        return column[: self._columns.size]

    def owned(self, kinds: Iterable[Kind], pod: PodInfo) -> list[tuple[Owned, Ints]]:
        """The terms of these kinds, of pods already placed, that select `pod`; for each how many owners a node has."""
        wanted = set(kinds)
        size = self._columns.size
        found = []
        for owned in self._owned_index.candidates(pod.labels):
            if owned[0] in wanted and self.selects(owned[2], pod):
                column = self._owned[owned]
                if len(column) < size:
                    column = self._owned[owned] = grown(column, self._columns.capacity)
                found.append((owned, column[:size]))
        return found

    @property
    def any_owned(self) -> bool:
        """Whether any placed pod has a term."""
        return bool(self._owned)

    def _count(self, place: int, pod: PodInfo, sign: int) -> None:
        capacity = self._columns.capacity
        for terms in self._selected_index.candidates(pod.labels):
            if self.selects_all(terms, pod):
                column = self._selected[terms]
                if len(column) <= place:
                    column = self._selected[terms] = grown(column, capacity)
                column[place] += sign
        if pod.relations:
            for owned in owned_by(pod):
                self._count_owner(place, owned, sign)

    def _count_owner(self, place: int, owned: Owned, sign: int) -> None:
        column = self._owned.get(owned)
        if column is None:
            column = self._owned[owned] = np.zeros(self._columns.capacity, np.int64)
            self._owned_index.add(owned, owned[2].selector)
        elif len(column) <= place:
            column = self._owned[owned] = grown(column, self._columns.capacity)
        column[place] += sign
        owners = self._owners[owned] = self._owners.get(owned, 0) + sign
        if owners <= 0:
            del self._owned[owned], self._owners[owned]
            self._owned_index.discard(owned, owned[2].selector)

    def _forget(self, terms: tuple[Term, ...]) -> None:
        del self._selected[terms]
        self._selected_index.discard(terms, terms[0].selector)


def owned_by(pod: PodInfo) -> list[Owned]:
    """The terms of a pod that concern whoever comes after it."""
    relations = pod.relations
    found: list[Owned] = [(Kind.AFFINITY, 1, term) for term in relations.affinity]
    found += [(Kind.ANTI_AFFINITY, 1, term) for term in relations.anti_affinity]
    found += [(Kind.PREFERRED, weight, term) for weight, term in relations.preferred]
    return found
