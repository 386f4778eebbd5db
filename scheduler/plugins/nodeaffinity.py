"""NodeAffinity: `nodeSelector`, required node affinity, and points for the preferred one."""

from __future__ import annotations

from collections.abc import Callable

from machinery.objects import node as nodes
from scheduler.columns import Node
from scheduler.demand import Demand
from scheduler.framework.interfaces import Rejection


class NodeAffinity:
    name = "NodeAffinity"
    fewer_is_better = False

    def test(self, demand: Demand) -> Callable[[Node], Rejection | None] | None:
        spec = demand.spec
        required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
            "requiredDuringSchedulingIgnoredDuringExecution"
        )
        if not spec.get("nodeSelector") and required is None:
            return None
        rejection = Rejection(self.name, "node(s) didn't match Pod's node affinity/selector")
        return lambda node: None if node.object is not None and nodes.admits(spec, node.object) else rejection

    def rate(self, demand: Demand) -> Callable[[Node], int] | None:
        """The sum of the weights of the preferred terms that match."""
        preferred = ((demand.spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
            "preferredDuringSchedulingIgnoredDuringExecution"
        )
        terms = [(int(each.get("weight") or 0), each.get("preference") or {}) for each in preferred or ()]
        if not terms:
            return None

        def weigh(node: Node) -> int:
            if node.object is None:
                return 0
            return sum(weight for weight, term in terms if nodes.matches_term(term, node.object))

        return weigh
