"""`pilot describe`: an object in words, with the events that concern it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.describe.kinds import DESCRIBERS, generic
from cli.describe.text import Text
from cli.errors import UsageError
from cli.flags import Parsed, switch
from cli.targets import ALL_NAMESPACES, FILE_FLAGS, SELECTOR_FLAGS, Target, from_files, from_words
from machinery.client.api import Client, Object
from machinery.client.resources import EVENTS, PODS
from machinery.errors import NotFound
from machinery.objects import timefmt

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
            print("" if first else "\n\n", end="")
            first = False
            print(await describe(client, target, obj, now, events=flags["show-events"]), end="", flush=True)
    if first:
        where = f" in {targets[0].namespace} namespace." if targets[0].namespace else ""
        print(f"No resources found{where}", flush=True)
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
    """The whole description of one object."""
    text = Text()
    DESCRIBERS.get((target.resource.gvr.group, target.resource.kind), generic)(text, obj, now)
    if target.resource.kind == "Node" and not target.resource.gvr.group:
        await _pods_on(client, text, obj["metadata"]["name"])
    if events:
        await _events(client, text, obj, now)
    return text.render()


async def _pods_on(client: Client, text: Text, node: str) -> None:
    page = await client.list(PODS, field_selector=f"spec.nodeName={node}")
    running = [pod for pod in page.items if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    text.line(f"Non-terminated Pods:  ({len(running)} in total)")
    rows = []
    for pod in sorted(running, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"])):
        said = [(container.get("resources") or {}) for container in pod["spec"]["containers"]]
        asked = ["+".join(each.get(kind, {}).get(name, "0") for each in said)
                 for name in ("cpu", "memory") for kind in ("requests", "limits")]  # fmt: skip
        rows.append([pod["metadata"]["namespace"], pod["metadata"]["name"], *asked])
    header = ["Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits"]
    text.table(header, rows)


async def _events(client: Client, text: Text, obj: Object, now: datetime) -> None:
    about = obj["metadata"]
    chosen = {
        "involvedObject.name": about["name"],
        "involvedObject.kind": obj["kind"],
        "involvedObject.namespace": about.get("namespace", ""),
        # a node's events name it by its name, as upstream's
        "involvedObject.uid": about["uid"] if obj["kind"] != "Node" else "",
    }
    selector = ",".join(f"{key}={value}" for key, value in chosen.items() if value)
    namespace = about.get("namespace") or ("default" if obj["kind"] == "Node" else "")
    page = await client.list(EVENTS, namespace=namespace, field_selector=selector)
    if not page.items:
        text.field("Events", "<none>")
        return
    text.head("Events")
    ordered = sorted(page.items, key=lambda event: str(_last(event)))
    text.table(
        ["Type", "Reason", "Age", "From", "Message"],
        [
            [
                event.get("type", ""),
                event.get("reason", ""),
                _age(event, now),
                (event.get("source") or {}).get("component") or event.get("reportingComponent", ""),
                event.get("message", "").strip(),
            ]
            for event in ordered
        ],
    )


def _last(event: Object) -> Any:
    series = event.get("series") or {}
    return series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or ""


def _age(event: Object, now: datetime) -> str:
    first = event.get("firstTimestamp") or event.get("eventTime")
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    if count > 1:
        return f"{timefmt.age(_last(event), now)} (x{count} over {timefmt.age(first, now)})"
    return timefmt.age(first or _last(event), now)


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
