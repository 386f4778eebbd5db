"""The arithmetic of a Deployment: how large each ReplicaSet should be next, and what the status says. Pure.

Rules, reasons and messages are upstream's deployment controller's. During a rolling update the sum of all replicas
never exceeds replicas + maxSurge, and as many pods as replicas - maxUnavailable stay available.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controllermgr.controllers import deployment_revisions as revisions
from machinery.client.api import Object
from machinery.objects import conditions, meta, timefmt, workload

NO_DEADLINE = 2**31 - 1

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

NEW_AVAILABLE = "NewReplicaSetAvailable"
NEW_CREATED = "NewReplicaSetCreated"
NEW_FOUND = "FoundNewReplicaSet"
CREATE_FAILED = "ReplicaSetCreateError"
UPDATED = "ReplicaSetUpdated"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"


@dataclass(frozen=True, slots=True)
class Scale:
    """Give this ReplicaSet so many replicas (perhaps as many as it has, to note the Deployment's size on it)."""

    replica_set: Object
    replicas: int


# -- limits


def is_rolling(deployment: Object) -> bool:
    """Whether the strategy is RollingUpdate, which is the default."""
    return ((workload.spec(deployment).get("strategy") or {}).get("type") or "RollingUpdate") == "RollingUpdate"


def limits(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as counts. Should both come to nothing, one pod may be unavailable."""
    if not is_rolling(deployment):
        return 0, 0
    rolling = (workload.spec(deployment).get("strategy") or {}).get("rollingUpdate") or {}
    total = workload.replicas(deployment)
    surge = workload.scaled(rolling.get("maxSurge", "25%"), total, round_up=True)
    unavailable = workload.scaled(rolling.get("maxUnavailable", "25%"), total, round_up=False)
    return (surge, 1) if surge == 0 and unavailable == 0 else (surge, unavailable)


def max_surge(deployment: Object) -> int:
    return limits(deployment)[0]


def max_unavailable(deployment: Object) -> int:
    """Never more than there are replicas."""
    total = workload.replicas(deployment)
    return min(limits(deployment)[1], total) if total else 0


def wanted(replica_sets: Sequence[Object]) -> int:
    """Replicas that they ask for together."""
    return sum(workload.replicas(each) for each in replica_sets)


def counted(replica_sets: Sequence[Object], field: str) -> int:
    """The sum of a status field."""
    return sum(int(workload.status(each).get(field) or 0) for each in replica_sets)


def active(replica_sets: Sequence[Object]) -> list[Object]:
    """Those that ask for replicas."""
    return [each for each in replica_sets if workload.replicas(each) > 0]


# -- rolling update


def grow_new(deployment: Object, new: Object, every: Sequence[Object]) -> int:
    """How many replicas the new ReplicaSet should have now. `every` holds all of them, the new one or not."""
    total, have = workload.replicas(deployment), workload.replicas(new)
    if not is_rolling(deployment):
        return total
    room = total + max_surge(deployment) - wanted(every)
    if room <= 0:
        return have
    return have + min(room, total - have)


def shrink_old(deployment: Object, new: Object, old: Sequence[Object]) -> list[Scale]:
    """What the old ReplicaSets can give up now: first what is not available anyway, then what can be missed."""
    every = [*old, new]
    least = workload.replicas(deployment) - max_unavailable(deployment)
    unavailable_new = workload.replicas(new) - counted([new], "availableReplicas")
    may_go = wanted(every) - least - unavailable_new
    if wanted(old) == 0 or may_go <= 0:
        return []
    ordered = sorted(old, key=revisions.by_age)
    sizes = {meta.uid(each): workload.replicas(each) for each in ordered}
    gone = 0
    for each in ordered:
        have, available = workload.replicas(each), counted([each], "availableReplicas")
        unhealthy = min(may_go - gone, have - available)
        if unhealthy > 0:
            sizes[meta.uid(each)] -= unhealthy
            gone += unhealthy
    spare = counted(every, "availableReplicas") - least
    for each in ordered:
        healthy = min(sizes[meta.uid(each)], spare)
        if healthy > 0:
            sizes[meta.uid(each)] -= healthy
            spare -= healthy
    return [Scale(each, sizes[meta.uid(each)]) for each in ordered if sizes[meta.uid(each)] != workload.replicas(each)]


# -- scaling


def is_scaling(deployment: Object, every: Sequence[Object]) -> bool:
    """Whether the Deployment's size is another than when its ReplicaSets were last scaled."""
    total = workload.replicas(deployment)
    return any(revisions.desired(each) not in (None, total) for each in active(every))


def rescale(deployment: Object, new: Object | None, old: Sequence[Object]) -> list[Scale]:
    """The sizes after the Deployment's own size changed.

    One active ReplicaSet takes the change alone; a finished rollout leaves nothing in the old ones; in the middle of a
    rolling update the change is shared in proportion to the sizes, the remainder going to the largest.
    """
    total = workload.replicas(deployment)
    every = [*old, new] if new is not None else list(old)
    only = _active_or_latest(new, old)
    if only is not None:
        return [] if workload.replicas(only) == total else [Scale(only, total)]
    if new is not None and _saturated(deployment, new):
        return [Scale(each, 0) for each in active(old)]
    if not is_rolling(deployment):
        return []
    growing = active(every)
    allowed = total + max_surge(deployment) if total > 0 else 0
    to_add = allowed - wanted(growing)
    ordered = sorted(growing, key=revisions.by_age, reverse=to_add > 0)
    ordered.sort(key=workload.replicas, reverse=True)
    sizes: list[int] = []
    added = 0
    for each in ordered:
        share = _share(deployment, each, to_add, added)
        added += share
        sizes.append(workload.replicas(each) + share)
    if sizes and to_add:
        sizes[0] = max(sizes[0] + to_add - added, 0)
    return [Scale(each, size) for each, size in zip(ordered, sizes, strict=True)]


def _active_or_latest(new: Object | None, old: Sequence[Object]) -> Object | None:
    found = active([*old, new] if new is not None else list(old))
    if len(found) > 1:
        return None
    if found:
        return found[0]
    return new if new is not None else max(old, key=revisions.by_age, default=None)


def _saturated(deployment: Object, new: Object) -> bool:
    total = workload.replicas(deployment)
    return (
        workload.replicas(new) == total
        and revisions.desired(new) == total
        and counted([new], "availableReplicas") == total
    )


def _share(deployment: Object, replica_set: Object, to_add: int, added: int) -> int:
    have = workload.replicas(replica_set)
    if have == 0 or to_add in (0, added):
        return 0
    total = workload.replicas(deployment)
    if total == 0:
        share = -have
    else:
        before = revisions.largest(replica_set) or int(workload.status(deployment).get("replicas") or 0)
        if not before:
            return 0
        share = math.floor(have * (total + max_surge(deployment)) / before + 0.5) - have
    return min(share, to_add - added) if to_add > 0 else max(share, to_add - added)


# -- status


def has_deadline(deployment: Object) -> bool:
    """Whether rolling out may take too long."""
    seconds = workload.spec(deployment).get("progressDeadlineSeconds")
    return seconds is not None and seconds != NO_DEADLINE


def condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    """A DeploymentCondition."""
    stamp = timefmt.format(now)
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def set_condition(existing: list[Object], wish: Object) -> list[Object]:
    """A new list with the condition in it. One of the same status and reason stays as it is, its times included."""
    current = next((each for each in existing if each.get("type") == wish["type"]), None)
    if current is not None and (current.get("status"), current.get("reason")) == (wish["status"], wish["reason"]):
        return existing
    if current is not None and current.get("status") == wish["status"]:
        wish = {**wish, "lastTransitionTime": current.get("lastTransitionTime") or wish["lastTransitionTime"]}
    return [*conditions.without(existing, wish["type"]), wish]


def counts(deployment: Object, new: Object | None, every: Sequence[Object], now: datetime) -> Object:
    """The status but for Progressing and ReplicaFailure: counts, and whether enough is available."""
    available = counted(every, "availableReplicas")
    old = workload.status(deployment)
    found: Object = {"observedGeneration": meta.generation(deployment)}
    numbers = {
        "replicas": counted(every, "replicas"),
        "updatedReplicas": counted([new] if new is not None else [], "replicas"),
        "readyReplicas": counted(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted(every) - available, 0),
    }
    found |= {field: number for field, number in numbers.items() if number}
    found["terminatingReplicas"] = counted(every, "terminatingReplicas")
    if old.get("collisionCount") is not None:
        found["collisionCount"] = old["collisionCount"]
    enough = available >= workload.replicas(deployment) - max_unavailable(deployment)
    wish = (
        condition(AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
        if enough
        else condition(
            AVAILABLE, "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now
        )
    )
    found["conditions"] = set_condition(list(old.get("conditions") or []), wish)
    return found


def rollout_status(deployment: Object, new: Object | None, old: Sequence[Object], now: datetime) -> Object:
    """The whole status of a Deployment that rolls out, or has."""
    every = [*old, new] if new is not None else list(old)
    status = counts(deployment, new, every, now)
    found: list[Object] = status["conditions"]
    if not has_deadline(deployment):
        found = conditions.without(found, PROGRESSING)
    else:
        current = conditions.get(deployment, PROGRESSING)
        was_complete = (
            status.get("replicas", 0) == status.get("updatedReplicas", 0)
            and current is not None
            and current.get("reason") == NEW_AVAILABLE
        )
        if not was_complete:
            found = _progress(deployment, new, status, found, now)
    failure = _failure(every, new)
    if failure is not None:
        found = set_condition(
            found,
            condition(REPLICA_FAILURE, failure["status"], failure.get("reason", ""), failure.get("message", ""), now),
        )
    else:
        found = conditions.without(found, REPLICA_FAILURE)
    status["conditions"] = found
    return status


def _progress(
    deployment: Object, new: Object | None, status: Object, found: list[Object], now: datetime
) -> list[Object]:
    who = f'ReplicaSet "{meta.name(new)}"' if new is not None else f'Deployment "{meta.name(deployment)}"'
    if is_complete(deployment, status):
        message = f"{who} has successfully progressed."
        return set_condition(found, condition(PROGRESSING, "True", NEW_AVAILABLE, message, now))
    if _progresses(workload.status(deployment), status):
        wish = condition(PROGRESSING, "True", UPDATED, f"{who} is progressing.", now)
        current = conditions.get({"status": {"conditions": found}}, PROGRESSING)
        if current is not None and current.get("status") == "True":
            wish["lastTransitionTime"] = current.get("lastTransitionTime") or wish["lastTransitionTime"]
        # Replaced even when status and reason are the same: lastUpdateTime is what the deadline counts from.
        return [*conditions.without(found, PROGRESSING), wish]
    if timed_out(deployment, found, now):
        message = f"{who} has timed out progressing."
        return set_condition(found, condition(PROGRESSING, "False", TIMED_OUT, message, now))
    return found


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether all replicas are of the new template and available, and nothing else runs."""
    total = workload.replicas(deployment)
    return all(
        int(status.get(field) or 0) == total for field in ("updatedReplicas", "replicas", "availableReplicas")
    ) and int(status.get("observedGeneration") or 0) >= meta.generation(deployment)


def _progresses(before: Object, after: Object) -> bool:
    def number(status: Object, field: str) -> int:
        return int(status.get(field) or 0)

    def old_ones(status: Object) -> int:
        return number(status, "replicas") - number(status, "updatedReplicas")

    return any(
        number(after, field) > number(before, field)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    ) or old_ones(after) < old_ones(before)


def timed_out(deployment: Object, found: list[Object], now: datetime) -> bool:
    """Whether the last progress is further back than the deadline allows."""
    current = conditions.get({"status": {"conditions": found}}, PROGRESSING)
    if current is None or current.get("reason") == NEW_AVAILABLE:
        return False
    if current.get("reason") == TIMED_OUT:
        return True
    since = timefmt.parse_optional(current.get("lastUpdateTime"))
    deadline = timedelta(seconds=int(workload.spec(deployment)["progressDeadlineSeconds"]))
    return since is not None and since + deadline < now


def next_look(deployment: Object, status: Object, now: datetime) -> float | None:
    """Seconds until the deadline has to be looked at; None when there is nothing to wait for."""
    current = conditions.get({"status": status}, PROGRESSING)
    if not has_deadline(deployment) or current is None:
        return None
    if is_complete(deployment, status) or current.get("reason") in (TIMED_OUT, NEW_AVAILABLE):
        return None
    since = timefmt.parse_optional(current.get("lastUpdateTime")) or now
    deadline: Any = workload.spec(deployment)["progressDeadlineSeconds"]
    # A second more, so that it is past the deadline and not just at it.
    return max((since + timedelta(seconds=int(deadline)) - now).total_seconds(), 0.0) + 1.0


def pause_condition(deployment: Object, now: datetime) -> Object | None:
    """The Progressing condition that tells of pausing or resuming; None when nothing is to be told."""
    current = conditions.get(deployment, PROGRESSING)
    if not has_deadline(deployment) or (current is not None and current.get("reason") == TIMED_OUT):
        return None
    told = current is not None and current.get("reason") == PAUSED
    paused = bool(workload.spec(deployment).get("paused"))
    if paused and not told:
        return condition(PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now)
    if told and not paused:
        return condition(PROGRESSING, "Unknown", RESUMED, "Deployment is resumed", now)
    return None


def _failure(every: Sequence[Object], new: Object | None) -> Object | None:
    """The new ReplicaSet's failure, or any other's when there is none."""
    ordered = ([new] if new is not None else []) + [each for each in every if each is not new]
    for each in ordered:
        found = conditions.get(each, REPLICA_FAILURE)
        if found is not None:
            return found
    return None
