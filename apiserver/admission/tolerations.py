"""DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or out of reach, unless they say other.

And TaintNodesByCondition: a new node takes no pods before it says that it is ready.
Rules: kube-apiserver `plugin/pkg/admission/defaulttolerationseconds` and `nodetaint`.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin

Object = dict[str, Any]

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
_SECONDS = 300


class DefaultTolerationSeconds(Plugin):
    """See the module."""

    name = "DefaultTolerationSeconds"

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE") and request.resource == "pods"

    async def mutate(self, request: AdmissionRequest) -> None:
        assert request.obj is not None  # it is no deletion
        spec = request.obj["spec"]
        tolerations: list[Object] = spec.get("tolerations") or []
        added = [_toleration(key) for key in (NOT_READY, UNREACHABLE) if not _tolerates(tolerations, key)]
        if added:
            spec["tolerations"] = [*tolerations, *added]


class TaintNodesByCondition(Plugin):
    """See the module."""

    name = "TaintNodesByCondition"

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource == "nodes"

    async def mutate(self, request: AdmissionRequest) -> None:
        assert request.obj is not None  # a creation has an object
        spec = request.obj.setdefault("spec", {})
        taints = spec.get("taints") or []
        taint = {"key": NOT_READY, "effect": "NoSchedule"}
        if not any(each.get("key") == NOT_READY and each.get("effect") == "NoSchedule" for each in taints):
            spec["taints"] = [*taints, taint]


def _tolerates(tolerations: list[Object], key: str) -> bool:
    return any(
        each.get("key") in (key, "", None) and each.get("effect") in ("NoExecute", "", None) for each in tolerations
    )


def _toleration(key: str) -> Object:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS}
