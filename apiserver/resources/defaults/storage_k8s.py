"""The storage.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill, section

Object = dict[str, Any]


def storage_class(obj: Object) -> None:
    fill(obj, "reclaimPolicy", "Delete")
    fill(obj, "volumeBindingMode", "Immediate")


def csi_driver(obj: Object) -> None:
    spec = section(obj, "spec")
    fill(spec, "attachRequired", True)
    fill(spec, "podInfoOnMount", False)
    fill(spec, "storageCapacity", False)
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType")
    fill(spec, "requiresRepublish", False)
    fill(spec, "seLinuxMount", False)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]
