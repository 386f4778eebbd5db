"""GET of one object.

Without a resourceVersion the answer is the newest state: from the cache when it is loaded, once the store has said that
there is nothing newer; else from the store itself.
"""

from __future__ import annotations

import orjson

from apiserver.representation import render
from apiserver.storage.cache import Entry, entry_of
from apiserver.storage.keys import key_of, path_of
from apiserver.verbs import scale
from apiserver.verbs.context import RequestContext
from apiserver.verbs.gate import PARTS_OF_OBJECTS, enter, stored
from apiserver.verbs.options import parse_version
from apiserver.verbs.parts import Parts
from machinery.client.api import Representation
from machinery.errors import not_found


async def get(
    parts: Parts,
    context: RequestContext,
    *,
    resource_version: str = "",
    representation: Representation = Representation.OBJECT,
    include_object: str = "Metadata",
) -> bytes:
    """See `api.Verbs.get`."""
    enter(parts, context)
    spec = context.spec
    stored(context, *PARTS_OF_OBJECTS)
    entry = await find(parts, context, parse_version(resource_version), given=resource_version)
    if context.subresource == "scale":
        return orjson.dumps(scale.scale_of(spec, render.object_of(spec, entry)))
    body = render.body_of(spec, entry)
    if representation is Representation.OBJECT:
        return body
    return render.one(spec, body, representation=representation, include_object=include_object, now=parts.clock.now())


async def find(parts: Parts, context: RequestContext, version: int, *, given: str) -> Entry:
    """The object that a request names, at least as new as it asks for. Raises NotFound and Timeout."""
    spec, caches = context.spec, parts.caches
    path = path_of(context.namespace, context.name)
    if given:
        cache = await (caches.at_least(spec, version) if version else caches.ensure(spec))
        entry = cache.get(path)
    elif caches.peek(spec) is not None:
        entry = (await caches.fresh(spec)).get(path)
    else:
        found = await parts.store.etcd.get(key_of(spec, context.namespace, context.name))
        entry = entry_of(path, found.value, found.revision) if found else None
    if entry is None:
        raise not_found(spec.gvr, context.name)
    return entry
