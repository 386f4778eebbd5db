"""NodeRestriction: a node's agent writes its own node, the pods on it, and its own lease; nothing of its neighbours'.

Rules and texts: kube-apiserver `plugin/pkg/admission/noderestriction`.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.storage.caches import WatchCaches
from machinery.errors import ApiError, forbidden
from machinery.objects import meta
from machinery.objects import pod as pods
from machinery.objects.gvk import GVR

Object = dict[str, Any]

PODS = GVR("", "v1", "pods")
_USER = "system:node:"
_GROUP = "system:nodes"
_RESTRICTED_PREFIX = "node-restriction.kubernetes.io/"
_LEASES_IN = "kube-node-lease"


class NodeRestriction(Plugin):
    """See the module."""

    name = "NodeRestriction"

    def __init__(self, caches: WatchCaches) -> None:
        self._caches = caches

    def wants(self, request: AdmissionRequest) -> bool:
        return _GROUP in request.context.user.groups

    async def validate(self, request: AdmissionRequest) -> None:
        user = request.context.user.name
        node = user.removeprefix(_USER) if user.startswith(_USER) else ""
        if not node:
            raise _refused(request, f'could not determine node from user "{user}"')
        match request.resource:
            case "pods":
                self._pod(request, node)
            case "pods/status":
                if pods.node_name(request.old or {}) != node:
                    raise _refused(
                        request, f"node {_q(node)} can only update pod status for pods with spec.nodeName set to itself"
                    )
            case "pods/eviction":
                await self._eviction(request, node)
            case "nodes" | "nodes/status":
                _node(request, node)
            case "serviceaccounts/token":
                await self._token(request, node)
            case "leases.coordination.k8s.io":
                _lease(request, node)
            case "csinodes.storage.k8s.io":
                if _name(request) != node:
                    raise _refused(request, "can only access CSINode with the same name as the requesting node")
            case _:
                return

    def _pod(self, request: AdmissionRequest, node: str) -> None:
        match request.operation:
            case "CREATE":
                pod = request.obj or {}
                if not pods.is_mirror(pod):
                    raise _refused(request, f"pod does not have {_q(pods.MIRROR_ANNOTATION)} annotation, "
                                            f"node {_q(node)} can only create mirror pods")  # fmt: skip
                if pods.node_name(pod) != node:
                    raise _refused(request, f"node {_q(node)} can only create pods with spec.nodeName set to itself")
            case "DELETE":
                if pods.node_name(request.old or {}) != node:
                    raise _refused(request, f"node {_q(node)} can only delete pods with spec.nodeName set to itself")
            case _:
                raise _refused(request, f"unexpected operation {_q(request.operation)}, node {_q(node)} can only "
                                        "create and delete mirror pods")  # fmt: skip

    async def _eviction(self, request: AdmissionRequest, node: str) -> None:
        pod = await self._caches.fetch(PODS, request.namespace, request.context.name)
        if pod is not None and pods.node_name(pod) != node:
            raise _refused(request, f"node {_q(node)} can only evict pods with spec.nodeName set to itself")

    async def _token(self, request: AdmissionRequest, node: str) -> None:
        ref = ((request.obj or {}).get("spec") or {}).get("boundObjectRef") or {}
        if ref.get("kind") != "Pod" or ref.get("apiVersion", "v1") != "v1" or not ref.get("name"):
            raise _refused(request, "node requested token not bound to a pod")
        pod = self._caches.get(PODS, request.namespace, ref["name"])
        pod = pod or await self._caches.fetch(PODS, request.namespace, ref["name"])
        if pod is None or (ref.get("uid") and ref["uid"] != meta.uid(pod)):
            raise _refused(request, "node requested token bound to a pod that does not exist")
        if pods.node_name(pod) != node:
            raise _refused(request, "node requested token bound to a pod scheduled on a different node")


def _node(request: AdmissionRequest, node: str) -> None:
    name = _name(request)
    if name != node:
        raise _refused(request, f"node {_q(node)} is not allowed to modify node {_q(name)}")
    new, old = request.obj, request.old
    if request.operation == "CREATE" and new is not None:
        if (new.get("spec") or {}).get("configSource"):
            raise _refused(request, f"node {_q(node)} is not allowed to create pods with a non-nil configSource")
        bad = sorted(key for key in meta.labels(new) if _is_restricted(key))
        if bad:
            raise _refused(request, f"node {_q(node)} is not allowed to set the following labels: {', '.join(bad)}")
    elif request.operation == "UPDATE" and new is not None and old is not None:
        if (new.get("spec") or {}).get("taints") != (old.get("spec") or {}).get("taints"):
            raise _refused(request, f"node {_q(node)} is not allowed to modify taints")
        before, after = meta.labels(old), meta.labels(new)
        bad = sorted(key for key in {*before, *after} if before.get(key) != after.get(key) and _is_restricted(key))
        if bad:
            raise _refused(request, f"is not allowed to modify labels: {', '.join(bad)}")
        if meta.owner_references(new) != meta.owner_references(old):
            raise _refused(request, f"node {_q(node)} is not allowed to modify ownerReferences")


def _lease(request: AdmissionRequest, node: str) -> None:
    if request.namespace != _LEASES_IN:
        raise _refused(request, f'can only access leases in the "{_LEASES_IN}" system namespace')
    if _name(request) != node:
        raise _refused(request, "can only access node lease with the same name as the requesting node")


def _is_restricted(key: str) -> bool:
    """Labels that nobody may set for a node but its administrator."""
    domain = key.partition("/")[0] + "/"
    return domain == _RESTRICTED_PREFIX or domain.endswith("." + _RESTRICTED_PREFIX)


def _name(request: AdmissionRequest) -> str:
    return request.context.name or meta.name(request.obj or {})


def _q(text: str) -> str:
    return f'"{text}"'


def _refused(request: AdmissionRequest, why: str) -> ApiError:
    return forbidden(request.spec.gvr, _name(request), why)
