"""The storage.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.columns.build import AGE, NAME, UNSET, at, count, number, text, truth
from machinery.objects import meta

Object = dict[str, Any]

_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _name(storage_class: Object) -> str:
    annotations = meta.annotations(storage_class)
    default = any(annotations.get(key) == "true" for key in _DEFAULT)
    return f"{meta.name(storage_class)} (default)" if default else meta.name(storage_class)


def _tokens(driver: Object) -> str:
    return ",".join(each.get("audience") or "" for each in at("spec", "tokenRequests", default=())(driver)) or UNSET


STORAGE_CLASS = (
    text("Name", "The class's name.", _name, format="name"),
    text("Provisioner", "What makes the volumes.", at("provisioner")),
    text("ReclaimPolicy", "What happens to a volume without its claim.", at("reclaimPolicy", default="Delete")),
    text("VolumeBindingMode", "When a claim gets its volume.", at("volumeBindingMode", default="Immediate")),
    truth("AllowVolumeExpansion", "Whether claims can grow.", at("allowVolumeExpansion", default=False)),
    AGE,
)
CSI_DRIVER = (
    NAME,
    truth("AttachRequired", "Whether volumes are attached first.", at("spec", "attachRequired", default=True)),
    truth("PodInfoOnMount", "Whether the driver hears of the pod.", at("spec", "podInfoOnMount", default=False)),
    truth("StorageCapacity", "Whether the driver tells its capacity.", at("spec", "storageCapacity", default=False)),
    text("TokenRequests", "The audiences of the tokens that the driver gets.", _tokens),
    truth("RequiresRepublish", "Whether mounts are refreshed.", at("spec", "requiresRepublish", default=False)),
    text("Modes", "The lifecycles of volumes.", lambda o: ",".join(at("spec", "volumeLifecycleModes", default=())(o))),
    AGE,
)
CSI_NODE = (NAME, number("Drivers", "How many drivers the node has.", count("spec", "drivers")), AGE)
ATTACHMENT = (
    NAME,
    text("Attacher", "The driver that attaches.", at("spec", "attacher")),
    text("PV", "The volume.", at("spec", "source", "persistentVolumeName")),
    text("Node", "The node.", at("spec", "nodeName")),
    truth("Attached", "Whether the volume is attached.", at("status", "attached", default=False)),
    AGE,
)
ATTRIBUTES_CLASS = (NAME, text("DriverName", "The driver.", at("driverName")), AGE)
