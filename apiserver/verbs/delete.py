"""DELETE: at once, or a mark that says when and what for.

An object goes at once unless it has finalizers (its own, or those that the propagation policy adds) or its kind grants
a grace period. Then it gets a deletionTimestamp, and goes when the last finalizer is taken off (by update) or when it
is deleted again with no grace left. Rules: k8s.io/apiserver `registry/rest/delete.go` and `generic/registry/store.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from apiserver.admission.api import AdmissionRequest
from apiserver.storage.store import Outcome, Removed, Stored
from apiserver.verbs.change import removable
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.gate import enter, stored
from apiserver.verbs.parts import Parts
from machinery.errors import BadRequest, FieldError, conflict, invalid
from machinery.objects import timefmt
from machinery.objects.gvk import GVK
from machinery.schema.decode import DecodeError, decode
from machinery.schema.definitions import DELETE_OPTIONS

Object = dict[str, Any]

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_FINALIZER_OF = {"Orphan": ORPHAN, "Foreground": FOREGROUND, "Background": ""}


async def delete(parts: Parts, context: RequestContext, options: Mapping[str, Any] | None = None) -> Written:
    """See `api.Verbs.delete`."""
    enter(parts, context)
    stored(context)
    checked = check_options(parts, options)
    context.dry_run = context.dry_run or bool(checked.get("dryRun"))
    outcome, gone = await remove(parts, context, checked)
    if not gone:
        return Written(outcome.body, obj=outcome.obj)
    return Written(orjson.dumps(_success(context, outcome.obj)))


async def remove(parts: Parts, context: RequestContext, options: Mapping[str, Any]) -> tuple[Outcome, bool]:
    """Delete the object that the context names, or mark it; whether it is gone. options: checked ones."""
    gone = False

    async def change(current: Stored) -> Object:
        nonlocal gone
        gone = False
        obj = current.obj
        _check_preconditions(context, obj, options.get("preconditions") or {})
        request = AdmissionRequest(context, "DELETE", None, obj)
        await parts.admission.mutate(request)
        await parts.admission.validate(request)
        if marked := _marked(parts, context, obj, options):
            return marked
        gone = True
        raise Removed(obj)

    outcome = await parts.store.update(context.spec, context.namespace, context.name, change, dry_run=context.dry_run)
    return outcome, gone


def check_options(parts: Parts, options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The options of a deletion, decoded. Raises BadRequest and Invalid."""
    if not options:
        return {}
    document = dict(options)
    try:
        decode(parts.schemas.named(DELETE_OPTIONS), document)
    except DecodeError as error:
        raise BadRequest(f'DeleteOptions in version "v1" cannot be handled as a DeleteOptions: {error}') from None
    errors = []
    policy = document.get("propagationPolicy")
    if policy is not None and "orphanDependents" in document:
        message = "Invalid value: orphanDependents and deletionPropagation cannot be both set"
        errors.append(FieldError("propagationPolicy", "FieldValueInvalid", message))
    if policy is not None and policy not in _FINALIZER_OF:
        supported = '"Background", "Foreground", "Orphan", "nil"'
        message = f'Unsupported value: "{policy}": supported values: {supported}'
        errors.append(FieldError("propagationPolicy", "FieldValueNotSupported", message))
    if document.get("dryRun") not in (None, [], ["All"]):
        message = f'Unsupported value: {orjson.dumps(document["dryRun"]).decode()}: supported values: "All"'
        errors.append(FieldError("dryRun", "FieldValueNotSupported", message))
    if errors:
        raise invalid(GVK("meta.k8s.io", "", "DeleteOptions"), "", errors)
    return document


def _check_preconditions(context: RequestContext, obj: Object, wanted: Mapping[str, Any]) -> None:
    metadata = obj["metadata"]
    uid, version = wanted.get("uid"), wanted.get("resourceVersion")
    if uid is not None and uid != metadata.get("uid"):
        raise conflict(
            context.spec.gvr,
            context.name,
            f"the UID in the precondition ({uid}) does not match the UID in record ({metadata.get('uid')}). "
            "The object might have been deleted and then recreated",
        )
    if version is not None and version != metadata["resourceVersion"]:
        raise conflict(
            context.spec.gvr,
            context.name,
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({metadata['resourceVersion']}). The object might have been modified",
        )


def _marked(parts: Parts, context: RequestContext, obj: Object, options: Mapping[str, Any]) -> Object | None:
    """What is to be stored in place of `obj`, which the caller gives away; None when it is to be removed now."""
    strategy, metadata = context.spec.strategy, obj["metadata"]
    finalizers = _finalizers(metadata.get("finalizers") or [], strategy.orphans_by_default, options)
    grace = strategy.grace_period(obj, options.get("gracePeriodSeconds"))
    before = metadata.get("deletionGracePeriodSeconds")
    marked = bool(metadata.get("deletionTimestamp"))
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
    if not marked:
        if not grace and not finalizers and not strategy.holds_back(obj):
            return None
        _mark(parts, obj, grace or 0)
        strategy.deletion_begins(obj)
        return obj
    if before and grace is not None and grace < before:
        # Sooner than was said; never later.
        begun = timefmt.parse(metadata["deletionTimestamp"]) - timedelta(seconds=before)
        metadata["deletionTimestamp"] = timefmt.format(begun + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if not grace:
            metadata["deletionTimestamp"] = timefmt.format(parts.clock.now())
    if removable(strategy.holds_back(obj), obj):
        return None
    return obj


def _mark(parts: Parts, obj: Object, grace: int) -> None:
    metadata = obj["metadata"]
    metadata["deletionTimestamp"] = timefmt.format(parts.clock.now() + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1


def _finalizers(present: list[str], orphans_by_default: bool, options: Mapping[str, Any]) -> list[str]:
    """The finalizers after the propagation policy had its say: what is asked wins over what is there, and that over the
    kind's default."""
    orphan = options.get("orphanDependents")
    policy = options.get("propagationPolicy")
    if orphan is not None:
        wanted = ORPHAN if orphan else ""
    elif policy is not None:
        wanted = _FINALIZER_OF[policy]
    elif ORPHAN in present or FOREGROUND in present:
        return present
    else:
        wanted = ORPHAN if orphans_by_default else ""
    kept = [each for each in present if each not in (ORPHAN, FOREGROUND) or each == wanted]
    return kept if not wanted or wanted in kept else [*kept, wanted]


def _success(context: RequestContext, obj: Object) -> Object:
    details: Object = {"name": context.name}
    if context.spec.gvr.group:
        details["group"] = context.spec.gvr.group
    details["kind"] = context.spec.gvr.resource
    details["uid"] = obj["metadata"].get("uid", "")
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
