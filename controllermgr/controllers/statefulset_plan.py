"""What a StatefulSet should do next: pods by ordinal, one after the other or all at once. Pure.

`next_steps` walks the replicas as upstream's defaultStatefulSetControl does: first every replica up to the wanted
number exists and is healthy, then what is too much goes, from the highest ordinal down, then an update replaces pods
from the highest ordinal down to the partition. With OrderedReady each step waits until all before it are ready; with
Parallel only updates wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from machinery.client.api import Object
from machinery.objects import meta, owners, pod, workload

REVISION_LABEL = workload.CONTROLLER_REVISION_HASH
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True, slots=True)
class Create:
    """Make the pod of this ordinal (and its claims) from the template of that revision."""

    ordinal: int
    revision: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a pod. scaled_down: its ordinal is no longer wanted, so its claims may go too."""

    pod: Object
    scaled_down: bool = False


@dataclass(frozen=True, slots=True)
class Repair:
    """A pod's labels or volumes are not those of its ordinal."""

    pod: Object
    ordinal: int


Step = Create | Delete | Repair


@dataclass(slots=True)
class Replicas:
    """The pods of a set by what is to become of them."""

    wanted: dict[int, Object | None] = field(default_factory=dict)
    """Ordinal -> its pod, None while there is none; ascending."""
    condemned: list[Object] = field(default_factory=list)
    """Pods of ordinals that are no longer wanted, the highest first."""


def ordinal_of(statefulset: Object, name: str) -> int | None:
    """The ordinal in a pod's name; None when the name is not one of this set."""
    prefix, dash, number = name.rpartition("-")
    if not dash or prefix != meta.name(statefulset) or not number.isdecimal():
        return None
    return int(number)


def first_ordinal(statefulset: Object) -> int:
    """`spec.ordinals.start`."""
    return int((workload.spec(statefulset).get("ordinals") or {}).get("start") or 0)


def ordinals(statefulset: Object) -> range:
    """The wanted ordinals."""
    start = first_ordinal(statefulset)
    return range(start, start + workload.replicas(statefulset))


def is_parallel(statefulset: Object) -> bool:
    """Whether pods are made and removed all at once."""
    return bool(workload.spec(statefulset).get("podManagementPolicy") == "Parallel")


def is_rolling(statefulset: Object) -> bool:
    """Whether updates replace pods by themselves; with OnDelete they wait for somebody to delete them."""
    strategy = workload.spec(statefulset).get("updateStrategy") or {}
    return (strategy.get("type") or "RollingUpdate") == "RollingUpdate"


def partition(statefulset: Object) -> int | None:
    """Ordinals below it keep the current revision; None when it is not set."""
    rolling = (workload.spec(statefulset).get("updateStrategy") or {}).get("rollingUpdate") or {}
    value = rolling.get("partition")
    return None if value is None else int(value)


def max_unavailable(statefulset: Object) -> int:
    """How many pods an update may take down at once; 1 unless `rollingUpdate.maxUnavailable` says more."""
    rolling = (workload.spec(statefulset).get("updateStrategy") or {}).get("rollingUpdate") or {}
    total = workload.replicas(statefulset)
    return max(1, workload.scaled(rolling.get("maxUnavailable"), total, round_up=True, default=1))


def sort(statefulset: Object, pods: Iterable[Object]) -> Replicas:
    """Each pod where its ordinal puts it. Pods with foreign names are left out."""
    found = Replicas(wanted=dict.fromkeys(ordinals(statefulset)))
    for each in pods:
        number = ordinal_of(statefulset, meta.name(each))
        if number in found.wanted:
            found.wanted[number] = each
        elif number is not None:
            found.condemned.append(each)
    found.condemned.sort(key=lambda each: ordinal_of(statefulset, meta.name(each)) or 0, reverse=True)
    return found


def revision_of(each: Object) -> str:
    """The name of the revision that a pod was made from."""
    return meta.label(each, REVISION_LABEL) or ""


