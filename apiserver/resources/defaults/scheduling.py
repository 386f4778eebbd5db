"""The scheduling.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill

Object = dict[str, Any]


def priority_class(obj: Object) -> None:
    fill(obj, "preemptionPolicy", "PreemptLowerPriority")
    fill(obj, "value", 0)
