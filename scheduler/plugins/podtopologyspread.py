"""PodTopologySpread: keep the numbers of a group's pods in the domains of a topology close to each other.

Rules (upstream's documentation of topologySpreadConstraints): the skew of a domain is its number of matching pods less
the smallest number of all domains; a hard constraint (DoNotSchedule) lets a pod go only where the skew stays within
maxSkew. Domains are those of nodes that have every hard constraint's key and, as the policies say, that the pod's node
affinity and tolerations admit. With fewer domains than minDomains the smallest number counts as 0. Soft constraints
give points to domains with few. Replicas of a workload that have no constraints get soft ones over hosts and zones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scheduler.columns import Bools, Columns, Floats, Ints
from scheduler.demand import PodInfo, SpreadConstraint
from scheduler.framework.interfaces import MAX_SCORE, Rejection, View

TOO_MANY = "node(s) didn't match pod topology spread constraints"
NO_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"


class PodTopologySpread:
    name = "PodTopologySpread"

    def rejections(self, pod: PodInfo, view: View) -> Sequence[tuple[Bools, Rejection]]:
        hard = [each for each in pod.relations.spread if each.hard]
        if not hard:
            return ()
        columns = view.columns
        labelled = _labelled(columns, hard)
        found: list[tuple[Bools, Rejection]] = []
        for constraint in hard:
            ids = columns.domains(constraint.term.topology_key).ids[: columns.size]
            found.append((ids < 0, Rejection(self.name, NO_LABEL)))
            eligible = _eligible(constraint, view, labelled)
            totals, exists = _totals(constraint, view, eligible)
            if not exists.any():
                continue
            lowest = 0 if int(exists.sum()) < constraint.min_domains else int(totals[exists].min())
            itself = int(view.relations.selects(constraint.term, pod))
            over = (totals + itself - lowest > constraint.max_skew) & exists
            found.append((over[ids] & (ids >= 0), Rejection(self.name, TOO_MANY, resolvable=True)))
        return found

    def points(self, pod: PodInfo, view: View, fitting: Bools) -> Floats | None:
        soft = [each for each in pod.relations.spread if not each.hard]
        if not soft:
            return None
        columns = view.columns
        if soft[0].default:
            return _default_points(soft, view, fitting)
        labelled = _labelled(columns, soft)
        crowd: Floats = np.zeros(columns.size)
        for constraint in soft:
            ids = columns.domains(constraint.term.topology_key).ids[: columns.size]
            totals, exists = _totals(constraint, view, _eligible(constraint, view, labelled))
            if not len(totals):
                continue
            # Small topologies weigh less than large ones, as upstream: by the logarithm of their size.
            crowd += totals[ids] * math.log(int(exists.sum()) + 2) + (constraint.max_skew - 1)
        crowd = np.round(crowd)
        counted = fitting & labelled
        if not counted.any():
            return None
        lowest, highest = crowd[counted].min(), crowd[counted].max()
        if highest == 0:
            return np.where(labelled, MAX_SCORE, 0.0)
        return np.where(labelled, np.floor(MAX_SCORE * (highest + lowest - crowd) / highest), 0.0)


def _default_points(constraints: Sequence[SpreadConstraint], view: View, fitting: Bools) -> Floats | None:
    """As `points`, for constraints that nobody asked for: a node without the topology key loses nothing by it.

    Only the few nodes that have replicas are looked at, since every pod of every workload comes through here.
    """
    columns = view.columns
    selected = view.relations.selected(constraints[0].term)
    occupied = np.flatnonzero(selected)
    if not len(occupied):
        return None
    crowd: Floats = np.zeros(columns.size)
    for constraint in constraints:
        domains = columns.domains(constraint.term.topology_key)
        ids = domains.ids[: columns.size]
        there = ids[occupied]
        known = there >= 0
        if not known.any():
            continue
        weight = math.log(len(domains) + 2)
        if len(domains) == columns.count:  # a domain per node, as hosts are
            crowd[occupied] += selected[occupied] * weight
            continue
        totals = np.bincount(there[known], weights=selected[occupied][known], minlength=domains.extent)
        crowd += np.where(ids >= 0, totals[ids] * weight, 0.0)
    highest = crowd[fitting].max()
    return MAX_SCORE * (1.0 - crowd / highest) if highest > 0 else None


def _labelled(columns: Columns, constraints: Sequence[SpreadConstraint]) -> Bools:
    """The existing nodes that have all the topology keys."""
    found: Bools = columns.alive[: columns.size].copy()
    for constraint in constraints:
        found &= columns.domains(constraint.term.topology_key).ids[: columns.size] >= 0
    return found


def _eligible(constraint: SpreadConstraint, view: View, labelled: Bools) -> Bools:
    found = labelled
    if constraint.honor_affinity:
        found = found & view.passes("NodeAffinity")
    if constraint.honor_taints:
        found = found & view.passes("TaintToleration")
    return found


def _totals(constraint: SpreadConstraint, view: View, eligible: Bools) -> tuple[Ints, Bools]:
    """(matching pods, whether it exists) by the number of the domain."""
    domains = view.columns.domains(constraint.term.topology_key)
    totals = domains.totals(view.relations.selected(constraint.term), eligible)
    exists: Bools = np.zeros(len(totals), np.bool_)
    ids = domains.ids[: view.columns.size]
    exists[ids[eligible & (ids >= 0)]] = True
    return totals, exists
