"""ResourceQuota: what a namespace may hold in all.

What is used is counted here, from the caches, with what other requests are about to add: a controller's
`status.used` may lag. Rules and texts: kube-apiserver `plugin/pkg/admission/resourcequota`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.storage.caches import WatchCaches
from machinery.errors import forbidden
from machinery.objects import meta
from machinery.objects.gvk import GVR
from machinery.objects.quantity import Quantity, parse
from machinery.objects.quota_usage import ZERO, Usage, charged, missing, scoped, usage_of

Object = dict[str, Any]

QUOTAS = GVR("", "v1", "resourcequotas")


class ResourceQuota(Plugin):
    """See the module."""

    name = "ResourceQuota"

    def __init__(self, caches: WatchCaches) -> None:
        self._caches = caches
        self._underway: dict[str, tuple[GVR, Object]] = {}

    def wants(self, request: AdmissionRequest) -> bool:
        if request.context.subresource or not request.spec.namespaced or request.context.dry_run:
            return False
        if request.operation == "UPDATE":
            return request.spec.gvr.resource in ("persistentvolumeclaims", "services")
        return request.operation == "CREATE" and request.spec.gvr != QUOTAS

    async def validate(self, request: AdmissionRequest) -> None:
        obj = request.obj
        assert obj is not None  # it is no deletion
        quotas = [
            quota
            for quota in self._caches.list(QUOTAS, request.namespace)
            if charged(quota, request.spec.gvr) and scoped(quota, request.spec.gvr, obj)
        ]
        if not quotas:
            return
        await self._caches.fresh(request.spec)
        added = usage_of(request.spec.gvr, obj)
        before = usage_of(request.spec.gvr, request.old) if request.old else {}
        # No await from here on: counting and being counted are one step.
        for quota in quotas:
            self._check(request, quota, added, before)
        uid = meta.uid(obj)
        self._underway[uid] = (request.spec.gvr, obj)
        request.rollbacks.append(lambda: self._underway.pop(uid, None))

    def _check(self, request: AdmissionRequest, quota: Object, added: Usage, before: Usage) -> None:
        obj, name = request.obj or {}, meta.name(quota)
        hard = {key: parse(value) for key, value in ((quota.get("spec") or {}).get("hard") or {}).items()}
        lacking = missing(request.spec.gvr, obj, hard)
        if lacking:
            raise forbidden(request.spec.gvr, meta.name(obj), f"failed quota: {name}: must specify {lacking}")
        growing = {key: value for key, value in added.items() if key in hard and value > before.get(key, ZERO)}
        if not growing:
            return
        used = self._used(request.spec.gvr, quota, request.namespace, but=meta.uid(obj))
        over = sorted(key for key, value in growing.items() if used.get(key, ZERO) + value > hard[key])
        if over:
            why = (
                f"exceeded quota: {name}, requested: {_listed(over, growing)}, "
                f"used: {_listed(over, used)}, limited: {_listed(over, hard)}"
            )
            raise forbidden(request.spec.gvr, meta.name(obj), why)

    def _used(self, resource: GVR, quota: Object, namespace: str, *, but: str) -> Usage:
        present = {meta.uid(each): each for each in self._caches.list(resource, namespace)}
        for uid, (kind, obj) in tuple(self._underway.items()):
            if uid in present:
                del self._underway[uid]
            elif kind == resource and meta.namespace(obj) == namespace:
                present[uid] = obj
        total: dict[str, Quantity] = {}
        for uid, obj in present.items():
            if uid != but and scoped(quota, resource, obj):
                for key, value in usage_of(resource, obj).items():
                    total[key] = total.get(key, ZERO) + value
        return total


def _listed(keys: list[str], amounts: Mapping[str, Quantity]) -> str:
    return ",".join(f"{key}={amounts.get(key, ZERO)}" for key in keys)
