"""NamespaceLifecycle: nothing is made in a namespace that does not exist or is ending, and the system's own stay.

Rules and texts: k8s.io/apiserver `admission/plugin/namespace/lifecycle`.
"""

from __future__ import annotations

from actors import Clock
from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.storage.caches import WatchCaches
from machinery.errors import ApiError, Forbidden, forbidden, not_found
from machinery.objects.gvk import GVR

NAMESPACES = GVR("", "v1", "namespaces")
IMMORTAL = ("default", "kube-system", "kube-public")
LIVE_SECONDS = 30.0
"""How long after a deletion a namespace is read from the store itself: the cache may not have heard of it yet."""
_ALLOWED_WHILE_ENDING = ("localsubjectaccessreviews", "tokenreviews")


class NamespaceLifecycle(Plugin):
    """See the module."""

    name = "NamespaceLifecycle"

    def __init__(self, caches: WatchCaches, clock: Clock) -> None:
        self._caches = caches
        self._clock = clock
        self._deleted: dict[str, float] = {}
        """Namespace -> until when it is read from the store itself, in the order of these times."""

    def wants(self, request: AdmissionRequest) -> bool:
        if request.operation == "DELETE":
            return request.spec.gvr == NAMESPACES
        return request.operation == "CREATE" and request.spec.namespaced and bool(request.namespace)

    async def mutate(self, request: AdmissionRequest) -> None:
        if request.operation == "DELETE":
            if request.context.name in IMMORTAL:
                raise forbidden(NAMESPACES, request.context.name, "this namespace may not be deleted")
            self._forget_old()
            self._deleted.pop(request.context.name, None)
            self._deleted[request.context.name] = self._clock.monotonic() + LIVE_SECONDS
            return
        if request.spec.gvr.resource in _ALLOWED_WHILE_ENDING:
            return
        await self._check_alive(request)

    async def _check_alive(self, request: AdmissionRequest) -> None:
        self._forget_old()
        namespace = None
        if request.namespace not in self._deleted:
            namespace = self._caches.get(NAMESPACES, "", request.namespace)
        if namespace is None:
            # It may be younger than the cache.
            namespace = await self._caches.fetch(NAMESPACES, "", request.namespace)
        if namespace is None:
            raise not_found(NAMESPACES, request.namespace)
        if (namespace.get("status") or {}).get("phase") == "Terminating":
            raise _ending(request)

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        while self._deleted and next(iter(self._deleted.values())) <= now:
            del self._deleted[next(iter(self._deleted))]


def _ending(request: AdmissionRequest) -> ApiError:
    name = (request.obj or {}).get("metadata", {}).get("name", "")
    why = f"unable to create new content in namespace {request.namespace} because it is being terminated"
    error: Forbidden = forbidden(request.spec.gvr, name, why)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {request.namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return Forbidden(error.message, details={**error.details, "causes": [cause]})
