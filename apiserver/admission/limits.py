"""LimitRanger: what pods and claims of a namespace may ask for, and what they get when they ask for nothing.

Rules and texts: kube-apiserver `plugin/pkg/admission/limitranger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.storage.caches import WatchCaches
from machinery.errors import forbidden
from machinery.objects import meta
from machinery.objects import pod as pods
from machinery.objects.gvk import GVR
from machinery.objects.quantity import Quantity, parse

Object = dict[str, Any]
Amounts = Mapping[str, Quantity]

RANGES = GVR("", "v1", "limitranges")
_ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(Plugin):
    """See the module."""

    name = "LimitRanger"

    def __init__(self, caches: WatchCaches) -> None:
        self._caches = caches

    def wants(self, request: AdmissionRequest) -> bool:
        if request.operation == "CREATE":
            return request.resource in ("pods", "persistentvolumeclaims")
        return request.operation == "UPDATE" and request.resource in ("persistentvolumeclaims", "pods/resize")

    async def mutate(self, request: AdmissionRequest) -> None:
        if request.resource != "pods" or request.obj is None:
            return
        for limit_range in self._ranges(request):
            _set_defaults(request.obj, limit_range)

    async def validate(self, request: AdmissionRequest) -> None:
        assert request.obj is not None  # it is no deletion
        errors: list[str] = []
        for limit_range in self._ranges(request):
            for limit in (limit_range.get("spec") or {}).get("limits") or []:
                if request.resource == "persistentvolumeclaims":
                    errors += _check_claim(request.obj, limit)
                else:
                    errors += _check_pod(request.obj, limit)
        if errors:
            said = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
            raise forbidden(request.spec.gvr, meta.name(request.obj), said)

    def _ranges(self, request: AdmissionRequest) -> list[Object]:
        return list(self._caches.list(RANGES, request.namespace))


def _set_defaults(pod: Object, limit_range: Object) -> None:
    """Give containers the defaults of the range's Container limit; an annotation tells of it."""
    requests: Object = {}
    limits: Object = {}
    for limit in (limit_range.get("spec") or {}).get("limits") or []:
        if limit.get("type") == "Container":
            requests.update(limit.get("defaultRequest") or {})
            limits.update(limit.get("default") or {})
    told = []
    for key, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(key) or []:
            for field, defaults in (("requests", requests), ("limits", limits)):
                added = sorted(_fill(container, field, defaults))
                if added:
                    told.append(f"{', '.join(added)} {field[:-1]} for {word} {container['name']}")
    if told:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(told)


def _fill(container: Object, field: str, defaults: Object) -> list[str]:
    if not defaults:
        return []
    resources = container["resources"] = dict(container.get("resources") or {})
    present = resources.get(field) or {}
    missing = {name: value for name, value in defaults.items() if name not in present}
    if missing:
        resources[field] = {**present, **missing}
    return list(missing)


def _check_pod(pod: Object, limit: Object) -> list[str]:
    match limit.get("type"):
        case "Container":
            found = []
            for container in (*pods.containers(pod), *pods.init_containers(pod)):
                resources = container.get("resources") or {}
                found += _check(limit, _amounts(resources.get("requests")), _amounts(resources.get("limits")))
            return found
        case "Pod":
            return _check(limit, pods.requests(pod), pods.limits(pod))
        case _:
            return []


def _check_claim(claim: Object, limit: Object) -> list[str]:
    if limit.get("type") != "PersistentVolumeClaim":
        return []
    asked = _amounts(((claim.get("spec") or {}).get("resources") or {}).get("requests"))
    found = []
    for name, least in _amounts(limit.get("min")).items():
        found += _least(name, "PersistentVolumeClaim", least, asked.get(name), None)
    for name, most in _amounts(limit.get("max")).items():
        if name in asked and asked[name] > most:
            found.append(f"maximum {name} usage per PersistentVolumeClaim is {most}, but request is {asked[name]}")
    return found


def _check(limit: Object, requests: Amounts, limits: Amounts) -> list[str]:
    kind = limit["type"]
    found: list[str] = []
    for name, least in _amounts(limit.get("min")).items():
        found += _least(name, kind, least, requests.get(name), limits.get(name))
    for name, most in _amounts(limit.get("max")).items():
        if name not in limits:
            found.append(f"maximum {name} usage per {kind} is {most}.  No limit is specified")
        elif limits[name] > most:
            found.append(f"maximum {name} usage per {kind} is {most}, but limit is {limits[name]}")
        if name in requests and requests[name] > most:
            found.append(f"maximum {name} usage per {kind} is {most}, but request is {requests[name]}")
    for name, ratio in _amounts(limit.get("maxLimitRequestRatio")).items():
        found += _ratio(name, kind, ratio, requests.get(name), limits.get(name))
    return found


def _least(name: str, kind: str, least: Quantity, request: Quantity | None, limit: Quantity | None) -> list[str]:
    said = f"minimum {name} usage per {kind} is {least}"
    if request is None:
        return [f"{said}.  No request is specified"]
    if request < least:
        return [f"{said}, but request is {request}"]
    if limit is not None and limit < least:
        return [f"{said}, but limit is {limit}"]
    return []


def _ratio(name: str, kind: str, most: Quantity, request: Quantity | None, limit: Quantity | None) -> list[str]:
    said = f"{name} max limit to request ratio per {kind} is {most}"
    if request is None or request.is_zero():
        return [f"{said}, but no request is specified or request is 0"]
    if limit is None or limit.is_zero():
        return [f"{said}, but no limit is specified or limit is 0"]
    ratio = float(limit) / float(request)
    return [f"{said}, but provided ratio is {ratio:.6f}"] if ratio > float(most) else []


def _amounts(amounts: Mapping[str, Any] | None) -> dict[str, Quantity]:
    return {name: parse(value) for name, value in (amounts or {}).items()}
