"""What a node's signs of life mean for its conditions and taints. Pure.

Two signs count: the node's status that its agent writes, and its Lease. What matters is when *we* saw one of them
change, by our own clock; a node's clock may be wrong. Reasons and messages are upstream's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from machinery.client.api import Object
from machinery.objects import conditions, meta, node, taints, timefmt

READY = "Ready"
WATCHED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")
"""The conditions that become Unknown when the node is silent."""

_SCHEDULING = {
    READY: {"False": taints.NOT_READY, "Unknown": taints.UNREACHABLE},
    "MemoryPressure": {"True": taints.MEMORY_PRESSURE},
    "DiskPressure": {"True": taints.DISK_PRESSURE},
    "PIDPressure": {"True": taints.PID_PRESSURE},
    "NetworkUnavailable": {"True": taints.NETWORK_UNAVAILABLE},
}
_MANAGED = frozenset(key for found in _SCHEDULING.values() for key in found.values()) | {taints.UNSCHEDULABLE}
_EVICTING = frozenset({taints.NOT_READY, taints.UNREACHABLE})


@dataclass(frozen=True, slots=True)
class Signs:
    """What was last seen of a node, and when (monotonic seconds) it was seen to change."""

    heartbeat: str
    renewed: str
    at: float


def signs(host: Object, lease: Object | None, before: Signs | None, at: float) -> Signs:
    """The signs as they are now; `at` moves only if one of them did."""
    ready = conditions.get(host, READY) or {}
    heartbeat = str(ready.get("lastHeartbeatTime") or "")
    if ready.get("reason") in ("NodeStatusUnknown", "NodeStatusNeverUpdated"):
        heartbeat = before.heartbeat if before is not None else heartbeat  # we wrote that, not the node
    renewed = str(((lease or {}).get("spec") or {}).get("renewTime") or "")
    if before is not None and (before.heartbeat, before.renewed) == (heartbeat, renewed):
        return before
    return Signs(heartbeat, renewed, at)


def silenced(host: Object, now: datetime) -> list[Object] | None:
    """The conditions of a node that is silent: Unknown. None when they say so already."""
    existing = list(conditions.all_of(host))
    changed = False
    stamp = timefmt.format(now)
    for kind in WATCHED:
        current = conditions.get(host, kind)
        if current is None:
            existing.append(
                {
                    "type": kind,
                    "status": "Unknown",
                    "lastHeartbeatTime": meta.metadata(host).get("creationTimestamp") or stamp,
                    "lastTransitionTime": stamp,
                    "reason": "NodeStatusNeverUpdated",
                    "message": "Kubelet never posted node status.",
                }
            )
            changed = True
        elif current.get("status") != "Unknown":
            existing[existing.index(current)] = {
                **current,
                "status": "Unknown",
                "lastTransitionTime": stamp,
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }
            changed = True
    return existing if changed else None


def wanted_taints(host: Object, now: datetime, *, evict: bool, spare: bool = False) -> list[Object]:
    """The node's taints: those of others as they are, ours as its conditions ask for.

    evict: whether the NoExecute taint may be added now. One that is there and still asked for stays.
    spare: no NoExecute taint at all, because nobody may be evicted.
    """
    existing = node.taints(host)
    kept = [each for each in existing if not _ours(each)]
    wishes: list[Object] = []
    for kind, by_status in _SCHEDULING.items():
        key = by_status.get(conditions.status_of(host, kind) or "")
        if key:
            wishes.append({"key": key, "effect": taints.NO_SCHEDULE})
    if node.is_unschedulable(host):
        wishes.append({"key": taints.UNSCHEDULABLE, "effect": taints.NO_SCHEDULE})
    evicting = eviction_key(host)
    if evicting and not spare:
        wish = {"key": evicting, "effect": taints.NO_EXECUTE}
        if evict or any(taints.same(each, wish) for each in existing):
            wishes.append(wish)
    for wish in wishes:
        old = next((each for each in existing if taints.same(each, wish)), None)
        kept.append(old if old is not None else {**wish, "timeAdded": timefmt.format(now)})
    return kept


def eviction_key(host: Object) -> str:
    """The key of the NoExecute taint that the Ready condition asks for, "" for none."""
    return _SCHEDULING[READY].get(conditions.status_of(host, READY) or "", "")


def needs_eviction(host: Object) -> bool:
    """Whether the NoExecute taint is asked for and not there."""
    key = eviction_key(host)
    wish = {"key": key, "effect": taints.NO_EXECUTE}
    return bool(key) and not any(taints.same(each, wish) for each in node.taints(host))


def same_taints(left: Sequence[Object], right: Sequence[Object]) -> bool:
    """Whether two lists hold the same taints, in any order."""

    def keys(found: Sequence[Object]) -> set[tuple[Any, ...]]:
        return {(each.get("key"), each.get("value") or "", each.get("effect")) for each in found}

    return keys(left) == keys(right)


def _ours(taint: Object) -> bool:
    if taint.get("effect") == taints.NO_SCHEDULE:
        return taint.get("key") in _MANAGED
    return taint.get("effect") == taints.NO_EXECUTE and taint.get("key") in _EVICTING
