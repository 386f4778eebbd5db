"""Preemption: which pods of lower priority have to go so that this one fits somewhere. Pure; nothing is deleted here.

On each node where fewer pods might help, all pods of lower priority are lifted off and, most important first, put back
as long as the pod still fits; those that break a disruption budget are put back before others. Among the nodes the one
wins with: the fewest broken budgets, the lowest top priority among the victims, the smallest sum of priorities, the
fewest victims, the latest start of its most important victim. (upstream: defaultpreemption, `pickOneNodeForPreemption`)

Everything is tried out on the live columns and undone before this returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from machinery.objects import meta, selectors
from machinery.objects import pod as pods
from scheduler.cache import Cache
from scheduler.demand import PodInfo
from scheduler.diagnosis import NO_VICTIMS, Diagnosis, tally
from scheduler.placement import Placement

Object = dict[str, Any]

CANDIDATES_SHARE = 10  # per cent of the nodes
CANDIDATES_LEAST = 100
NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."
TARGET = "DisruptionTarget"
TARGET_REASON = "PreemptionByScheduler"


@dataclass(frozen=True, slots=True)
class Victims:
    """The pods that have to leave this node, most important first."""

    node_name: str
    pods: tuple[PodInfo, ...]
    broken_budgets: int


def preempt(
    pod: PodInfo, diagnosis: Diagnosis, cache: Cache, placement: Placement, budgets: Sequence[Object]
) -> Victims | str:
    """The victims, or upstream's message why nobody can make room."""
    if pods.spec(pod.object).get("preemptionPolicy") == "Never":
        return NEVER
    if _victims_leaving(pod, cache):
        return TERMINATING
    nodes = cache.columns.count
    lowest = cache.lowest_priority()
    if lowest is None or lowest >= pod.priority:
        return tally(nodes, Counter({NO_VICTIMS: len(diagnosis.resolvable)}), len(diagnosis.resolvable))
    enough = max(nodes * CANDIDATES_SHARE // 100, CANDIDATES_LEAST)
    found: list[Victims] = []
    reasons: Counter[str] = Counter()
    for place in diagnosis.resolvable:
        result = _on_node(pod, place, cache, placement, budgets)
        if isinstance(result, Victims):
            found.append(result)
            if len(found) >= enough:
                break
        else:
            reasons.update(result)
    if not found:
        return tally(nodes, reasons, len(diagnosis.resolvable))
    return min(found, key=_cost)


def _victims_leaving(pod: PodInfo, cache: Cache) -> bool:
    nominated = cache.nomination(pod.key)
    return bool(nominated) and any(
        each.priority < pod.priority and meta.is_deleting(each.object) and _is_target(each.object)
        for each in cache.pods_on(nominated)
    )


def _is_target(pod: Object) -> bool:
    return any(
        each.get("type") == TARGET and each.get("status") == "True" and each.get("reason") == TARGET_REASON
        for each in pods.status(pod).get("conditions") or ()
    )


def _on_node(
    pod: PodInfo, place: int, cache: Cache, placement: Placement, budgets: Sequence[Object]
) -> Victims | list[str]:
    name = cache.columns.at(place).name
    lower = sorted((each for each in cache.pods_on(name) if each.priority < pod.priority), key=_importance)
    if not lower:
        return [NO_VICTIMS]
    waiting = cache.nominated_on(name, pod)
    for each in waiting:
        cache.lend(each, name)
    for each in lower:
        cache.withdraw(each, name)
    victims: list[PodInfo] = []
    try:
        if reasons := placement.reasons(pod, place):
            victims = lower
            return [each.reason for each in reasons]
        breaking, others = _by_budget(lower, budgets)
        broken = 0
        for each in (*breaking, *others):
            cache.lend(each, name)
            if not placement.fits(pod, place):
                cache.withdraw(each, name)
                victims.append(each)
                broken += each in breaking
        victims.sort(key=_importance)
        return Victims(name, tuple(victims), broken)
    finally:
        for each in victims:
            cache.lend(each, name)
        for each in waiting:
            cache.withdraw(each, name)


def _importance(pod: PodInfo) -> tuple[int, str]:
    """Sorts the most important first: by priority, then the longest running."""
    return -pod.priority, str(pods.status(pod.object).get("startTime") or "9999")


def _by_budget(lower: Sequence[PodInfo], budgets: Sequence[Object]) -> tuple[list[PodInfo], list[PodInfo]]:
    """(those whose eviction breaks a budget, the others), both in the order given."""
    allowed = [int((budget.get("status") or {}).get("disruptionsAllowed") or 0) for budget in budgets]
    breaking: list[PodInfo] = []
    others: list[PodInfo] = []
    for pod in lower:
        broken = False
        for index, budget in enumerate(budgets):
            if not _protects(budget, pod):
                continue
            allowed[index] -= 1
            broken = broken or allowed[index] < 0
        (breaking if broken else others).append(pod)
    return breaking, others


def _protects(budget: Object, pod: PodInfo) -> bool:
    if meta.namespace(budget) != pod.namespace or not pod.labels:
        return False
    if pod.name in ((budget.get("status") or {}).get("disruptedPods") or {}):
        return False
    try:
        selector = selectors.from_label_selector((budget.get("spec") or {}).get("selector"))
    except selectors.SelectorError:
        return False
    return not selector.everything and selector.matches(pod.labels)


def _cost(victims: Victims) -> tuple[int, int, int, int, str]:
    """Smaller is better. Priorities are shifted, so that a sum grows with the number of victims, as upstream."""
    priorities = [each.priority for each in victims.pods]
    top = max(priorities, default=-(2**31))
    started = max((_importance(each)[1] for each in victims.pods if each.priority == top), default="")
    latest_first = "".join(chr(0x10FFFF - ord(char)) for char in started)
    return victims.broken_budgets, top, sum(each + 2**31 for each in priorities), len(priorities), latest_first
