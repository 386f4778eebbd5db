"""NodeResourcesBalancedAllocation: points for a node whose cpu and memory would be used to the same share."""

from __future__ import annotations

import numpy as np

from scheduler.columns import Columns, Floats, Places
from scheduler.demand import Demand


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"

    def score(self, demand: Demand, columns: Columns, at: Places) -> Floats | None:
        """100 less the standard deviation of the shares (of two: half their distance). Not for best-effort pods."""
        if demand.best_effort:
            return None
        asked = dict(demand.requests)
        shares = []
        for name in ("cpu", "memory"):
            has = columns.allocatable[name][at]
            used = columns.requested[name][at] + asked.get(name, 0)
            shares.append(np.minimum(used / np.maximum(has, 1), 1.0))
        points: Floats = (1.0 - np.abs(shares[0] - shares[1]) / 2) * 100.0
        return points
