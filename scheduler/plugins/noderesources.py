"""NodeResourcesFit: what a pod requests must be free on the node; points for the node with the most left.

Requests count as the API defines them (see `machinery.objects.pod.requests`). For the points a container without a
request counts as 100 thousandths of a CPU and 200 MiB, so that such pods spread too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.columns import Bools, Columns, Floats, Places
from scheduler.demand import Demand
from scheduler.framework.interfaces import Rejection

ORDER = {"pods": 0, "cpu": 1, "memory": 2, "ephemeral-storage": 3}


class NodeResourcesFit:
    name = "NodeResourcesFit"

    def rejected(self, demand: Demand, columns: Columns, at: Places) -> Bools | None:
        found: Bools | None = None
        for name, amount in demand.requests:
            allocatable = columns.allocatable.get(name)
            if allocatable is None:  # no node ever had it
                alive: Bools = np.ones_like(columns.alive[at])
                return alive
            lacking = allocatable[at] - columns.requested[name][at] < amount
            found = lacking if found is None else found | lacking
        return found

    def explain(self, demand: Demand, columns: Columns, place: int) -> Sequence[Rejection]:
        found = []
        for name, amount in sorted(demand.requests, key=lambda item: (ORDER.get(item[0], 9), item[0])):
            has = int(columns.allocatable[name][place]) if name in columns.allocatable else 0
            used = int(columns.requested[name][place]) if name in columns.requested else 0
            if has - used < amount:
                reason = "Too many pods" if name == "pods" else f"Insufficient {name}"
                found.append(Rejection(self.name, reason, resolvable=amount <= has))
        return found

    def score(self, demand: Demand, columns: Columns, at: Places) -> Floats | None:
        """Least allocated: the mean over cpu and memory of the share that stays free.

        Not rounded to whole points as upstream, which then draws lots: even a small pod sends the next one elsewhere.
        """
        cpu, memory = columns.allocatable["cpu"][at], columns.allocatable["memory"][at]
        free_cpu = np.maximum(cpu - columns.scored_cpu[at] - demand.scored_cpu, 0)
        free_memory = np.maximum(memory - columns.scored_memory[at] - demand.scored_memory, 0)
        points: Floats = free_cpu * 50.0 / np.maximum(cpu, 1) + free_memory * 50.0 / np.maximum(memory, 1)
        return points
