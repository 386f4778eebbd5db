"""Keeps the Endpoints object of each Service that selects pods: the older way to say what stands behind it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from controllermgr.controllers import service_pods
from machinery.client.api import Object
from machinery.client.resources import ENDPOINTS, PODS, SERVICES
from machinery.controller.expectations import Expectations
from machinery.controller.pace import Pace
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import AlreadyExists, ApiError, NotFound
from machinery.objects import meta, pod, workload

CAPACITY = 1000
"""Addresses in one Endpoints object at most; the rest are left out and the object says so."""
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


def subsets(service: Object, pods: Iterable[Object]) -> list[Object]:
    """`subsets` of the Endpoints: addresses with the same ports together, the ready ones apart from the others."""
    anyway = bool(workload.spec(service).get("publishNotReadyAddresses"))
    family = service_pods.families(service)[0]
    groups: dict[str, Object] = {}
    for each in service_pods.matching(service, pods):
        ip = service_pods.address_of(each, family)
        if not ip or not service_pods.reachable(each, terminating=anyway):
            continue
        ports = [
            {key: value for key, value in port.items() if value != ""} for port in service_pods.ports_in(each, service)
        ]
        if not ports and workload.spec(service).get("ports"):
            continue
        address: Object = {"ip": ip, "targetRef": service_pods.target_ref(each)}
        if pod.node_name(each):
            address["nodeName"] = pod.node_name(each)
        if name := service_pods.hostname_of(each, service):
            address["hostname"] = name
        group = groups.setdefault(json.dumps(ports), {"addresses": [], "notReadyAddresses": [], "ports": ports})
        group["addresses" if anyway or pod.is_ready(each) else "notReadyAddresses"].append(address)
    found = []
    for _, group in sorted(groups.items()):
        for field in ("addresses", "notReadyAddresses"):
            group[field].sort(key=lambda address: address["ip"])
        found.append({key: value for key, value in group.items() if value})
    return found


def size(found: list[Object]) -> int:
    """Addresses in all subsets."""
    return sum(len(each.get(field) or ()) for each in found for field in ("addresses", "notReadyAddresses"))


def truncated(found: list[Object]) -> tuple[list[Object], bool]:
    """At most CAPACITY addresses, ready ones first; whether any were left out."""
    if size(found) <= CAPACITY:
        return found, False
    room = CAPACITY
    kept = [dict(each) for each in found]
    for field in ("addresses", "notReadyAddresses"):
        for each in kept:
            if field in each:
                each[field] = each[field][:room]
                room -= len(each[field])
                if not each[field]:
                    del each[field]
    return [each for each in kept if "addresses" in each or "notReadyAddresses" in each], True


class EndpointsLoop:
    """The reconciler. Keys are Services'."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._recorder = context.recorder
        self._services = context.informers.store(SERVICES)
        self._pods = context.informers.store(PODS)
        self._endpoints = context.informers.store(ENDPOINTS)
        self._own_writes = Expectations(self._endpoints, context.clock)
        self._pace = Pace(context.clock)

    async def reconcile(self, key: str) -> Outcome:
        namespace, name = meta.split_key(key)
        service = self._services.get(key)
        if service is None:
            self._own_writes.forget(key)
            self._pace.forget(key)
            if key in self._endpoints and self._ours(key):
                try:
                    await self._client.delete(ENDPOINTS, name, namespace=namespace)
                except NotFound:
                    return DONE
            return DONE
        if not service_pods.selector(service) or not self._own_writes.satisfied(key):
            return DONE
        if wait := self._pace.wait(key):
            return RequeueAfter(wait)
        found, cut = truncated(subsets(service, self._pods.in_namespace(namespace)))
        current = self._endpoints.get(key)
        wanted = self._wanted(service, current, found, cut=cut)
        if current is not None and _same(current, wanted):
            return DONE
        try:
            if current is None:
                written = await self._client.create(ENDPOINTS, wanted)
            else:
                written = await self._client.update(ENDPOINTS, wanted)
        except AlreadyExists:
            raise
        except ApiError as error:
            if any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ()):
                return DONE
            verb = "create" if current is None else "update"
            reason = f"FailedTo{verb.capitalize()}Endpoint"
            self._recorder.warning(service, reason, f"Failed to {verb} endpoint {key}: {error.message}")
            raise
        self._own_writes.wrote(key, written)
        self._pace.wrote(key, size(found))
        return DONE

    def _ours(self, key: str) -> bool:
        current = self._endpoints.get(key)
        return current is not None and meta.label(current, MANAGED_BY) == MANAGER

    def _wanted(self, service: Object, current: Object | None, found: list[Object], *, cut: bool) -> Object:
        labels = {**meta.labels(service), MANAGED_BY: MANAGER}
        if service_pods.is_headless(service):
            labels[service_pods.HEADLESS_LABEL] = ""
        else:
            labels.pop(service_pods.HEADLESS_LABEL, None)
        base: Object = current or {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": meta.name(service), "namespace": meta.namespace(service)},
        }
        wanted = meta.with_annotations(base, {OVER_CAPACITY: "truncated" if cut else None})
        wanted = {**wanted, "metadata": {**meta.metadata(wanted), "labels": labels}}
        if found:
            wanted["subsets"] = found
        else:
            wanted.pop("subsets", None)
        return wanted


def _same(current: Object, wanted: Object) -> bool:
    return (
        (current.get("subsets") or []) == (wanted.get("subsets") or [])
        and meta.labels(current) == meta.labels(wanted)
        and meta.annotations(current) == meta.annotations(wanted)
    )


SPEC = ControllerSpec(
    "endpoints",
    make=EndpointsLoop,
    aliases=("endpoint",),
    component="endpoint-controller",
    description="Lists the addresses behind each Service in its Endpoints",
    watches=(Watch(SERVICES), Watch(PODS, service_pods.services_of), Watch(ENDPOINTS)),
)
