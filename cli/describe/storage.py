"""Volumes of the cluster, claims to them, and the classes of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import NONE, Text, joined, labels, moment, title
from cli.describe.volumes import access, claim, source, storage_class
from machinery.objects import timefmt

Object = Mapping[str, Any]

DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def persistent_volume(text: Text, obj: Object, seen: Seen) -> None:
    about, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    basics.metadata(text, obj)
    text.field("Finalizers", about.get("finalizers") or [])
    text.field("StorageClass", storage_class(obj))
    text.field("Status", _phase(obj, seen))
    ref = spec.get("claimRef")
    text.field("Claim", f"{ref.get('namespace', '')}/{ref.get('name', '')}" if ref else "")
    text.field("Reclaim Policy", spec.get("persistentVolumeReclaimPolicy", ""))
    text.field("Access Modes", access(spec.get("accessModes")))
    text.given("VolumeMode", spec.get("volumeMode"))
    text.field("Capacity", basics.quantity((spec.get("capacity") or {}).get("storage")))
    required = (spec.get("nodeAffinity") or {}).get("required")
    text.field("Node Affinity", NONE if required is None else "")
    if required is not None:
        terms = required.get("nodeSelectorTerms") or ()
        text.field("Required Terms", "" if terms else NONE, level=1)
        _terms(text, [each.get("matchExpressions") or () for each in terms], level=2)
    text.field("Message", status.get("message", ""))
    text.head("Source")
    source(text, spec)


def _phase(obj: Object, seen: Seen) -> str:
    deleted = obj["metadata"].get("deletionTimestamp")
    phase = (obj.get("status") or {}).get("phase", "")
    return f"Terminating (lasts {timefmt.age(deleted, seen.now)})" if deleted else phase


def _terms(text: Text, terms: Iterable[Sequence[Object]], *, level: int) -> None:
    for index, term in enumerate(terms):
        text.items(f"Term {index}", map(_requirement, term), level=level)


def _requirement(each: Object) -> str:
    values = f" [{', '.join(each['values'])}]" if each.get("values") else ""
    return f"{each['key']} {each.get('operator', 'In').lower()}{values}"


def persistent_volume_claim(text: Text, obj: Object, seen: Seen) -> None:
    basics.name(text, obj)
    claim(text, {**obj, "status": {**(obj.get("status") or {}), "phase": _phase(obj, seen)}}, whole=True)
    text.items("Used By", sorted(each["metadata"]["name"] for each in seen.pods or () if _uses(each, obj)))
    listed = (obj.get("status") or {}).get("conditions") or ()
    if listed:
        text.head("Conditions")
        text.line("Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage", level=1)
        text.line("----\t------\t-----------------\t------------------\t------\t-------", level=1)
    for each in listed:
        times = [moment(each.get("lastProbeTime")), moment(each.get("lastTransitionTime"))]
        cells = [f"{cell} " for cell in (each["type"], each["status"], *times, each.get("reason", ""))]
        text.line("\t".join([*cells, each.get("message", "")]), level=1)


def _uses(pod: Object, obj: Object) -> bool:
    """Whether the pod mounts the claim, or the claim was made for one of the pod's own volumes."""
    about = obj["metadata"]
    mounted = [volume.get("persistentVolumeClaim") or {} for volume in pod["spec"].get("volumes") or ()]
    owners = [owner.get("uid") for owner in about.get("ownerReferences") or () if owner.get("kind") == "Pod"]
    return any(each.get("claimName") == about["name"] for each in mounted) or pod["metadata"]["uid"] in owners


def storage(text: Text, obj: Object, seen: Seen) -> None:
    """A StorageClass."""
    notes = obj["metadata"].get("annotations") or {}
    text.field("Name", obj["metadata"]["name"])
    text.field("IsDefaultClass", "Yes" if any(notes.get(key) == "true" for key in DEFAULT_CLASS) else "No")
    text.field("Annotations", labels(notes))
    text.field("Provisioner", obj.get("provisioner", ""))
    text.field("Parameters", labels(obj.get("parameters")))
    text.field("AllowVolumeExpansion", title(obj.get("allowVolumeExpansion")))
    options = obj.get("mountOptions") or ()
    text.head("MountOptions") if options else text.field("MountOptions", NONE)
    for option in options:
        text.line(option, level=1)
    text.given("ReclaimPolicy", obj.get("reclaimPolicy"))
    text.given("VolumeBindingMode", obj.get("volumeBindingMode"))
    topologies = obj.get("allowedTopologies")
    if topologies is not None:
        text.field("AllowedTopologies", "" if topologies else NONE)
        _terms(text, [each.get("matchLabelExpressions") or () for each in topologies], level=1)


def volume_attributes(text: Text, obj: Object, seen: Seen) -> None:
    """A VolumeAttributesClass."""
    text.field("Name", obj["metadata"]["name"])
    text.field("Annotations", labels(obj["metadata"].get("annotations")))
    text.field("DriverName", obj.get("driverName", ""))
    text.field("Parameters", labels(obj.get("parameters")))


def csi_node(text: Text, obj: Object, seen: Seen) -> None:
    basics.metadata(text, obj)
    basics.created(text, obj)
    text.head("Spec")
    drivers = obj["spec"].get("drivers")
    if drivers is not None:
        text.head("Drivers", level=1)
    for each in drivers or ():
        text.head(each["name"], level=2)
        text.field("Node ID", each["nodeID"], level=3)
        if (each.get("allocatable") or {}).get("count") is not None:
            text.head("Allocatables", level=3)
            text.field("Count", each["allocatable"]["count"], level=4)
        if each.get("topologyKeys") is not None:
            text.field("Topology Keys", f"[{joined(each['topologyKeys'], ' ')}]", level=3)
