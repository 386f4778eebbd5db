"""UPDATE: PUT of an object or of one of its writable subresources."""

from __future__ import annotations

from typing import Any

from apiserver.storage.store import Stored
from apiserver.verbs import put
from apiserver.verbs.change import changed
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.decode import check_name_and_namespace, decode_body, parse_body, typed
from apiserver.verbs.gate import PARTS_OF_OBJECTS, authorize, enter, stored
from apiserver.verbs.make import create_object
from apiserver.verbs.parts import Parts
from machinery.errors import NotFound

Object = dict[str, Any]


async def update(parts: Parts, context: RequestContext, body: bytes) -> Written:
    """See `api.Verbs.update`."""
    enter(parts, context)
    spec = context.spec
    stored(context, *PARTS_OF_OBJECTS)
    if context.subresource == "scale":
        return await put.scale(parts, context, body)
    first = parse_body(parts, context, body)
    check_name_and_namespace(context, first, named=True)

    async def change(current: Stored) -> Object:
        nonlocal first
        # What the steps below changed counts for nothing once they are asked again.
        new, first = first or parse_body(parts, context, body), {}
        check_name_and_namespace(context, new, named=True)
        new = typed(parts, context, new, stored=current.obj)
        return await changed(parts, context, new, current)

    try:
        outcome = await parts.store.update(spec, context.namespace, context.name, change, dry_run=context.dry_run)
    except NotFound as error:
        if context.subresource or not spec.strategy.allow_create_on_update or not _is_about(error, context):
            raise
        authorize(parts, context, verb="create")
        obj = decode_body(parts, context, body)
        check_name_and_namespace(context, obj, named=True)
        created = await create_object(parts, context, obj)
        return Written(created.body, created=True, obj=created.obj)
    return Written(outcome.body, obj=outcome.obj)


def _is_about(error: NotFound, context: RequestContext) -> bool:
    """Whether it is the object itself that is not there, and not its namespace or something else."""
    details = error.details
    return details.get("name") == context.name and details.get("kind") == context.spec.gvr.resource
