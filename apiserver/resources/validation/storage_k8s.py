"""Volumes, claims and storage classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.resources.validation.affinity import node_selector
from apiserver.resources.validation.checks import (
    POSITIVE,
    Errors,
    immutable,
    indexed,
    label_selector,
    one_of,
    quantity,
    required,
    text,
)
from apiserver.resources.validation.pod_update import difference
from apiserver.resources.validation.volumes import source
from machinery.errors import FieldError
from machinery.objects.names import is_dns_subdomain, is_label_key
from machinery.objects.quantity import QuantityError, parse

Object = dict[str, Any]

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_RECLAIM = ("Delete", "Recycle", "Retain")
_MODES = ("Block", "Filesystem")
_NOT_SOURCES = {
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
}  # fmt: skip


def claim(obj: Object) -> Errors:
    return claim_spec("spec", obj.get("spec") or {})


def claim_spec(path: str, spec: Mapping[str, Any]) -> Errors:
    """A PersistentVolumeClaim's spec, wherever it stands."""
    errors = _access_modes(f"{path}.accessModes", spec.get("accessModes"))
    errors += label_selector(f"{path}.selector", spec.get("selector"))
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    at = f"{path}.resources[storage]"
    if storage is None:
        errors.append(FieldError.required(at))
    else:
        amount, wrong = quantity(at, storage)
        errors += wrong
        if amount is not None and amount.is_zero():
            errors.append(FieldError.invalid(at, str(amount), POSITIVE))
    if spec.get("storageClassName"):
        errors += text(f"{path}.storageClassName", spec["storageClassName"], is_dns_subdomain)
    return errors + one_of(f"{path}.volumeMode", spec.get("volumeMode"), _MODES, optional=True)


def claim_update(obj: Object, old: Object) -> Errors:
    """A claim is for good once made: it is bound once, and only its size grows."""
    spec, before = obj["spec"], old["spec"]
    allowed = {**spec, "resources": before.get("resources")}
    changeable = ["volumeAttributesClassName"]
    if not before.get("volumeName"):
        changeable.append("volumeName")
    for key in changeable:
        allowed.pop(key, None)
        if key in before:
            allowed[key] = before[key]
    if allowed != before:
        return [
            FieldError.forbidden(
                "spec",
                "spec is immutable after creation except resources.requests and volumeAttributesClassName "
                f"for bound claims\n{difference(before, allowed)}",
            )
        ]
    return _shrunk(spec, before, (old.get("status") or {}).get("capacity") or {})


