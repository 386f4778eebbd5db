"""Keeps the status of ResourceQuotas: what of each limit is used.

Admission counts for itself before it lets anything in; the status is for people. Which resources have to be followed
is known only from the quotas' limits (`count/deployments.apps`), so they are followed as limits name them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from machinery.client.api import Object
from machinery.client.discovery import discover
from machinery.client.resources import PERSISTENT_VOLUME_CLAIMS, PODS, RESOURCE_QUOTAS, SERVICES
from machinery.controller.reconcile import DONE, Outcome
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import NotFound
from machinery.informer import Change, Informers
from machinery.objects import meta, pod, workload
from machinery.objects.gvk import GVR
from machinery.objects.quantity import Quantity, parse
from machinery.objects.quota_usage import ZERO, charged, scoped, usage_of

FOLLOWED = (PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS)
"""What has limits by other names than its own."""
COUNT = "count/"
COMPUTE = ("cpu", "memory", "ephemeral-storage")
"""Limits without a dot that name no resource of the API."""


def quotas_of(change: Change, informers: Informers) -> Iterable[str]:
    """The quotas of the namespace that limit this resource, when an object came, went, or uses another amount."""
    old, new, resource = change.old, change.new, change.resource
    if old is not None and new is not None:
        if resource != PODS and resource not in FOLLOWED:
            return ()
        if resource == PODS and pod.is_terminal(old) == pod.is_terminal(new) and pod.spec(old) == pod.spec(new):
            return ()
        if resource != PODS and workload.spec(old) == workload.spec(new):
            return ()
    held = informers.store(RESOURCE_QUOTAS).in_namespace(meta.namespace(change.object))
    return [meta.key(quota) for quota in held if charged(quota, resource)]


def limited_names(hard: Mapping[str, str]) -> set[str]:
    """The resources, as `resource.group`, that the limits count one by one."""
    found = set()
    for key in hard:
        name = key.removeprefix(COUNT)
        if key != name or ("." not in name and "/" not in name and name not in COMPUTE):
            found.add(name)
    return found


def used(quota: Object, hard: Mapping[str, Quantity], objects: Mapping[GVR, Iterable[Object]]) -> dict[str, str]:
    """What of each limit is used; 0 for what nothing uses."""
    total = dict.fromkeys(hard, ZERO)
    for resource, of_kind in objects.items():
        for each in of_kind:
            if not scoped(quota, resource, each):
                continue
            for key, amount in usage_of(resource, each).items():
                if key in total:
                    total[key] = total[key] + amount
    return {key: str(amount) for key, amount in total.items()}


class ResourceQuotas:
    """The reconciler."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._informers = context.informers
        self._follow = context.follow
        self._quotas = context.informers.store(RESOURCE_QUOTAS)
        self._served: dict[str, GVR] = {each.group_resource: each for each in FOLLOWED}

    async def reconcile(self, key: str) -> Outcome:
        quota = self._quotas.get(key)
        if quota is None or meta.is_deleting(quota):
            return DONE
        limits: Mapping[str, str] = workload.spec(quota).get("hard") or {}
        resources = {*FOLLOWED, *(await self._resources(limited_names(limits)))}
        namespace = meta.namespace(quota)
        objects = {each: self._informers.store(each).in_namespace(namespace) for each in resources}
        hard = {name: parse(amount) for name, amount in limits.items()}
        status = {"hard": {name: str(amount) for name, amount in hard.items()}, "used": used(quota, hard, objects)}
        if status == workload.status(quota):
            return DONE
        try:
            await self._client.update(RESOURCE_QUOTAS, {**quota, "status": status}, subresource="status")
        except NotFound:
            return DONE
        return DONE

    async def _resources(self, names: Iterable[str]) -> set[GVR]:
        """The resources of these names that are served, followed from now on."""
        unknown = [name for name in names if name not in self._served]
        if unknown:
            for each in (await discover(self._client)).preferred():
                if each.namespaced and {"list", "watch"} <= each.verbs:
                    self._served.setdefault(each.resource.group_resource, each.resource)
        found = {self._served[name] for name in names if name in self._served}
        for resource in found:
            await self._follow(Watch(resource, quotas_of))
        return found


SPEC = ControllerSpec(
    "resourcequota",
    make=ResourceQuotas,
    aliases=("resource-quota",),
    description="Counts what namespaces use of their quotas",
    watches=(Watch(RESOURCE_QUOTAS), *(Watch(resource, quotas_of) for resource in FOLLOWED)),
)
