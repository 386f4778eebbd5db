"""What the kinds that run pods from a template have in common: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from machinery.objects import meta, owners, selectors

Object = dict[str, Any]

POD_TEMPLATE_HASH = "pod-template-hash"
CONTROLLER_REVISION_HASH = "controller-revision-hash"
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
RESTARTED_AT_ANNOTATION = "kubectl.kubernetes.io/restartedAt"


def spec(o: Mapping[str, Any]) -> Object:
    """`spec`, {} when absent."""
    found: Object = o.get("spec") or {}
    return found


def status(o: Mapping[str, Any]) -> Object:
    """`status`, {} when absent."""
    found: Object = o.get("status") or {}
    return found


def replicas(o: Mapping[str, Any]) -> int:
    """`spec.replicas`, 1 when absent."""
    wanted = spec(o).get("replicas")
    return 1 if wanted is None else int(wanted)


def selector(o: Mapping[str, Any]) -> selectors.Selector:
    """`spec.selector`. SelectorError when it is malformed."""
    return selectors.from_label_selector(spec(o).get("selector"))


def template(o: Mapping[str, Any]) -> Object:
    """`spec.template`, {} when absent."""
    found: Object = spec(o).get("template") or {}
    return found


def min_ready_seconds(o: Mapping[str, Any]) -> int:
    """`spec.minReadySeconds`: how long a pod must be ready to count as available."""
    return int(spec(o).get("minReadySeconds") or 0)


def history_limit(o: Mapping[str, Any]) -> int:
    """`spec.revisionHistoryLimit`: how many old revisions are kept."""
    limit = spec(o).get("revisionHistoryLimit")
    return 10 if limit is None else int(limit)


def scaled(value: int | str | None, total: int, *, round_up: bool, default: int = 0) -> int:
    """An int-or-percent field as a count: `"25%"` of `total`, rounded as asked. ValueError for other texts."""
    if value is None:
        return default
    if isinstance(value, int):
        return value
    if not value.endswith("%") or not value[:-1].isdecimal():
        raise ValueError(f"invalid value for IntOrString: invalid type: string is not a percentage: {value!r}")
    exact = int(value[:-1]) * total / 100
    return math.ceil(exact) if round_up else math.floor(exact)


def pod_of_template(
    template: Mapping[str, Any],
    owner: Mapping[str, Any],
    *,
    name: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """A new pod that `owner` controls, from its template.

    Without a `name` the server makes one from the owner's. `labels` and `annotations` are added to the template's.
    The spec is a copy: the caller may change it.
    """
    source = template.get("metadata") or {}
    metadata: Object = {"namespace": meta.namespace(owner)}
    if name:
        metadata["name"] = name
    else:
        metadata["generateName"] = f"{meta.name(owner)}-"
    for field, added in (("labels", labels), ("annotations", annotations)):
        if merged := {**(source.get(field) or {}), **(added or {})}:
            metadata[field] = merged
    if source.get("finalizers"):
        metadata["finalizers"] = list(source["finalizers"])
    metadata["ownerReferences"] = [owners.reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": meta.deep_copy(template.get("spec") or {})}
