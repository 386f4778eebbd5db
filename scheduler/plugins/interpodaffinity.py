"""InterPodAffinity: near those pods, away from these; by rule or by preference, of the pod's own and of those there.

A topology domain is the set of nodes with one value of the term's topology key. Rules (upstream's documentation of
inter-pod affinity):

- required affinity: the domain has a pod that all terms select. The first of a group that selects itself may go
  anywhere.
- required anti-affinity: the domain has no pod that the term selects; and no pod in it has such a term about this one.
- preferences add their weight for each pod selected in the domain; those of pods there about this one likewise, and a
  pod there that requires to be near this one adds 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.columns import Bools, Columns, Floats, Ints
from scheduler.demand import PodInfo
from scheduler.framework.interfaces import MAX_SCORE, Rejection, View
from scheduler.relations import Kind

REQUIRED_WEIGHT = 1


class InterPodAffinity:
    name = "InterPodAffinity"

    def rejections(self, pod: PodInfo, view: View) -> Sequence[tuple[Bools, Rejection]]:
        found: list[tuple[Bools, Rejection]] = []
        columns, relations = view.columns, view.relations
        if pod.relations.affinity:
            lonely = self._lonely(pod, view)
            found.append((lonely, Rejection(self.name, "node(s) didn't match pod affinity rules")))
        for term in pod.relations.anti_affinity:
            near = _per_node(columns, term.topology_key, relations.selected(term)) > 0
            reason = "node(s) didn't match pod anti-affinity rules"
            found.append((near, Rejection(self.name, reason, resolvable=True)))
        if relations.any_owned:
            for (_, _, term), owners in relations.owned((Kind.ANTI_AFFINITY,), pod):
                near = _per_node(columns, term.topology_key, owners) > 0
                reason = "node(s) didn't satisfy existing pods anti-affinity rules"
                found.append((near, Rejection(self.name, reason, resolvable=True)))
        return found

    def points(self, pod: PodInfo, view: View, fitting: Bools) -> Floats | None:
        columns, relations = view.columns, view.relations
        raw: Floats | None = None
        for weight, term in pod.relations.preferred:
            near = weight * _per_node(columns, term.topology_key, relations.selected(term))
            raw = near.astype(np.float64) if raw is None else raw + near
        if relations.any_owned:
            for (kind, weight, term), owners in relations.owned((Kind.PREFERRED, Kind.AFFINITY), pod):
                weight = REQUIRED_WEIGHT if kind is Kind.AFFINITY else weight
                near = weight * _per_node(columns, term.topology_key, owners)
                raw = near.astype(np.float64) if raw is None else raw + near
        if raw is None:
            return None
        lowest, highest = raw[fitting].min(), raw[fitting].max()
        if lowest == highest:
            return None
        scaled: Floats = np.floor(MAX_SCORE * (raw - lowest) / (highest - lowest))
        return scaled

    def _lonely(self, pod: PodInfo, view: View) -> Bools:
        """Nodes where not every affinity term is met."""
        columns, terms = view.columns, pod.relations.affinity
        selected = view.relations.selected(*terms)
        first_of_its_kind = not selected.any() and view.relations.selects_all(terms, pod)
        lonely: Bools = np.zeros(columns.size, np.bool_)
        for term in terms:
            if first_of_its_kind:
                lonely |= columns.domains(term.topology_key).ids[: columns.size] < 0
            else:
                lonely |= _per_node(columns, term.topology_key, selected) <= 0
        return lonely


def _per_node(columns: Columns, key: str, counts: Ints) -> Ints:
    """For each node the count of its whole domain; 0 where the node is in none."""
    domains = columns.domains(key)
    if not len(domains):
        return np.zeros(columns.size, np.int64)
    ids = domains.ids[: columns.size]
    return np.where(ids >= 0, domains.totals(counts)[ids], 0)
