"""Revisions of a Deployment: which ReplicaSet is the new one, and what annotations tell of it. Pure.

`deployment.kubernetes.io/revision` numbers the ReplicaSets; a template that comes back (kubectl rollout undo) gets its
old ReplicaSet with the next number, and the former numbers go to `revision-history`. `desired-replicas` and
`max-replicas` remember the Deployment's size when the ReplicaSet was last scaled, for proportional scaling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from machinery.client.api import Object
from machinery.objects import meta, names, owners, workload

REVISION = workload.REVISION_ANNOTATION
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
HISTORY_CHARACTERS = 2000

_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        ROLLBACK_TO,
    }
)
"""The Deployment's own annotations; all others are its ReplicaSets' too."""


def without_hash(template: Mapping[str, Any]) -> Object:
    """The template as the Deployment has it: without the label that names its ReplicaSet."""
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != workload.POD_TEMPLATE_HASH}
    bare = {key: value for key, value in metadata.items() if key != "labels" and value is not None}
    if labels:
        bare["labels"] = labels
    return {**template, "metadata": bare}


def new_replica_set(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The ReplicaSet of the current template; the oldest of them, should there be several."""
    wanted = without_hash(workload.template(deployment))
    for each in sorted(replica_sets, key=by_age):
        if without_hash(workload.template(each)) == wanted:
            return each
    return None


def by_age(obj: Object) -> tuple[str, str]:
    """Sorts the oldest first, by name within a second."""
    return str(meta.metadata(obj).get("creationTimestamp") or ""), meta.name(obj)


def revision_of(obj: Object) -> int:
    """The revision annotation as a number; 0 when absent or malformed."""
    text = meta.annotation(obj, REVISION) or ""
    return int(text) if text.isdecimal() else 0


def next_revision(old: Iterable[Object]) -> str:
    """One more than the highest of the old ReplicaSets."""
    return str(max((revision_of(each) for each in old), default=0) + 1)


def annotations_for(
    deployment: Object, replica_set: Object, revision: str, *, size: int, largest: int, new: bool
) -> Object:
    """All annotations that the Deployment's newest ReplicaSet should have.

    size, largest: the Deployment's replicas, without and with surge; only noted on a `new` ReplicaSet, for the existing
    ones are annotated as they are scaled.
    """
    shared = {key: value for key, value in meta.annotations(deployment).items() if key not in _NOT_COPIED}
    found = {**meta.annotations(replica_set), **shared}
    former = found.get(REVISION, "")
    if (int(former) if former.isdecimal() else 0) < int(revision):
        found[REVISION] = revision
        if former and not new:
            found[REVISION_HISTORY] = _history(found.get(REVISION_HISTORY, ""), former)
    if new:
        found |= sizes(size, largest)
    return found


def sizes(size: int, largest: int) -> dict[str, str]:
    """The annotations that remember the Deployment's size."""
    return {DESIRED_REPLICAS: str(size), MAX_REPLICAS: str(largest)}


def desired(replica_set: Object) -> int | None:
    """The Deployment's size when this ReplicaSet was last scaled; None when it was not noted."""
    return _number(replica_set, DESIRED_REPLICAS)


def largest(replica_set: Object) -> int | None:
    """The same with surge."""
    return _number(replica_set, MAX_REPLICAS)


def build(deployment: Object, old: Sequence[Object], *, size: int, largest: int) -> Object:
    """A ReplicaSet of the current template, without replicas yet."""
    template = workload.template(deployment)
    status = workload.status(deployment)
    digest = names.template_hash(template, status.get("collisionCount"))
    hashed = {workload.POD_TEMPLATE_HASH: digest}
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **hashed}
    selector = workload.spec(deployment).get("selector") or {}
    made: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta.name(deployment)}-{digest}",
            "namespace": meta.namespace(deployment),
            "labels": labels,
            "ownerReferences": [owners.reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **hashed}},
            "template": {**template, "metadata": {**metadata, "labels": labels}},
        },
    }
    if wait := workload.min_ready_seconds(deployment):
        made["spec"]["minReadySeconds"] = wait
    made["metadata"]["annotations"] = annotations_for(
        deployment, made, next_revision(old), size=size, largest=largest, new=True
    )
    return made


def surplus_history(old: Sequence[Object], limit: int) -> list[Object]:
    """The old ReplicaSets to delete so that `limit` remain: the lowest revisions, if they are empty and settled."""
    candidates = sorted((each for each in old if not meta.is_deleting(each)), key=revision_of)
    return [
        each
        for each in candidates[: max(len(candidates) - limit, 0)]
        if not workload.status(each).get("replicas")
        and not workload.replicas(each)
        and meta.generation(each) <= meta.observed_generation(each)
    ]


def _history(history: str, former: str) -> str:
    numbers = [number for number in history.split(",") if number]
    if former not in numbers:
        numbers.append(former)
    while len(",".join(numbers)) > HISTORY_CHARACTERS:
        numbers.pop(0)
    return ",".join(numbers)


def _number(obj: Object, annotation: str) -> int | None:
    text = meta.annotation(obj, annotation) or ""
    return int(text) if text.isdecimal() else None
