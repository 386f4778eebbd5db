"""PUT and PATCH of `scale`: the body is a Scale, the object behind it is what changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.storage.store import Stored
from apiserver.verbs import scale as scales
from apiserver.verbs.change import changed
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.decode import check_name_and_namespace, decode_kind, normalise
from apiserver.verbs.parts import Parts

Object = dict[str, Any]

_SCHEMA = "io.k8s.api.autoscaling.v1.Scale"


async def scale(parts: Parts, context: RequestContext, body: bytes) -> Written:
    """Replace the Scale of an object."""
    asked = decode_kind(parts, context, body, scales.SCALE, parts.schemas.named(_SCHEMA))
    check_name_and_namespace(context, asked, named=True)
    return await rescale(parts, context, lambda _: asked)


async def rescale(parts: Parts, context: RequestContext, decide: Callable[[Object], Object]) -> Written:
    """Change an object's replicas to those of the Scale that `decide` makes of the present one."""
    spec = context.spec

    async def change(stored: Stored) -> Object:
        wanted = decide(scales.scale_of(spec, stored.obj))
        normalise(context, wanted, scales.SCALE, parts.schemas.named(_SCHEMA))
        return await changed(parts, context, scales.scaled(spec, stored.obj, wanted), stored)

    outcome = await parts.store.update(spec, context.namespace, context.name, change, dry_run=context.dry_run)
    answer = scales.scale_of(spec, outcome.obj)
    return Written(orjson.dumps(answer), obj=answer)
