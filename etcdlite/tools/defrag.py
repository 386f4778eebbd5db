"""`defrag`: give free space back to the file system, of a running store or of a data directory that no server uses."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from etcdlite.store.log import Log, Size
from etcdlite.store.place import FILE
from etcdlite.tools import endpoint, output
from etcdlite.tools.failure import ToolError
from machinery.rpc import Stub
from protos.pool import messages

pb = messages("etcdserverpb")


def add_to(commands: Any) -> None:
    """The command."""
    parser = commands.add_parser("defrag", help="give free space back to the file system")
    parser.add_argument("--data-dir", type=pathlib.Path, help="of a store that does not run")
    endpoint.add_flags(parser, optional=True)
    parser.set_defaults(run=run, check=lambda arguments: "")


async def run(arguments: argparse.Namespace) -> int:
    """Defragment. Raises ToolError, DatabaseError, RpcError."""
    if arguments.data_dir is not None:
        before, after = defragment(arguments.data_dir)
        print(f"Finished defragmenting directory[{arguments.data_dir}]: {_change(before.total, after.total)}")
        return 0
    async with endpoint.connected(arguments) as channel:
        maintenance = Stub(channel, "etcdserverpb.Maintenance")
        first = await maintenance.Status(pb.StatusRequest(), timeout=arguments.command_timeout)
        await maintenance.Defragment(pb.DefragmentRequest())
        last = await maintenance.Status(pb.StatusRequest(), timeout=arguments.command_timeout)
    where = arguments.endpoints or endpoint.DEFAULT
    print(f"Finished defragmenting etcd member[{where}]: {_change(first.dbSize, last.dbSize)}")
    return 0


def _change(before: int, after: int) -> str:
    return f"{output.size(before)} before, {output.size(after)} now"


def defragment(directory: pathlib.Path) -> tuple[Size, Size]:
    """The sizes before and after. Blocks. Raises ToolError, DatabaseError."""
    if not (directory / FILE).exists():
        raise ToolError(f"{directory}: no store has been here: there is no {FILE}")
    file = Log.open(str(directory))
    try:
        before = after = file.size()
        while after.total != after.used:
            smaller = file.defragment()
            if smaller.total == after.total:
                break
            after = smaller
        file.checkpoint()
    finally:
        file.close()
    return before, after
