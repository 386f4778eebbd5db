"""DELETE of a collection: what the selectors match is listed, and each object deleted as one would be.

Objects that somebody else deletes meanwhile, or that are made anew under the same name, are no error and stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from apiserver.representation import render
from apiserver.storage.cache import Entry
from apiserver.storage.keys import split_path
from apiserver.verbs.context import RequestContext, Written
from apiserver.verbs.delete import check_options, remove
from apiserver.verbs.gate import enter, stored
from apiserver.verbs.list import collect
from apiserver.verbs.options import ListOptions
from apiserver.verbs.parts import Parts
from machinery.client.api import Representation
from machinery.errors import Conflict, NotFound

_AT_ONCE = 64
"""Deletions under way together, so that the store can commit them as one group."""


async def deletecollection(
    parts: Parts, context: RequestContext, options: ListOptions, delete_options: Mapping[str, Any] | None = None
) -> Written:
    """See `api.Verbs.deletecollection`."""
    enter(parts, context, field_selector=options.field_selector)
    stored(context)
    checked = dict(check_options(parts, delete_options))
    context.dry_run = context.dry_run or bool(checked.get("dryRun"))
    listing = await collect(parts, context, options)
    for at in range(0, len(listing.entries), _AT_ONCE):
        chunk = listing.entries[at : at + _AT_ONCE]
        await asyncio.gather(*(_remove_one(parts, context, entry, checked) for entry in chunk))
    body = render.many(
        context.spec,
        listing.entries,
        {"resourceVersion": str(listing.revision)},
        representation=Representation.OBJECT,
        include_object="",
        now=parts.clock.now(),
    )
    return Written(body)


async def _remove_one(parts: Parts, context: RequestContext, entry: Entry, options: Mapping[str, Any]) -> None:
    namespace, name = split_path(entry.path)
    uid = orjson.loads(entry.body)["metadata"]["uid"]
    wanted = {"uid": uid, **(options.get("preconditions") or {})}
    one = replace(context, namespace=namespace, name=name)
    try:
        await remove(parts, one, {**options, "preconditions": wanted})
    except (NotFound, Conflict):
        return
