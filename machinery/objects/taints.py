"""Taints of nodes and the tolerations of pods that answer them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = dict[str, Any]

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Whether this toleration answers this taint. An empty effect or key in the toleration stands for any."""
    if toleration.get("effect") and toleration.get("effect") != taint.get("effect"):
        return False
    if toleration.get("key") and toleration.get("key") != taint.get("key"):
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
        case "Gt" | "Lt" as operator:
            have, want = _integer(taint.get("value")), _integer(toleration.get("value"))
            if have is None or want is None:
                return False
            return have > want if operator == "Gt" else have < want
        case _:
            return False


def untolerated(
    taints: Iterable[Object],
    tolerations: Sequence[Mapping[str, Any]],
    effects: Sequence[str] = (NO_SCHEDULE, NO_EXECUTE),
) -> Object | None:
    """The first taint with one of these effects that no toleration answers; None when all are tolerated."""
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(each, taint) for each in tolerations):
            return taint
    return None


def merged(tolerations: Sequence[Object], added: Iterable[Object]) -> list[Object]:
    """The tolerations with those `added` that they do not contain already."""
    return [*tolerations, *(each for each in added if each not in tolerations)]


def same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two taints are the same one: key and effect."""
    return (left.get("key"), left.get("effect")) == (right.get("key"), right.get("effect"))


def _integer(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None
