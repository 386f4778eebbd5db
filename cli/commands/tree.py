"""`pilot tree`: the actors of a cluster's processes: state, restarts, mailbox depth, last error.

`pilot up` is one process. Of the processes of `pilot init` those two can be asked that listen for the administrator:
apiserver and controllermgr.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import UsageError
from cli.flags import Flag, Kind
from cli.output.documents import to_json
from cli.output.table import columns

if TYPE_CHECKING:
    from cli.context import Session
    from cli.flags import Parsed


async def run(session: Session, flags: Parsed) -> int:
    import orjson

    if flags["output"] not in ("", "json"):
        raise UsageError(f'--output must be json, not "{flags["output"]}"')
    from machinery.rpc import RpcError, Stub
    from protos.pool import messages

    channels = [await session.channel()]
    if session.units_apart:
        channels.append(await session.units_channel())
    trees, failed = [], None
    for channel in channels:
        try:
            reply = await Stub(channel, "pilot.v1.Inspect").Tree(messages("pilot.v1").TreeRequest())
        except RpcError as error:  # of one process; the other is shown
            failed = failed or error
        else:
            trees.append(orjson.loads(reply.tree))
    if flags["output"] == "json" and trees:
        print(to_json(trees if len(channels) > 1 else trees[0]), end="")
    elif trees:
        rows: list[list[str]] = []
        for tree in trees:
            _rows(tree, "", "", rows, depth=flags["depth"])
        for line in columns(rows, header=["ACTOR", "STATE", "RESTARTS", "MAILBOX", "LAST ERROR"]):
            print(line, flush=True)
    if failed is not None:
        raise failed
    return 0


def _rows(node: Mapping[str, Any], lead: str, indent: str, rows: list[list[str]], *, depth: int) -> None:
    rows.append(
        [
            f"{lead}{node['name']}",
            str(node["state"]),
            str(node["restarts"]),
            str(node["mailbox"]["depth"]),
            str(node.get("last_error") or ""),
        ]
    )
    children = node.get("children") or []
    if not depth and children:
        rows.append([f"{indent}└─ {len(children)} more below", "", "", "", ""])
        return
    for index, child in enumerate(children):
        last = index == len(children) - 1
        _rows(child, indent + ("└─ " if last else "├─ "), indent + ("   " if last else "│  "), rows, depth=depth - 1)


COMMAND = Command(
    name="tree",
    summary="Show the tree of actors: what runs, what was restarted, and why.",
    usage="tree [flags]",
    run=run,
    arguments=False,
    flags=(
        Flag("depth", "How many levels to show.", kind=Kind.INT, default=100),
        Flag("output", "Output format. One of: (json). A list where the cluster is several processes.", short="o"),
    ),
)
