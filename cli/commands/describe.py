"""`pilot describe`: an object in words, with the events that concern it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cli.command import Command
from cli.describe.events import events as write_events
from cli.describe.generic import generic
from cli.describe.registry import DESCRIBERS, WITHOUT_EVENTS
from cli.describe.seen import look
from cli.describe.text import Text
from cli.errors import UsageError
from cli.flags import Parsed, switch
from cli.targets import ALL_NAMESPACES, FILE_FLAGS, SELECTOR_FLAGS, Target, from_files, from_words
from machinery.client.api import Client, Object
from machinery.errors import NotFound

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed) -> int:
    client = await session.client()
    if flags["filename"]:
        targets = await from_files(session, flags["filename"], recursive=flags["recursive"])
    else:
        namespace = "" if flags["all-namespaces"] else session.namespace
        targets = from_words(flags.args, await session.mapper(), namespace=namespace, verb="describe")
    if flags["selector"] and any(target.name for target in targets):
        raise UsageError("name cannot be provided when a selector is specified")
    now = session.clock.now()
    first = True
    for target in targets:
        for obj in await _objects(client, target, flags):
            said = await describe(client, target, obj, now, events=flags["show-events"])
            # those found by a prefix end with an empty line, others are apart from the one before
            alike = target.name not in ("", obj["metadata"]["name"])
            print(f"{said}\n" if alike else said if first else f"\n\n{said}", end="", flush=True)
            first = False
    if first:
        where = "" if flags["all-namespaces"] else f" in {session.namespace} namespace."
        print(f"No resources found{where}", file=sys.stderr)
    return 0


async def _objects(client: Client, target: Target, flags: Parsed) -> Sequence[Object]:
    gvr = target.resource.gvr
    if not target.name:
        page = await client.list(gvr, namespace=target.namespace, label_selector=flags["selector"])
        return [{"apiVersion": gvr.api_version, "kind": target.resource.kind, **item} for item in page.items]
    try:
        return [await client.get(gvr, target.name, namespace=target.namespace)]
    except NotFound:
        # kubectl then takes the name for a prefix
        page = await client.list(gvr, namespace=target.namespace)
        alike = [item for item in page.items if item["metadata"]["name"].startswith(target.name)]
        if not alike:
            raise
        return [{"apiVersion": gvr.api_version, "kind": target.resource.kind, **item} for item in alike]


async def describe(client: Client, target: Target, obj: Object, now: datetime, *, events: bool) -> str:
    """The whole description of one object. Raises ApiError."""
    kind = (target.resource.gvr.group, target.resource.kind)
    seen = await look(client, kind, obj, now, events=events and kind not in WITHOUT_EVENTS)
    text = Text()
    DESCRIBERS.get(kind, generic)(text, obj, seen)
    if seen.events is not None:
        write_events(text, seen.events, now)
    return text.render()


COMMAND = Command(
    name="describe",
    summary="Show details of a specific resource or group of resources.",
    usage="describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME) [flags]",
    run=run,
    flags=(
        *FILE_FLAGS,
        *SELECTOR_FLAGS[:1],
        ALL_NAMESPACES,
        switch("show-events", "If true, display events related to the described object.", default=True),
    ),
    examples="# A node, and all pods with a label\npilot describe node n1\npilot describe pods -l name=myLabel",
)
