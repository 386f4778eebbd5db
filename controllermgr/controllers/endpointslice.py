"""Keeps the EndpointSlices of each Service that selects pods."""

from __future__ import annotations

from collections.abc import Iterable

from controllermgr.controllers import endpointslice_plan as plan
from controllermgr.controllers import service_pods
from machinery.client.api import DeleteOptions, Object
from machinery.client.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from machinery.controller.expectations import Expectations
from machinery.controller.pace import Pace
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import ApiError, NotFound
from machinery.informer import Change, Informers
from machinery.objects import meta
from machinery.objects.node import ZONE_LABEL

BY_SERVICE = "service"


def by_service(each: Object) -> Iterable[str]:
    """Indexer: the key of the Service whose slice it is."""
    name = meta.label(each, plan.SERVICE_NAME)
    return (meta.join_key(meta.namespace(each), name),) if name else ()


def service_of(change: Change, informers: Informers) -> Iterable[str]:
    """The Service of a slice, if it is ours to keep."""
    if meta.label(change.object, plan.MANAGED_BY) != plan.MANAGER:
        return ()
    return by_service(change.object)


def services_in_moved_zone(change: Change, informers: Informers) -> Iterable[str]:
    """All Services, when a node came, went, or changed its zone; nothing else of a node shows."""
    old, new = change.old or {}, change.new or {}
    if meta.label(old, ZONE_LABEL) == meta.label(new, ZONE_LABEL):
        return ()
    return informers.store(SERVICES).keys()


class EndpointSlices:
    """The reconciler. Keys are Services'."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._recorder = context.recorder
        self._services = context.informers.store(SERVICES)
        self._pods = context.informers.store(PODS)
        self._nodes = context.informers.store(NODES)
        self._slices = context.informers.store(ENDPOINT_SLICES)
        self._own_writes = Expectations(self._slices, context.clock)
        self._pace = Pace(context.clock)

    async def reconcile(self, key: str) -> Outcome:
        service = self._services.get(key)
        if service is None or meta.is_deleting(service):
            self._own_writes.forget(key)
            self._pace.forget(key)
            return DONE  # the slices go with their owner
        if not service_pods.selector(service) or not self._own_writes.satisfied(key):
            return DONE
        if wait := self._pace.wait(key):
            return RequeueAfter(wait)
        existing = [
            each
            for each in self._slices.by_index(BY_SERVICE, key)
            if meta.label(each, plan.MANAGED_BY) == plan.MANAGER and not meta.is_deleting(each)
        ]
        families = service_pods.families(service)
        pods = self._pods.in_namespace(meta.namespace(service))
        nodes = {meta.name(node): node for node in self._nodes.values()}
        try:
            for family in families:
                groups = plan.desired(service, pods, family, nodes)
                ours = [each for each in existing if each.get("addressType") == family]
                self._pace.wrote(key, sum(len(endpoints) for _, endpoints in groups.values()))
                await self._carry_out(key, plan.plan(service, family, groups, ours))
            for each in existing:
                if each.get("addressType") not in families:
                    await self._delete(key, each)
        except ApiError as error:
            if any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ()):
                return DONE
            if error.code != 409:
                self._recorder.warning(
                    service,
                    "FailedToUpdateEndpointSlices",
                    f"Error updating Endpoint Slices for Service {key}: {error.message}",
                )
            raise
        return DONE

    async def _carry_out(self, key: str, what: plan.Plan) -> None:
        for each in what.create:
            self._own_writes.wrote(key, await self._client.create(ENDPOINT_SLICES, each))
        for each in what.update:
            self._own_writes.wrote(key, await self._client.update(ENDPOINT_SLICES, each))
        for each in what.delete:
            await self._delete(key, each)

    async def _delete(self, key: str, each: Object) -> None:
        try:
            await self._client.delete(
                ENDPOINT_SLICES,
                meta.name(each),
                namespace=meta.namespace(each),
                options=DeleteOptions(uid=meta.uid(each)),
            )
        except NotFound:
            return
        self._own_writes.deleted(key, each)


SPEC = ControllerSpec(
    "endpointslice",
    make=EndpointSlices,
    component="endpoint-slice-controller",
    description="Lists the addresses behind each Service in EndpointSlices of at most 100",
    watches=(
        Watch(SERVICES),
        Watch(PODS, service_pods.services_of),
        Watch(NODES, services_in_moved_zone),
        Watch(ENDPOINT_SLICES, service_of, indexes={BY_SERVICE: by_service}),
    ),
)
