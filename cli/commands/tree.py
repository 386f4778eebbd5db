"""`pilot tree`: every actor of the cluster's processes: state, restarts, mailbox depth, last error."""

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
    from machinery.rpc import Stub
    from protos.pool import messages

    stub = Stub(await session.channel(), "pilot.v1.Inspect")
    tree = orjson.loads((await stub.Tree(messages("pilot.v1").TreeRequest())).tree)
    if flags["output"] == "json":
        print(to_json(tree), end="")
        return 0
    rows: list[list[str]] = []
    _rows(tree, "", "", rows, depth=flags["depth"])
    for line in columns(rows, header=["ACTOR", "STATE", "RESTARTS", "MAILBOX", "LAST ERROR"]):
        print(line)
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
        Flag("output", "Output format. One of: (json).", short="o"),
    ),
)
