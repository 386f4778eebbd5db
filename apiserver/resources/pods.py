"""The strategy of pods: quality of service, binding to a node, graceful deletion, and what a pod lets change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from apiserver.resources import match_label_keys
from apiserver.resources.defaults import pods as defaults
from apiserver.resources.qos import qos_class
from apiserver.resources.strategy import Strategy, keep
from apiserver.resources.validation import pod_update
from apiserver.resources.validation import pods as validation
from apiserver.resources.validation.pod_warnings import pod_warnings
from machinery.errors import Conflict, FieldError, conflict
from machinery.objects import conditions, meta
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

_BINDINGS = GVR("", "v1", "pods/binding")
_ENDED = ("Succeeded", "Failed")


class PodStrategy(Strategy):
    """Pods."""

    status_writes_metadata = True

    def default(self, obj: Object) -> None:
        defaults.pod(obj)

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        obj["metadata"]["generation"] = 1
        match_label_keys.resolve(obj)
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj)}
        if obj["spec"].get("schedulingGates"):
            obj["status"]["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                    "lastProbeTime": None,
                    "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
                }
            ]

    def prepare_status_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        super().prepare_status_update(context, obj, old)
        keep(obj["metadata"], old["metadata"], "ownerReferences")
        status = obj.setdefault("status", {})
        if not status.get("qosClass"):
            status["qosClass"] = (old.get("status") or {}).get("qosClass") or qos_class(obj)

    def prepare_subresource(self, context: RequestContext, obj: Object, old: Object) -> None:
        asked = obj["spec"]
        obj["spec"] = meta.deep_copy(old["spec"])
        if context.subresource == "ephemeralcontainers":
            keep(obj["spec"], asked, "ephemeralContainers")
        elif context.subresource == "resize":
            _take_resources(obj["spec"], asked)
        else:
            super().prepare_subresource(context, obj, old)
        keep(obj, old, "status")
        before = meta.generation(old)
        obj["metadata"] = {**old["metadata"], "resourceVersion": obj["metadata"].get("resourceVersion", "")}
        obj["metadata"]["generation"] = before + (obj["spec"] != old["spec"])

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validation.pod_create(obj)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        return pod_update.update(obj, old)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        return pod_update.status(obj, old)

    def validate_subresource(self, subresource: str, obj: Object, old: Object) -> list[FieldError]:
        if subresource == "ephemeralcontainers":
            return pod_update.ephemeral_containers(obj, old)
        return pod_update.resize(obj, old)

    def warnings(self, obj: Object) -> list[str]:
        return pod_warnings(obj)

    def grace_period(self, obj: Object, asked: int | None) -> int:
        """What was asked, else the pod's own; 0 for a pod that no node has or that has ended; never negative."""
        spec = obj.get("spec") or {}
        if not spec.get("nodeName") or (obj.get("status") or {}).get("phase") in _ENDED:
            return 0
        period = asked if asked is not None else int(spec.get("terminationGracePeriodSeconds") or 0)
        return period if period >= 0 else 1


def bind(pod: Object, binding: Mapping[str, Any], *, now: str) -> Object:
    """The pod assigned to the node that a Binding names, with the binding's labels and annotations.

    now: RFC 3339, the transition time of PodScheduled. Raises Conflict when the pod is being deleted, has a node
    already, is gated, or is not the one that the binding's uid and resourceVersion mean.
    """
    name = meta.name(pod)
    wanted = binding.get("metadata") or {}
    if wanted.get("uid") and wanted["uid"] != meta.uid(pod):
        raise _refused(
            name, f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {meta.uid(pod)}"
        )
    if wanted.get("resourceVersion") and wanted["resourceVersion"] != meta.resource_version(pod):
        raise _refused(
            name,
            f"Precondition failed: ResourceVersion in precondition: {wanted['resourceVersion']}, "
            f"ResourceVersion in object meta: {meta.resource_version(pod)}",
        )
    if meta.is_deleting(pod):
        raise _refused(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if node := pod["spec"].get("nodeName"):
        raise _refused(name, f'pod {name} is already assigned to node "{node}"')
    if pod["spec"].get("schedulingGates"):
        raise _refused(name, f"pod {name} has non-empty .spec.schedulingGates")
    bound: Object = {**pod, "spec": {**pod["spec"], "nodeName": binding["target"]["name"]}}
    bound = meta.with_annotations(bound, wanted.get("annotations") or {}) if wanted.get("annotations") else bound
    bound = meta.with_labels(bound, wanted.get("labels") or {}) if wanted.get("labels") else bound
    status = {key: value for key, value in (pod.get("status") or {}).items() if key != "nominatedNodeName"}
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    if conditions.is_true(pod, "PodScheduled"):
        return {**bound, "status": status}
    status["conditions"] = [*conditions.without(conditions.all_of(pod), "PodScheduled"), scheduled]
    return {**bound, "status": status}


def _refused(name: str, why: str) -> Conflict:
    return conflict(_BINDINGS, name, why)


def _take_resources(spec: Object, asked: Object) -> None:
    """Of `asked` only what a resize may change: containers' resources and resize policies."""
    for key in ("containers", "initContainers"):
        wanted = {each.get("name"): each for each in asked.get(key) or []}
        for container in spec.get(key) or []:
            if (source := wanted.get(container["name"])) is not None:
                keep(container, source, "resources")
                keep(container, source, "resizePolicy")