def next_steps(statefulset: Object, replicas: Replicas, current: str, update: str, now: datetime) -> list[Step]:
    """What to do now; [] when all is done or something has to be waited for.

    current, update: names of the revision that was rolled out last, and of the one that shall be.
    """
    parallel = is_parallel(statefulset)
    steps: list[Step] = []
    for number, each in replicas.wanted.items():
        if each is None:
            steps.append(Create(number, current if keeps_current(statefulset, number, current) else update))
        elif pod.is_terminal(each) and not meta.is_deleting(each):
            steps.append(Delete(each))
        elif not meta.is_deleting(each) and not has_identity(statefulset, each, number):
            steps.append(Repair(each, number))
        elif parallel or is_healthy(statefulset, each, now):
            continue
        else:
            return []  # the pods after it wait for this one
        if not parallel:
            return steps
    if steps:
        return steps
    steps = _condemned_steps(replicas, parallel=parallel)
    if steps or (replicas.condemned and not parallel):
        return steps
    return _update_steps(statefulset, replicas, update, now)


def keeps_current(statefulset: Object, number: int, current: str) -> bool:
    """Whether a pod of this ordinal is made from the revision rolled out last: the update has not come to it yet."""
    if not is_rolling(statefulset) or not current:
        return False
    start, limit = first_ordinal(statefulset), partition(statefulset)
    if limit is None:
        limit = int(workload.status(statefulset).get("currentReplicas") or 0)
    return number < start + limit


def is_healthy(statefulset: Object, each: Object, now: datetime) -> bool:
    """Whether those after it may go on: running, ready for minReadySeconds, and not on its way out."""
    if meta.is_deleting(each) or pod.phase(each) != "Running":
        return False
    return pod.is_available(each, workload.min_ready_seconds(statefulset), now)


def _condemned_steps(replicas: Replicas, *, parallel: bool) -> list[Step]:
    if parallel:
        return [Delete(each, scaled_down=True) for each in replicas.condemned if not meta.is_deleting(each)]
    sick = [each for each in replicas.wanted.values() if each is not None and not pod.is_ready(each)]
    sick += [each for each in reversed(replicas.condemned) if not pod.is_ready(each)]
    for each in replicas.condemned:
        if meta.is_deleting(each):
            return []
        if not pod.is_ready(each) and sick and sick[0] is not each:
            return []  # the first that is not ready is given time; only it may go in that state
        return [Delete(each, scaled_down=True)]
    return []


def _update_steps(statefulset: Object, replicas: Replicas, update: str, now: datetime) -> list[Step]:
    if not is_rolling(statefulset):
        return []
    lowest = first_ordinal(statefulset) + (partition(statefulset) or 0)
    highest_first = sorted((n for n in replicas.wanted if n >= lowest), reverse=True)
    pods = [each for n in highest_first if (each := replicas.wanted[n]) is not None]
    allowed = max_unavailable(statefulset)
    if allowed > 1:
        sick = [each for each in pods if not is_healthy(statefulset, each, now)]
        old = [each for each in pods if revision_of(each) != update and not meta.is_deleting(each)]
        broken = [each for each in old if each in sick]  # replacing these takes nothing more down
        candidates = [each for each in old if each not in sick]
        return [Delete(each) for each in (*broken, *candidates[: max(0, allowed - len(sick))])]
    for each in pods:
        if revision_of(each) != update and not meta.is_deleting(each):
            return [Delete(each)]
        if not is_healthy(statefulset, each, now):
            return []  # the one before it in the update is not ready yet
    return []


def build_pod(statefulset: Object, template: Object, number: int, revision: str) -> Object:
    """The pod of an ordinal, from a revision's template."""
    name = f"{meta.name(statefulset)}-{number}"
    labels = {REVISION_LABEL: revision, POD_NAME_LABEL: name, POD_INDEX_LABEL: str(number)}
    made = workload.pod_of_template(template, statefulset, name=name, labels=labels)
    made["spec"]["hostname"] = name
    if service := workload.spec(statefulset).get("serviceName"):
        made["spec"]["subdomain"] = service
    made["spec"]["volumes"] = volumes(statefulset, made, number)
    if not made["spec"]["volumes"]:
        del made["spec"]["volumes"]
    return made


def volumes(statefulset: Object, each: Object, number: int) -> list[Object]:
    """The pod's volumes, those of claim templates pointing to the ordinal's own claims."""
    claimed = {meta.name(template): claim_name(statefulset, template, number) for template in templates(statefulset)}
    own = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in claimed.items()]
    return [*own, *(volume for volume in pod.spec(each).get("volumes") or () if volume.get("name") not in claimed)]


