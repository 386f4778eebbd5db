"""The steps by which a new object comes to be stored, whichever verb makes it (create, a PUT or an apply that creates).

Names made of `generateName` that are taken are made anew, up to eight times.
"""

from __future__ import annotations

import uuid
from typing import Any

from apiserver.admission.api import AdmissionRequest
from apiserver.storage.store import Outcome
from apiserver.verbs.context import RequestContext
from apiserver.verbs.managed import record
from apiserver.verbs.owners import keep_each_once
from apiserver.verbs.parts import Parts
from apiserver.verbs.validate import check_new
from machinery.errors import AlreadyExists, BadRequest
from machinery.objects import meta, names, timefmt

Object = dict[str, Any]

_TRIES = 8
_SYSTEM_FIELDS = (
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "generation",
    "uid",
    "creationTimestamp",
)


async def create_object(parts: Parts, context: RequestContext, obj: Object, *, managed: bool = False) -> Outcome:
    """Store a decoded object, which the caller gives away. Raises AlreadyExists, Invalid and what admission says."""
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    keep_each_once(context, obj)
    context.spec.strategy.default(obj)
    prefix = "" if metadata.get("name") else metadata.get("generateName", "")
    if not prefix:
        return await _attempt(parts, context, obj, managed=managed)
    last: AlreadyExists | None = None
    for _ in range(_TRIES):
        attempt = meta.deep_copy(obj)
        attempt["metadata"]["name"] = names.generate(prefix, parts.randomness)
        try:
            return await _attempt(parts, context, attempt, managed=managed)
        except AlreadyExists as error:
            last = error
    assert last is not None
    raise AlreadyExists(
        f"{last.message}, the server was not able to generate a unique name for the object",
        details={**last.details, "retryAfterSeconds": 1},
    )


async def _attempt(parts: Parts, context: RequestContext, obj: Object, *, managed: bool) -> Outcome:
    spec, strategy, metadata = context.spec, context.spec.strategy, obj["metadata"]
    for field in _SYSTEM_FIELDS:
        metadata.pop(field, None)
    metadata["uid"] = str(uuid.UUID(int=parts.randomness.getrandbits(128), version=4))
    metadata["creationTimestamp"] = timefmt.format(parts.clock.now())
    strategy.prepare_create(context, obj)
    if not managed:
        obj = record(parts, context, None, obj)
    request = AdmissionRequest(context, "CREATE", obj)
    created = False
    try:
        await parts.admission.mutate(request)
        check_new(context, obj)
        for warning in strategy.warnings(obj):
            context.warn(warning)
        parts.guard.check(context, obj, None)
        await parts.admission.validate(request)
        outcome = await parts.store.create(spec, context.namespace, meta.name(obj), obj, dry_run=context.dry_run)
        created = outcome.changed
        return outcome
    finally:
        if not created:
            request.failed()
