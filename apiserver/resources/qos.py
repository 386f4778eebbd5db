"""A pod's quality of service class, which decides who goes first when a node runs out of memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machinery.objects.quantity import Quantity, parse_or_zero

_COMPUTE = ("cpu", "memory")


def qos_class(pod: Mapping[str, Any]) -> str:
    """Guaranteed when every container limits CPU and memory to what it requests, BestEffort when none says anything.

    Requests and limits of the pod as a whole decide alone when they are given.
    """
    spec = pod.get("spec") or {}
    level = spec.get("resources") or {}
    if level.get("requests") or level.get("limits"):
        parts = [level]
    else:
        containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        parts = [container.get("resources") or {} for container in containers]
    asked, limited = ([_compute(part.get(key)) for part in parts] for key in ("requests", "limits"))
    if not any(asked) and not any(limited):
        return "BestEffort"
    fixed = all(len(limit) == len(_COMPUTE) for limit in limited)
    return "Guaranteed" if fixed and all(a == b for a, b in zip(asked, limited, strict=True)) else "Burstable"


def _compute(amounts: Mapping[str, Any] | None) -> dict[str, Quantity]:
    """CPU and memory of a resource list, those that are not zero."""
    found = {name: parse_or_zero((amounts or {}).get(name)) for name in _COMPUTE}
    return {name: amount for name, amount in found.items() if amount.nano > 0}
