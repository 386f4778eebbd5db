"""`status.conditions`: the list of typed observations that most kinds carry.

A condition is one dict per `type`. `lastTransitionTime` moves only when `status` changes, whatever happens to reason
and message (the rule of Kubernetes' API conventions).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from machinery.objects import timefmt

Object = dict[str, Any]


def all_of(o: Mapping[str, Any]) -> list[Object]:
    """`status.conditions`, [] when absent."""
    return (o.get("status") or {}).get("conditions") or []


def get(o: Mapping[str, Any], type: str) -> Object | None:
    """The condition of that type, None when it was never set."""
    for condition in all_of(o):
        if condition.get("type") == type:
            return condition
    return None


def status_of(o: Mapping[str, Any], type: str) -> str | None:
    """ "True", "False" or "Unknown"; None when the condition was never set."""
    condition = get(o, type)
    return str(condition.get("status")) if condition else None


def is_true(o: Mapping[str, Any], type: str) -> bool:
    """Whether the condition of that type was set and is "True"."""
    return status_of(o, type) == "True"


def merged(
    conditions: list[Object],
    type: str,
    status: str,
    *,
    reason: str,
    message: str = "",
    now: datetime,
    extra: Mapping[str, Any] | None = None,
) -> list[Object]:
    """A new list with this condition set, in place of the one of its type or at the end.

    `extra` holds further fields (`lastUpdateTime`, `lastProbeTime`, `observedGeneration`); they are set as they are.
    """
    before = next((each for each in conditions if each.get("type") == type), None)
    transition = timefmt.format(now)
    if before is not None and before.get("status") == status:
        transition = before.get("lastTransitionTime") or transition
    condition: Object = {"type": type, "status": status, "lastTransitionTime": transition, "reason": reason}
    if message:
        condition["message"] = message
    if extra:
        condition.update(extra)
    if not reason:
        del condition["reason"]
    if before is None:
        return [*conditions, condition]
    return [condition if each is before else each for each in conditions]


def set(  # the noun's own verb, always used as conditions.set
    o: Object,
    type: str,
    status: str,
    *,
    reason: str,
    message: str = "",
    now: datetime,
    extra: Mapping[str, Any] | None = None,
) -> bool:
    """Set the condition in `o` itself (a copy you own). Answers whether anything but the times changed."""
    holder = o.setdefault("status", {})
    old = get(o, type)
    holder["conditions"] = merged(
        holder.get("conditions") or [], type, status, reason=reason, message=message, now=now, extra=extra
    )
    if old is None:
        return True
    return (old.get("status"), old.get("reason") or "", old.get("message") or "") != (status, reason, message)


def without(conditions: list[Object], type: str) -> list[Object]:
    """A new list without the condition of that type."""
    return [each for each in conditions if each.get("type") != type]
