"""The apps group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.core import persistent_volume_claim
from apiserver.resources.defaults.fill import fill, items, section
from apiserver.resources.defaults.pods import template

Object = dict[str, Any]

HISTORY = 10
"""Old revisions kept for a rollback."""


def deployment(obj: Object) -> None:
    spec = section(obj, "spec")
    template(spec)
    fill(spec, "replicas", 1)
    strategy = section(spec, "strategy")
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = section(strategy, "rollingUpdate")
        fill(rolling, "maxUnavailable", "25%")
        fill(rolling, "maxSurge", "25%")
    fill(spec, "revisionHistoryLimit", HISTORY)
    fill(spec, "progressDeadlineSeconds", 600)


def replica_set(obj: Object) -> None:
    spec = section(obj, "spec")
    template(spec)
    fill(spec, "replicas", 1)


def daemon_set(obj: Object) -> None:
    spec = section(obj, "spec")
    template(spec)
    strategy = section(spec, "updateStrategy")
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = section(strategy, "rollingUpdate")
        fill(rolling, "maxUnavailable", 1)
        fill(rolling, "maxSurge", 0)
    fill(spec, "revisionHistoryLimit", HISTORY)


def stateful_set(obj: Object) -> None:
    spec = section(obj, "spec")
    template(spec)
    fill(spec, "podManagementPolicy", "OrderedReady")
    strategy = section(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        section(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        fill(strategy["rollingUpdate"], "partition", 0)
    retention = section(spec, "persistentVolumeClaimRetentionPolicy")
    fill(retention, "whenDeleted", "Retain")
    fill(retention, "whenScaled", "Retain")
    fill(spec, "replicas", 1)
    fill(spec, "revisionHistoryLimit", HISTORY)
    for claim in items(spec, "volumeClaimTemplates"):
        fill(claim, "apiVersion", "v1")
        fill(claim, "kind", "PersistentVolumeClaim")
        persistent_volume_claim(claim)