def _shrunk(spec: Object, before: Object, capacity: Mapping[str, Any]) -> Errors:
    now, was = (((each.get("resources") or {}).get("requests") or {}).get("storage") for each in (spec, before))
    try:
        less = now is not None and was is not None and parse(now) < parse(was)
        below = less and ("storage" not in capacity or parse(now or 0) <= parse(capacity["storage"]))
    except QuantityError:
        return []  # said already
    if below:
        return [FieldError.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")]
    return []


def volume(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = _access_modes("spec.accessModes", spec.get("accessModes"))
    capacity = spec.get("capacity") or {}
    if not capacity:
        errors.append(FieldError.required("spec.capacity"))
    elif set(capacity) != {"storage"}:
        errors.append(FieldError.not_supported("spec.capacity", capacity, ("storage",)))
    for name, value in capacity.items():
        at = f"spec.capacity[{name}]"
        amount, wrong = quantity(at, value)
        errors += wrong
        if amount is not None and amount.is_zero():
            errors.append(FieldError.invalid(at, str(amount), POSITIVE))
    errors += one_of(
        "spec.persistentVolumeReclaimPolicy", spec.get("persistentVolumeReclaimPolicy"), _RECLAIM, optional=True
    )
    errors += one_of("spec.volumeMode", spec.get("volumeMode"), _MODES, optional=True)
    sources = {key: value for key, value in spec.items() if key not in _NOT_SOURCES}
    errors += _source(sources)
    must = (spec.get("nodeAffinity") or {}).get("required")
    if must is not None:
        errors += node_selector("spec.nodeAffinity.required", must)
    elif "local" in sources:
        errors.append(FieldError.required("spec.nodeAffinity", "Local volume requires node affinity"))
    if spec.get("storageClassName"):
        errors += text("spec.storageClassName", spec["storageClassName"], is_dns_subdomain)
    return errors


def volume_update(obj: Object, old: Object) -> Errors:
    now, before = (
        {key: value for key, value in each["spec"].items() if key not in _NOT_SOURCES} for each in (obj, old)
    )
    errors: Errors = []
    if now != before:
        errors.append(
            FieldError.forbidden(
                "spec.persistentvolumesource",
                f"spec.persistentvolumesource is immutable after creation\n{difference(before, now)}",
            )
        )
    return errors + immutable("spec.volumeMode", obj["spec"].get("volumeMode"), old["spec"].get("volumeMode"))


def storage_class(obj: Object) -> Errors:
    errors = required("provisioner", obj.get("provisioner"), lambda value: is_label_key(value.lower()))
    for key in obj.get("parameters") or {}:
        if not key:
            errors.append(FieldError.invalid("parameters", key, "field must not be empty."))
    errors += one_of("reclaimPolicy", obj.get("reclaimPolicy"), ("Delete", "Retain"))
    return errors + one_of("volumeBindingMode", obj.get("volumeBindingMode"), ("Immediate", "WaitForFirstConsumer"))


def storage_class_update(obj: Object, old: Object) -> Errors:
    errors = _forbidden_changes(obj, old, ("parameters", "provisioner", "reclaimPolicy"))
    return errors + immutable("volumeBindingMode", obj.get("volumeBindingMode"), old.get("volumeBindingMode"))


def csi_driver(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors: Errors = []
    for at, mode in indexed("spec.volumeLifecycleModes", spec.get("volumeLifecycleModes")):
        errors += one_of(at, mode, ("Ephemeral", "Persistent"))
    return errors + one_of(
        "spec.fsGroupPolicy", spec.get("fsGroupPolicy"), ("File", "None", "ReadWriteOnceWithFSType"), optional=True
    )


def volume_attachment(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = required("spec.attacher", spec.get("attacher")) + required("spec.nodeName", spec.get("nodeName"))
    if not (spec.get("source") or {}).get("persistentVolumeName") and not (spec.get("source") or {}).get(
        "inlineVolumeSpec"
    ):
        errors.append(
            FieldError.required("spec.source", "must specify one of inlineVolumeSpec and persistentVolumeName")
        )
    return errors


def volume_attachment_update(obj: Object, old: Object) -> Errors:
    if obj.get("spec") != old.get("spec"):
        return [FieldError.invalid("spec", obj.get("spec"), "field is immutable")]
    return []


def attributes_class(obj: Object) -> Errors:
    return required("driverName", obj.get("driverName"))


def attributes_class_update(obj: Object, old: Object) -> Errors:
    return _forbidden_changes(obj, old, ("driverName", "parameters"))


def _forbidden_changes(obj: Object, old: Object, keys: Iterable[str]) -> Errors:
    return [
        FieldError.forbidden(key, f"updates to {key} are forbidden.") for key in keys if obj.get(key) != old.get(key)
    ]


def _access_modes(path: str, modes: list[str] | None) -> Errors:
    if not modes:
        return [FieldError.required(path, "at least 1 access mode is required")]
    errors = [FieldError.not_supported(path, mode, _ACCESS_MODES) for mode in modes if mode not in _ACCESS_MODES]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        errors.append(FieldError.forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return errors


def _source(sources: Mapping[str, Any]) -> Errors:
    """The one place that a volume's data lives in."""
    if "local" in sources:
        rest = {key: value for key, value in sources.items() if key != "local"}
        errors = [FieldError.forbidden(f"spec.{key}", "may not specify more than 1 volume type") for key in rest]
        return errors + required("spec.local.path", (sources["local"] or {}).get("path"))
    return source("spec", sources)
