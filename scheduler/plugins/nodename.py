"""NodeName: a pod that names its node goes there or nowhere."""

from __future__ import annotations

from collections.abc import Callable

from scheduler.columns import Node
from scheduler.demand import Demand
from scheduler.framework.interfaces import Rejection


class NodeName:
    name = "NodeName"

    def test(self, demand: Demand) -> Callable[[Node], Rejection | None] | None:
        wanted = demand.spec.get("nodeName")
        if not wanted:
            return None
        rejection = Rejection(self.name, "node(s) didn't match the requested node name")
        return lambda node: None if node.name == wanted else rejection
