"""POST where nothing of that path is stored: reviews, and the subresources binding, eviction and token."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.admission.api import AdmissionRequest
from apiserver.resources.pods import bind
from apiserver.storage.store import Stored
from apiserver.verbs import evict
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.decode import decode_kind
from apiserver.verbs.managed import record
from apiserver.verbs.parts import Parts
from machinery.errors import BadRequest, FieldError, NotImplementedByServer, invalid
from machinery.objects import timefmt
from machinery.objects.gvk import GVK, GVR

Object = dict[str, Any]

BINDING = GVK("", "v1", "Binding")
_PODS = GVR("", "v1", "pods")
_BINDING_SCHEMA = "io.k8s.api.core.v1.Binding"
CREATED: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def to_subresource(parts: Parts, context: RequestContext, body: bytes) -> Written:
    """Post to a subresource of the object that the URL names."""
    match context.subresource:
        case "binding":
            return await _bind(parts, context, body)
        case "eviction":
            return await evict.evict(parts, context, body)
        case "token":
            return await _token(parts, context, body)
        case other:
            raise NotImplementedByServer(f"{context.spec.gvr.resource}/{other} is not served by this server")


async def review(parts: Parts, context: RequestContext, obj: Object) -> Written:
    """A kind that is a question and never stored; and v1 Binding, which is posted to its namespace."""
    if context.spec.kind == BINDING.kind and not context.spec.gvr.group:
        pods = parts.resources.find(_PODS)
        assert pods is not None  # pods are built in
        context.spec, context.subresource = pods, "binding"
        context.name = obj["metadata"].get("name") or ""
        return await _bind(parts, context, orjson.dumps(obj))
    answer = await parts.reviews.answer(context, obj)
    return Written(orjson.dumps(answer), created=True, obj=answer)


async def _bind(parts: Parts, context: RequestContext, body: bytes) -> Written:
    """Assign a pod to a node: what the scheduler decided."""
    binding = decode_kind(parts, context, body, BINDING, parts.schemas.named(_BINDING_SCHEMA))
    name = binding["metadata"].setdefault("name", context.name)
    if name != context.name:
        raise BadRequest(f"name in URL does not match name in Binding object: {context.name} != {name}")
    target = binding.get("target") or {}
    errors = []
    if target.get("kind") not in (None, "", "Node"):
        message = f'Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        errors.append(FieldError("target.kind", "FieldValueNotSupported", message))
    if not target.get("name"):
        errors.append(FieldError("target.name", "FieldValueRequired", "Required value"))
    if errors:
        raise invalid(BINDING, name, errors)
    request = AdmissionRequest(context, "CREATE", binding)
    await parts.admission.mutate(request)
    await parts.admission.validate(request)

    async def change(stored: Stored) -> Object:
        bound = bind(stored.obj, binding, now=timefmt.format(parts.clock.now()))
        return record(parts, context, stored.obj, bound)

    await parts.store.update(context.spec, context.namespace, context.name, change, dry_run=context.dry_run)
    return Written(orjson.dumps(CREATED), created=True)


async def _token(parts: Parts, context: RequestContext, body: bytes) -> Written:
    kind = context.spec.subresources["token"].kind
    assert kind is not None  # the row of serviceaccounts names it
    obj = decode_kind(parts, context, body, kind, parts.schemas.named("io.k8s.api.authentication.v1.TokenRequest"))
    request = AdmissionRequest(context, "CREATE", obj)
    await parts.admission.mutate(request)
    await parts.admission.validate(request)
    answer = await parts.reviews.answer(context, obj)
    return Written(orjson.dumps(answer), created=True, obj=answer)
