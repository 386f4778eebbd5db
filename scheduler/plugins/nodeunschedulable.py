"""NodeUnschedulable: keeps pods off cordoned nodes, unless they tolerate the taint that cordoning means."""

from __future__ import annotations

from collections.abc import Callable

from machinery.objects import taints
from scheduler.columns import Node
from scheduler.demand import Demand
from scheduler.framework.interfaces import Rejection

CORDONED = {"key": taints.UNSCHEDULABLE, "effect": taints.NO_SCHEDULE}


class NodeUnschedulable:
    name = "NodeUnschedulable"

    def test(self, demand: Demand) -> Callable[[Node], Rejection | None] | None:
        if any(taints.tolerates(each, CORDONED) for each in demand.spec.get("tolerations") or ()):
            return None
        rejection = Rejection(self.name, "node(s) were unschedulable")
        return lambda node: rejection if node.unschedulable else None
