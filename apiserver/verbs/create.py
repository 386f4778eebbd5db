"""CREATE: POST of an object, or to a subresource of one."""

from __future__ import annotations

from apiserver.verbs import post
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.decode import check_name_and_namespace, decode_body
from apiserver.verbs.gate import enter
from apiserver.verbs.make import create_object
from apiserver.verbs.parts import Parts
from machinery.errors import BadRequest


async def create(parts: Parts, context: RequestContext, body: bytes) -> Written:
    """See `api.Verbs.create`."""
    enter(parts, context)
    if context.subresource:
        return await post.to_subresource(parts, context, body)
    obj = decode_body(parts, context, body)
    if not context.spec.storage:
        return await post.review(parts, context, obj)
    if context.spec.namespaced and not context.namespace:
        raise BadRequest("an empty namespace may not be set during creation")
    check_name_and_namespace(context, obj, named=False)
    outcome = await create_object(parts, context, obj)
    return Written(outcome.body, created=True, obj=outcome.obj)
