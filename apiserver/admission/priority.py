"""Priority: the number behind a pod's priority class.

Rules and texts: kube-apiserver `plugin/pkg/admission/priority`.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.storage.caches import WatchCaches
from machinery.errors import forbidden
from machinery.objects import meta
from machinery.objects.gvk import GVR

Object = dict[str, Any]

CLASSES = GVR("scheduling.k8s.io", "v1", "priorityclasses")
PODS = GVR("", "v1", "pods")
_DEFAULT_POLICY = "PreemptLowerPriority"


class Priority(Plugin):
    """See the module."""

    name = "Priority"

    def __init__(self, caches: WatchCaches) -> None:
        self._caches = caches

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE") and request.resource in (
            "pods",
            "priorityclasses.scheduling.k8s.io",
        )

    async def mutate(self, request: AdmissionRequest) -> None:
        pod = request.obj
        if request.spec.gvr != PODS or pod is None:
            return
        spec = pod["spec"]
        if request.old is not None:
            _keep_on_update(spec, request.old["spec"])
            return
        name, value, policy = await self._class_of(pod)
        if name:
            spec["priorityClassName"] = name
        if spec.get("priority") is not None and spec["priority"] != value:
            why = (
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name"
            )
            raise forbidden(PODS, meta.name(pod), why)
        if spec.get("preemptionPolicy") and spec["preemptionPolicy"] != policy:
            why = (
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name"
            )
            raise forbidden(PODS, meta.name(pod), why)
        spec["priority"], spec["preemptionPolicy"] = value, policy

    async def validate(self, request: AdmissionRequest) -> None:
        """There is one global default at most."""
        new = request.obj
        if request.spec.gvr != CLASSES or new is None or not new.get("globalDefault"):
            return
        for other in self._caches.list(CLASSES):
            if other.get("globalDefault") and meta.name(other) != meta.name(new):
                why = f"PriorityClass {meta.name(other)} is already marked as globalDefault. Only one default can exist"
                raise forbidden(CLASSES, meta.name(new), why)

    async def _class_of(self, pod: Object) -> tuple[str, int, str]:
        """(class name, priority, preemption policy) of a new pod."""
        name = pod["spec"].get("priorityClassName") or ""
        if name:
            found = self._caches.get(CLASSES, "", name) or await self._caches.fetch(CLASSES, "", name)
            if found is None:
                raise forbidden(PODS, meta.name(pod), f"no PriorityClass with name {name} was found")
            return name, int(found.get("value") or 0), found.get("preemptionPolicy") or _DEFAULT_POLICY
        defaults = [each for each in self._caches.list(CLASSES) if each.get("globalDefault")]
        if not defaults:
            return "", 0, _DEFAULT_POLICY
        lowest = min(defaults, key=lambda each: int(each.get("value") or 0))
        return meta.name(lowest), int(lowest.get("value") or 0), lowest.get("preemptionPolicy") or _DEFAULT_POLICY


def _keep_on_update(spec: Object, old: Object) -> None:
    """Clients that do not know these fields leave them out: that is no wish to change them."""
    if spec.get("priorityClassName") == old.get("priorityClassName"):
        for key in ("priority", "preemptionPolicy"):
            if spec.get(key) is None and old.get(key) is not None:
                spec[key] = old[key]
