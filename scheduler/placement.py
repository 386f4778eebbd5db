"""Choosing a node: filters, scores, and why there is none. Pure but for what the rows and counts remember.

Every node that fits is scored, and of the best the one with the lowest place wins: among alike nodes the pod that went
there before has lowered the points, so they take turns.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from scheduler.cache import Cache
from scheduler.classes import UNFIT, Row, Rows
from scheduler.columns import Bools, Floats
from scheduler.demand import PodInfo
from scheduler.diagnosis import Diagnosis
from scheduler.framework.interfaces import Rejection, View
from scheduler.framework.registry import Profile


@dataclass(frozen=True, slots=True)
class Choice:
    """Where to; `points` of that node and how many nodes fitted."""

    node_name: str
    points: float
    fitting: int


class Placement:
    """See the module."""

    def __init__(self, cache: Cache, profile: Profile) -> None:
        self._cache = cache
        self._profile = profile
        self._rows = Rows(cache.columns, profile)
        self._diagnosed: tuple[Row, int, Diagnosis] | None = None  # the last failure that any alike pod shares

    def choose(self, pod: PodInfo) -> Choice | Diagnosis:
        """The best node for the pod as things stand, or why none fits."""
        columns = self._cache.columns
        for plugin in self._profile.pod_filters:
            if (rejection := plugin.check(pod)) is not None:
                return Diagnosis(columns.count, plugins=frozenset({rejection.plugin}), whole=rejection.reason)
        if not columns.count:
            return Diagnosis(0)
        row = self._rows.of(pod.demand)
        rejections = self._rejections(pod, row)
        fitting = row.fits
        if rejections:
            fitting = fitting.copy()
            for mask, _ in rejections:
                fitting &= ~mask
        nominated = self._cache.nomination(pod.key)
        if nominated and (node := columns.node(nominated)) is not None and fitting[node.place]:
            return Choice(nominated, float(row.total[node.place]), 1)
        if not fitting.any():
            return self._diagnose(row, rejections)
        points = self._points(pod, row, fitting, masked=bool(rejections))
        while True:
            best = int(points.argmax())
            if points[best] <= UNFIT:
                return self._diagnose(row, rejections)
            name = columns.at(best).name
            if self._fits_beside_nominated(pod, best, name):
                return Choice(name, float(points[best]), int(np.count_nonzero(fitting)))
            if points.base is not None:  # a view of the row
                points = points.copy()
            points[best] = UNFIT

    def fits(self, pod: PodInfo, place: int) -> bool:
        """Whether the pod fits at one place as things stand."""
        return not self.reasons(pod, place)

    def reasons(self, pod: PodInfo, place: int) -> list[Rejection]:
        """Why the pod does not fit at one place; empty when it does."""
        row = self._rows.of(pod.demand)
        if not row.fits[place]:
            return row.explain(place)
        return [rejection for mask, rejection in self._rejections(pod, row) if mask[place]][:1]

    def _rejections(self, pod: PodInfo, row: Row) -> list[tuple[Bools, Rejection]]:
        view = View(self._cache.columns, self._cache.relations, row.passes)
        found: list[tuple[Bools, Rejection]] = []
        for plugin in self._profile.relation_filters:
            found += plugin.rejections(pod, view)
        return found

    def _points(self, pod: PodInfo, row: Row, fitting: Bools, *, masked: bool) -> Floats:
        """Points of every node, UNFIT where the pod does not fit. May be the row's own array."""
        extra = row.soft_points(fitting)
        view = View(self._cache.columns, self._cache.relations, row.passes)
        for weight, plugin in self._profile.relation_scores:
            points = plugin.points(pod, view, fitting)
            if points is not None:
                extra = weight * points if extra is None else extra + weight * points
        if extra is None and not masked:
            return row.total
        total: Floats = row.total if extra is None else row.total + extra
        return np.where(fitting, total, UNFIT)

    def _fits_beside_nominated(self, pod: PodInfo, place: int, name: str) -> bool:
        """Whether the pod still fits when the pods that wait for this node have come."""
        waiting = self._cache.nominated_on(name, pod)
        if not waiting:
            return True
        for each in waiting:
            self._cache.lend(each, name)
        try:
            return self.fits(pod, place)
        finally:
            for each in waiting:
                self._cache.withdraw(each, name)

    def _diagnose(self, row: Row, rejections: list[tuple[Bools, Rejection]]) -> Diagnosis:
        shared = not rejections
        if shared and self._diagnosed is not None:
            known, version, diagnosis = self._diagnosed
            if known is row and version == row.version:
                return diagnosis
        reasons: Counter[str] = Counter()
        plugins: set[str] = set()
        resolvable: list[int] = []
        columns = self._cache.columns
        for place in np.flatnonzero(columns.alive[: columns.size]).tolist():
            found = row.explain(place)
            if not found:
                found = [rejection for mask, rejection in rejections if mask[place]][:1]
            reasons.update(each.reason for each in found)
            plugins.update(each.plugin for each in found)
            if all(each.resolvable for each in found):
                resolvable.append(place)
        diagnosis = Diagnosis(columns.count, reasons, frozenset(plugins), tuple(resolvable))
        if shared:
            self._diagnosed = (row, row.version, diagnosis)
        return diagnosis
