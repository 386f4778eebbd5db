"""`pilot cordon` and `pilot uncordon`: whether new pods may be scheduled on a node."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cli.command import Command
from cli.errors import UsageError
from cli.flags import Flag, Parsed
from cli.output import report
from machinery.client.api import Client, Object, PatchType
from machinery.client.resources import NODES

if TYPE_CHECKING:
    from cli.context import Session


async def run(session: Session, flags: Parsed, *, unschedulable: bool) -> int:
    past = "cordoned" if unschedulable else "uncordoned"
    client = await session.client()
    mode = report.dry_run(flags)
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(mode, "")
    for node in await nodes(client, flags):
        name = node["metadata"]["name"]
        if bool(node["spec"].get("unschedulable")) == unschedulable:
            print(f"node/{name} already {past}{suffix}", flush=True)
            continue
        if mode != "client":
            await mark(client, name, unschedulable=unschedulable, dry_run=mode == "server")
        print(f"node/{name} {past}{suffix}", flush=True)
    return 0


async def nodes(client: Client, flags: Parsed) -> list[Object]:
    """The nodes that names or a selector choose. Raises UsageError for neither, NotFound for a wrong name."""
    names = [word.removeprefix("node/").removeprefix("nodes/") for word in flags.args]
    if flags["selector"]:
        if names:
            raise UsageError("error: cannot specify both a node name and a --selector option")
        return list((await client.list(NODES, label_selector=flags["selector"])).items)
    if not names:
        raise UsageError("at least one node name or --selector is required")
    return [await client.get(NODES, name) for name in names]


async def mark(client: Client, name: str, *, unschedulable: bool, dry_run: bool = False) -> None:
    """Set or clear spec.unschedulable."""
    spec = {"spec": {"unschedulable": True if unschedulable else None}}
    await client.patch(NODES, name, spec, PatchType.STRATEGIC, dry_run=dry_run)


_FLAGS = (
    Flag("selector", "Selector (label query) to filter on", short="l"),
    report.DRY_RUN,
)

COMMANDS = {
    "cordon": Command(
        name="cordon",
        summary="Mark node as unschedulable.",
        usage="cordon NODE [flags]",
        run=partial(run, unschedulable=True),
        flags=_FLAGS,
        examples="# No new pods on node foo\npilot cordon foo",
    ),
    "uncordon": Command(
        name="uncordon",
        summary="Mark node as schedulable.",
        usage="uncordon NODE [flags]",
        run=partial(run, unschedulable=False),
        flags=_FLAGS,
        examples="# New pods on node foo again\npilot uncordon foo",
    ),
}
