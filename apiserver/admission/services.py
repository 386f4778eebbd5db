"""ServiceAddresses: cluster IPs and node ports, which all services share.

Upstream does this below admission; here it is the last mutation before validation. What is chosen is held until the
service shows up in the cache or the write has failed, so that two services being made never get the same address.
"""

from __future__ import annotations

from ipaddress import ip_network
from random import Random
from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.config import Config
from apiserver.resources.services import ServiceRanges, allocate, taken
from apiserver.storage.caches import WatchCaches
from machinery.errors import invalid
from machinery.objects import meta
from machinery.objects.gvk import GVR

Object = dict[str, Any]

SERVICES = GVR("", "v1", "services")


class ServiceAddresses(Plugin):
    """See the module."""

    name = "ServiceAddresses"

    def __init__(self, config: Config, caches: WatchCaches, randomness: Random) -> None:
        low, high = config.service_node_port_range
        self._ranges = ServiceRanges(ip_network(config.service_cluster_ip_range), range(low, high + 1))
        self._caches = caches
        self._randomness = randomness
        self._underway: dict[str, Object] = {}

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE") and request.resource == "services"

    async def mutate(self, request: AdmissionRequest) -> None:
        service = request.obj
        assert service is not None  # it is no deletion
        uid = meta.uid(service)
        # No await from here on: what is held is read and taken in one step.
        present = list(self._caches.list(SERVICES))
        self._forget(present)
        others = [*present, *self._underway.values()]
        held = taken(others, but=uid)
        errors = allocate(service, ranges=self._ranges, held=held, randomness=self._randomness)
        if errors:
            raise invalid(request.spec.gvk, meta.name(service), errors)
        self._underway[uid] = service
        request.rollbacks.append(lambda: self._underway.pop(uid, None))

    def _forget(self, present: list[Object]) -> None:
        """What the cache has in the form that was written needs no holding any more."""
        for service in present:
            held = self._underway.get(meta.uid(service))
            if held is not None and held["spec"] == service["spec"]:
                del self._underway[meta.uid(service)]
