"""What a ReplicaSet should do next and what it should say of itself. Pure.

Which pods go first follows upstream's ActivePodsWithRanks: what would be missed least. Ages are compared by their order
of magnitude (base 2), as since Kubernetes 1.22, so that scaling down does not always hit the newest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from machinery.client.api import Object
from machinery.objects import conditions, meta, pod, workload

BURST_REPLICAS = 500
"""Pods that one reconcile creates or deletes at most."""
REPLICA_FAILURE = "ReplicaFailure"

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""For a pod that is ready and does not say since when."""
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def doomed(pods: Sequence[Object], related: Sequence[Object], count: int, now: datetime) -> list[Object]:
    """The `count` pods to delete first.

    related: active pods of all ReplicaSets of the same owner: those that share a node with more of them go first.
    """
    if count >= len(pods):
        return list(pods)
    crowd = Counter(pod.node_name(each) for each in related if pod.is_active(each))
    return sorted(pods, key=lambda each: _rank(each, crowd, now))[:count]


def _rank(each: Object, crowd: Mapping[str, int], now: datetime) -> tuple[Any, ...]:
    node, ready = pod.node_name(each), pod.is_ready(each)
    since = pod.ready_since(each)
    return (
        bool(node),
        _PHASE_ORDER.get(pod.phase(each), 1),
        ready,
        pod.deletion_cost(each),
        -crowd[node],
        _magnitude(since, now) if ready else 0,
        -_most_restarts(each),
        _magnitude(meta.creation_time(each), now),
        meta.uid(each),
    )


def _magnitude(since: datetime | None, now: datetime) -> int:
    """The logarithm of an age in nanoseconds; -1 for an age below one, or unknown."""
    age = 0 if since is None else int((now - since).total_seconds() * 1_000_000_000)
    return int(math.log2(age)) if age > 0 else -1


def _most_restarts(each: Object) -> int:
    return max((int(status.get("restartCount") or 0) for status in pod.container_statuses(each)), default=0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a ReplicaSet counts of a pod. Read once for each state of the pod: a thousand pods change often."""

    pod: Object
    active: bool
    terminating: bool
    ready_since: datetime | None
    """None while it is not ready."""


def facts(each: Object) -> Facts:
    """The facts of a pod."""
    terminal, deleting = pod.is_terminal(each), meta.is_deleting(each)
    return Facts(
        pod=each,
        active=not terminal and not deleting,
        terminating=deleting and not terminal,
        ready_since=(pod.ready_since(each) or _LONG_AGO) if pod.is_ready(each) else None,
    )


def status(
    replica_set: Object,
    active: Sequence[Facts],
    terminating: int,
    failure: tuple[str, str] | None,
    now: datetime,
) -> Object:
    """The status to write: counts of the active pods, and whether creating or deleting failed.

    failure: (reason, message) of the ReplicaFailure condition; None removes it.
    """
    template_labels = ((workload.template(replica_set).get("metadata") or {}).get("labels") or {}).items()
    patience = timedelta(seconds=workload.min_ready_seconds(replica_set))
    labeled = ready = available = 0
    for each in active:
        labeled += template_labels <= each.pod["metadata"].get("labels", {}).items()
        if each.ready_since is not None:
            ready += 1
            available += not patience or each.ready_since + patience <= now
    old = workload.status(replica_set)
    found: Object = {
        "replicas": len(active),
        "fullyLabeledReplicas": labeled,
        "readyReplicas": ready,
        "availableReplicas": available,
        "terminatingReplicas": terminating,
        "observedGeneration": meta.generation(replica_set),
    }
    # These are left out when zero, as in the API's own encoding.
    for field in ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"):
        if not found[field]:
            del found[field]
    kept = old.get("conditions") or []
    if failure is None:
        kept = conditions.without(kept, REPLICA_FAILURE)
    elif not conditions.is_true(replica_set, REPLICA_FAILURE):
        kept = conditions.merged(kept, REPLICA_FAILURE, "True", reason=failure[0], message=failure[1], now=now)
    if kept:
        found["conditions"] = kept
    return found


def next_look(active: Sequence[Facts], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the next ready pod becomes available; None when none is on its way there."""
    if not min_ready_seconds:
        return None
    patience = timedelta(seconds=min_ready_seconds)
    waits = [(each.ready_since + patience - now).total_seconds() for each in active if each.ready_since is not None]
    return min((wait for wait in waits if wait > 0), default=None)
