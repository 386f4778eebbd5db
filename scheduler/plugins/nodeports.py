"""NodePorts: a host port goes to one pod per node (and address)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.columns import Bools, Columns, Places
from scheduler.demand import Demand
from scheduler.framework.interfaces import Rejection


class NodePorts:
    name = "NodePorts"

    def rejected(self, demand: Demand, columns: Columns, at: Places) -> Bools | None:
        if not demand.ports:
            return None
        taken: Bools = np.zeros(columns.capacity, np.bool_)
        taken[list(columns.port_conflicts(demand.ports))] = True
        return taken[at]

    def explain(self, demand: Demand, columns: Columns, place: int) -> Sequence[Rejection]:
        if place not in columns.port_conflicts(demand.ports):
            return ()
        reason = "node(s) didn't have free ports for the requested pod ports"
        return (Rejection(self.name, reason, resolvable=True),)
