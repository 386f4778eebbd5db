"""ClusterRoles that are sums: their rules are those of the roles that their selectors match.

As the clusterrole-aggregation controller upstream: the summands in the order of their names, each rule once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from machinery.objects import meta
from machinery.objects.selectors import SelectorError, from_label_selector

Object = dict[str, Any]


def aggregated_rules(role: Mapping[str, Any], roles: Iterable[Mapping[str, Any]]) -> list[Object]:
    """The rules that a role with an `aggregationRule` must have, given every ClusterRole."""
    selectors = []
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        try:
            selectors.append(from_label_selector(selector))
        except SelectorError:
            # Validation keeps such selectors out; one that got in selects nothing.
            continue
    own = meta.name(role)
    summands = [
        each
        for each in roles
        if any(selector.matches(meta.labels(each)) for selector in selectors) and meta.name(each) != own
    ]
    rules: list[Object] = []
    for summand in sorted(summands, key=meta.name):
        rules += [rule for rule in summand.get("rules") or () if rule not in rules]
    return rules


def settle(roles: Mapping[str, Object]) -> dict[str, Object]:
    """The roles whose rules are not what they sum up to, corrected: name -> the new object.

    A sum may be a summand of another (`edit` of `admin`), so it goes on until nothing changes; a circle ends as rules
    are only ever added within one call's fixed set of summands."""
    current = dict(roles)
    changed: dict[str, Object] = {}
    for _ in range(len(roles)):
        moved = False
        for name, role in current.items():
            if not role.get("aggregationRule"):
                continue
            rules = aggregated_rules(role, current.values())
            if rules != (role.get("rules") or []):
                current[name] = changed[name] = {**role, "rules": rules}
                moved = True
        if not moved:
            break
    return changed
