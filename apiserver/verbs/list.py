"""LIST, in pages or whole.

Lists come from the watch cache, first pages included: a continue token names the cache's revision, and the following
pages are read from the store at exactly that revision, so that all pages together are one consistent list. What the
store has compacted meanwhile is 410 Expired, with a token that continues from the newest state instead.

What `resourceVersion` and `resourceVersionMatch` mean is the table "Semantics for list" of upstream's API concepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from apiserver.errors import ExpiredList
from apiserver.representation import render
from apiserver.storage.cache import Entry, ResourceCache, entry_of
from apiserver.storage.continue_token import ContinueToken, decode
from apiserver.storage.errors import Compacted, FutureRevision
from apiserver.storage.keys import prefix_of, range_end
from apiserver.verbs.context import RequestContext
from apiserver.verbs.gate import enter, stored
from apiserver.verbs.options import ListOptions, check_list, parse_version
from apiserver.verbs.parts import Parts
from apiserver.verbs.selection import Selection, named, select
from machinery.client.api import Representation
from machinery.errors import BadRequest, Gone, Timeout

_STORE_PAGE = 500
"""Keys read at a time when a selector lets few of them through."""


class Listing(NamedTuple):
    """Some objects of a list. next: where the next page begins, "" at the end. remaining: None when it is not known."""

    entries: Sequence[Entry]
    revision: int
    next: str = ""
    remaining: int | None = None


async def list_objects(
    parts: Parts,
    context: RequestContext,
    options: ListOptions,
    *,
    representation: Representation = Representation.OBJECT,
    include_object: str = "Metadata",
) -> bytes:
    """See `api.Verbs.list`."""
    context.name = named(context.name, options.field_selector)
    enter(parts, context, field_selector=options.field_selector)
    stored(context)
    listing = await collect(parts, context, options)
    metadata: dict[str, Any] = {"resourceVersion": str(listing.revision)}
    if listing.next:
        metadata["continue"] = ContinueToken(listing.next, listing.revision).encode()
        if listing.remaining is not None:
            metadata["remainingItemCount"] = listing.remaining
    return render.many(
        context.spec,
        listing.entries,
        metadata,
        representation=representation,
        include_object=include_object,
        now=parts.clock.now(),
    )


async def collect(parts: Parts, context: RequestContext, options: ListOptions) -> Listing:
    """The objects that a request selects."""
    check_list(options)
    selection = select(context.spec, context.namespace, options.label_selector, options.field_selector)
    version = parse_version(options.resource_version)
    if options.continue_token:
        if options.resource_version not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue")
        token = decode(options.continue_token)
        return await _page_from_store(parts, selection, options.limit, token)
    exact = options.resource_version_match == "Exact" or (
        version and options.limit and not options.resource_version_match
    )
    if exact:
        return await _page_from_store(parts, selection, options.limit, ContinueToken("", version), exact=True)
    if version:
        cache = await parts.caches.at_least(context.spec, version)
    elif options.resource_version:
        cache = await parts.caches.ensure(context.spec)
    else:
        cache = await parts.caches.fresh(context.spec)
    # No await from here on: entries and revision belong together. rv=0 ignores the limit, as upstream's cache does.
    limit = 0 if options.resource_version == "0" else options.limit
    return _page_from_cache(cache, parts.caches.revision(cache), selection, limit)


def _page_from_cache(cache: ResourceCache, revision: int, selection: Selection, limit: int) -> Listing:
    if selection.path:
        entry = cache.get(selection.path)
        in_namespace = not selection.namespace or selection.path.startswith(f"{selection.namespace}/")
        return Listing([entry] if entry and in_namespace and selection.matches(entry) else [], revision)
    found = cache.select(selection.namespace)
    if not selection.everything:
        found = filter(selection.matches, found)
    if not limit:
        return Listing(list(found), revision)
    page = list(islice(found, limit))
    if next(found, None) is None:
        return Listing(page, revision)
    remaining = len(cache.paths(selection.namespace)) - limit if selection.everything else None
    return Listing(page, revision, page[-1].path, remaining)


async def _page_from_store(
    parts: Parts, selection: Selection, limit: int, token: ContinueToken, *, exact: bool = False
) -> Listing:
    spec = selection.spec
    whole, prefix = prefix_of(spec.storage), prefix_of(spec.storage, selection.namespace)
    start = whole + token.after.encode() + b"\0" if token.after else prefix
    if not start.startswith(prefix):
        raise BadRequest("invalid continue token: continue key is not valid: it is of another list")
    found: list[Entry] = []
    revision = token.revision or 0
    while True:
        wanted = limit - len(found) if limit and selection.everything else _STORE_PAGE
        try:
            page = await parts.store.etcd.page(start, range_end(prefix), limit=wanted, revision=revision)
        except Compacted:
            raise _expired(token, exact=exact) from None
        except FutureRevision:
            raise Timeout(f"Too large resource version: {revision}", details={"retryAfterSeconds": 1}) from None
        revision = page.revision
        for read, (key, value, at) in enumerate(page.items, start=1):
            entry = entry_of(key[len(whole) :].decode(), value, at)
            if entry is None or (not selection.everything and not selection.matches(entry)):
                continue
            found.append(entry)
            if limit and len(found) == limit:
                if page.total == read:
                    return Listing(found, revision)
                remaining = page.total - read if selection.everything else None
                return Listing(found, revision, entry.path, remaining)
        if not page.more:
            return Listing(found, revision)
        start = page.items[-1].key + b"\0"


def _expired(token: ContinueToken, *, exact: bool) -> Gone:
    if exact:
        return Gone("The resourceVersion for the provided list is too old.")
    return ExpiredList(ContinueToken(token.after, None).encode())
