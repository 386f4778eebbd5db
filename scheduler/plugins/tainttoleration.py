"""TaintToleration: keeps pods off nodes with taints that they do not tolerate; prefers nodes without the soft ones."""

from __future__ import annotations

from collections.abc import Callable

from machinery.objects import taints
from scheduler.columns import Node
from scheduler.demand import Demand
from scheduler.framework.interfaces import Rejection


class TaintToleration:
    name = "TaintToleration"
    fewer_is_better = True

    def test(self, demand: Demand) -> Callable[[Node], Rejection | None] | None:
        tolerations = demand.spec.get("tolerations") or []

        def check(node: Node) -> Rejection | None:
            if not node.taints:
                return None
            taint = taints.untolerated(node.taints, tolerations)
            if taint is None:
                return None
            shown = f"{{{taint.get('key')}: {taint.get('value') or ''}}}"
            return Rejection(self.name, f"node(s) had untolerated taint {shown}")

        return check

    def rate(self, demand: Demand) -> Callable[[Node], int] | None:
        """The number of soft taints that are not tolerated."""
        soft = [
            each
            for each in demand.spec.get("tolerations") or ()
            if each.get("effect") in (None, "", taints.PREFER_NO_SCHEDULE)
        ]

        def count(node: Node) -> int:
            return sum(
                taint.get("effect") == taints.PREFER_NO_SCHEDULE
                and not any(taints.tolerates(each, taint) for each in soft)
                for taint in node.taints
            )

        return count
