"""The steps by which what is stored is replaced, whichever verb does it (update, a patch, a scale)."""

from __future__ import annotations

from typing import Any

from apiserver.admission.api import AdmissionRequest
from apiserver.storage.store import Removed, Stored
from apiserver.verbs.context import RequestContext
from apiserver.verbs.managed import record
from apiserver.verbs.owners import keep_each_once
from apiserver.verbs.parts import Parts
from apiserver.verbs.validate import check_change
from machinery.errors import STALE, FieldError, conflict, invalid

Object = dict[str, Any]

_SET_BY_SERVER = ("creationTimestamp", "deletionTimestamp")
_SET_ONCE = ("uid", "deletionGracePeriodSeconds")


async def changed(
    parts: Parts, context: RequestContext, new: Object, stored: Stored, *, managed: bool = False
) -> Object:
    """What is to be stored when `new`, which the caller gives away, replaces what is stored.

    managed: whether managedFields are right already (an apply). Raises Removed when this write takes the last finalizer
    off an object that waits for removal; Conflict, Invalid, and what admission says."""
    spec, strategy, old = context.spec, context.spec.strategy, stored.obj
    _check_versions(context, new, stored)
    keep_each_once(context, new)
    if spec.structural is not None or _touched(new, old, context.subresource):
        strategy.default(new)  # what is stored has its defaults
    _keep_system_fields(new, old)
    match context.subresource:
        case "" | "scale":
            strategy.prepare_update(context, new, old)
        case "status":
            strategy.prepare_status_update(context, new, old)
        case _:
            strategy.prepare_subresource(context, new, old)
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    if not managed:
        new = record(parts, context, old, new)
    if new == old:
        return new
    request = AdmissionRequest(context, "UPDATE", new, old)
    admitted = False
    try:
        await parts.admission.mutate(request)
        check_change(context, new, old)
        if context.subresource in ("", "scale"):
            for warning in strategy.warnings(new):
                context.warn(warning)
        parts.guard.check(context, new, old)
        await parts.admission.validate(request)
        admitted = not context.dry_run
    finally:
        if not admitted:
            request.failed()
    if removable(spec.strategy.holds_back(new), new):
        raise Removed(new)
    return new


def _touched(new: Object, old: Object, subresource: str) -> bool:
    """Whether the write is about anything but metadata and status."""
    if subresource == "status":
        return False
    return any(new.get(key) != old.get(key) for key in {*new, *old} - {"metadata", "status"})


def removable(held_back: bool, obj: Object) -> bool:
    """Whether nothing holds back an object whose deletion was asked for."""
    metadata = obj["metadata"]
    waits = metadata.get("deletionGracePeriodSeconds") not in (None, 0)
    return bool(metadata.get("deletionTimestamp")) and not metadata.get("finalizers") and not waits and not held_back


def _check_versions(context: RequestContext, new: Object, stored: Stored) -> None:
    metadata, current = new["metadata"], stored.obj["metadata"]
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and uid != current.get("uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.get('uid')}"
        raise conflict(context.spec.gvr, context.name, why)
    if not version or version == "0":
        if context.spec.strategy.allow_unconditional_update or context.verb == "patch":
            return
        message = "Invalid value: 0x0: must be specified for an update"
        error = FieldError("metadata.resourceVersion", "FieldValueInvalid", message)
        raise invalid(context.spec.gvk, context.name, [error])
    if version != str(stored.revision):
        raise conflict(context.spec.gvr, context.name, STALE)


def _keep_system_fields(new: Object, old: Object) -> None:
    """What nobody changes by writing the object: timestamps that it had stay, whatever the writer says; the rest is
    filled in where the writer leaves it out, and another value is an error that validation reports."""
    metadata, before = new["metadata"], old["metadata"]
    metadata.pop("selfLink", None)
    for field in _SET_BY_SERVER:
        if field in before:
            metadata[field] = before[field]
    for field in _SET_ONCE:
        if field in before and not metadata.get(field):
            metadata[field] = before[field]
    metadata["generation"] = before.get("generation", 0)
    if not metadata["generation"]:
        del metadata["generation"]
