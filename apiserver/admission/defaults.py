"""DefaultStorageClass and DefaultIngressClass: who names no class gets the one that is marked as the default.

Of several defaults the newest counts, then the first by name, as upstream.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.storage.caches import WatchCaches
from machinery.objects import meta
from machinery.objects.gvk import GVR

Object = dict[str, Any]

STORAGE_CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")
INGRESS_CLASSES = GVR("networking.k8s.io", "v1", "ingressclasses")
_DEFAULT_STORAGE = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_DEFAULT_INGRESS = ("ingressclass.kubernetes.io/is-default-class",)
_OLD_STORAGE = "volume.beta.kubernetes.io/storage-class"
_OLD_INGRESS = "kubernetes.io/ingress.class"


class DefaultStorageClass(Plugin):
    """For persistent volume claims."""

    name = "DefaultStorageClass"

    def __init__(self, caches: WatchCaches) -> None:
        self._caches = caches

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource == "persistentvolumeclaims"

    async def mutate(self, request: AdmissionRequest) -> None:
        claim = request.obj
        assert claim is not None  # a creation has an object
        if claim["spec"].get("storageClassName") is not None or meta.annotation(claim, _OLD_STORAGE) is not None:
            return
        found = default_class(self._caches.list(STORAGE_CLASSES), _DEFAULT_STORAGE)
        if found:
            claim["spec"]["storageClassName"] = found


class DefaultIngressClass(Plugin):
    """For ingresses."""

    name = "DefaultIngressClass"

    def __init__(self, caches: WatchCaches) -> None:
        self._caches = caches

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource == "ingresses.networking.k8s.io"

    async def mutate(self, request: AdmissionRequest) -> None:
        ingress = request.obj
        assert ingress is not None  # a creation has an object
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or meta.annotation(ingress, _OLD_INGRESS) is not None:
            return
        found = default_class(self._caches.list(INGRESS_CLASSES), _DEFAULT_INGRESS)
        if found:
            spec["ingressClassName"] = found


def default_class(classes: Any, annotations: tuple[str, ...]) -> str:
    """The name of the default among these; "" when none is marked."""
    marked = [each for each in classes if any(meta.annotation(each, key) == "true" for key in annotations)]
    marked.sort(key=meta.name)
    marked.sort(key=lambda each: meta.metadata(each).get("creationTimestamp") or "", reverse=True)
    return meta.name(marked[0]) if marked else ""
