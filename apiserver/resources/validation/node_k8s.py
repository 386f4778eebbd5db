"""The node.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.validation.affinity import tolerations
from apiserver.resources.validation.checks import Errors, immutable, labels, quantity, text
from machinery.objects.names import is_dns_label

Object = dict[str, Any]


def runtime_class(obj: Object) -> Errors:
    errors = text("handler", obj.get("handler"), is_dns_label)
    for name, amount in ((obj.get("overhead") or {}).get("podFixed") or {}).items():
        errors += quantity(f"overhead.podFixed[{name}]", amount)[1]
    scheduling = obj.get("scheduling") or {}
    errors += labels("scheduling.nodeSelector", scheduling.get("nodeSelector"))
    return errors + tolerations("scheduling.tolerations", scheduling.get("tolerations"))


def runtime_class_update(obj: Object, old: Object) -> Errors:
    return immutable("handler", obj.get("handler"), old.get("handler"))