def has_identity(statefulset: Object, each: Object, number: int) -> bool:
    """Whether a pod has the labels and the claims of its ordinal."""
    labels = meta.labels(each)
    if labels.get(POD_NAME_LABEL) != meta.name(each) or labels.get(POD_INDEX_LABEL) != str(number):
        return False
    have = {volume.get("name"): volume for volume in pod.spec(each).get("volumes") or ()}
    return all(
        ((have.get(meta.name(template)) or {}).get("persistentVolumeClaim") or {}).get("claimName")
        == claim_name(statefulset, template, number)
        for template in templates(statefulset)
    )


def with_identity(statefulset: Object, each: Object, number: int) -> Object:
    """A copy of the pod with the labels of its ordinal. Its volumes cannot be changed any more."""
    return meta.with_labels(each, {POD_NAME_LABEL: meta.name(each), POD_INDEX_LABEL: str(number)})


def templates(statefulset: Object) -> Sequence[Object]:
    """`spec.volumeClaimTemplates`."""
    return workload.spec(statefulset).get("volumeClaimTemplates") or ()


def claim_name(statefulset: Object, template: Object, number: int) -> str:
    """The name of an ordinal's claim."""
    return f"{meta.name(template)}-{meta.name(statefulset)}-{number}"


def build_claims(statefulset: Object, number: int) -> list[Object]:
    """The claims of an ordinal. They outlive pods, and the set too, unless its retention policy says otherwise."""
    selected = (workload.spec(statefulset).get("selector") or {}).get("matchLabels") or {}
    claims = []
    for template in templates(statefulset):
        metadata: dict[str, Any] = {
            "name": claim_name(statefulset, template, number),
            "namespace": meta.namespace(statefulset),
            "labels": {**meta.labels(template), **selected},
        }
        if meta.annotations(template):
            metadata["annotations"] = dict(meta.annotations(template))
        if retention(statefulset, "whenDeleted") == "Delete":
            metadata["ownerReferences"] = [owners.reference(statefulset, block=False)]
        spec = meta.deep_copy(template.get("spec") or {})
        claims.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    return claims


def with_owner(statefulset: Object, claim: Object) -> Object:
    """The claim with the set as its owner if it shall go with it, and without if not; itself when it is so already."""
    wanted = retention(statefulset, "whenDeleted") == "Delete"
    if wanted is owners.is_owned_by(claim, meta.uid(statefulset)):
        return claim
    if not wanted:
        return owners.release(claim, meta.uid(statefulset))
    refs = [*meta.owner_references(claim), owners.reference(statefulset, block=False)]
    return {**claim, "metadata": {**meta.metadata(claim), "ownerReferences": refs}}


def retention(statefulset: Object, when: str) -> str:
    """Retain or Delete: what happens to claims `whenDeleted` (the set) or `whenScaled` (down)."""
    policy = workload.spec(statefulset).get("persistentVolumeClaimRetentionPolicy") or {}
    return str(policy.get(when) or "Retain")


def status(
    statefulset: Object,
    pods: Iterable[Object],
    current: str,
    update: str,
    collisions: int | None,
    now: datetime,
) -> Object:
    """The status to write, with the current revision moved on when an update is complete."""
    min_ready = workload.min_ready_seconds(statefulset)
    replicas = ready = available = on_current = on_update = 0
    for each in pods:
        replicas += 1
        if pod.phase(each) == "Running" and pod.is_ready(each):
            ready += 1
            available += pod.is_available(each, min_ready, now)
        if not meta.is_deleting(each):
            on_current += revision_of(each) == current
            on_update += revision_of(each) == update
    if is_rolling(statefulset) and on_update == replicas == ready == workload.replicas(statefulset):
        current, on_current = update, on_update
    found: Object = {
        "observedGeneration": meta.generation(statefulset),
        "replicas": replicas,
        "readyReplicas": ready,
        "currentReplicas": on_current,
        "updatedReplicas": on_update,
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": collisions or 0,
        "availableReplicas": available,
    }
    # These are left out when zero, as in the API's own encoding.
    for name in ("readyReplicas", "currentReplicas", "updatedReplicas"):
        if not found[name]:
            del found[name]
    if kept := workload.status(statefulset).get("conditions"):
        found["conditions"] = kept
    return found


def next_look(statefulset: Object, pods: Iterable[Object], now: datetime) -> float | None:
    """Seconds until the next ready pod becomes available; None when none is on its way there."""
    wait = timedelta(seconds=workload.min_ready_seconds(statefulset))
    left = [(since + wait - now).total_seconds() for each in pods if (since := pod.ready_since(each)) is not None]
    return min((each for each in left if each > 0), default=None)
