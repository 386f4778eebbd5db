"""`compact [REVISION]`: forget history, of a running store or of a data directory that no server uses."""

from __future__ import annotations

import argparse
import itertools
import pathlib
import sys
from typing import Any

from etcdlite.store.log import Batch, Log
from etcdlite.store.place import FILE
from etcdlite.store.recovery import recover
from etcdlite.tools import endpoint
from etcdlite.tools.failure import ToolError
from machinery.rpc import Stub
from protos.pool import messages

pb = messages("etcdserverpb")

STEP = 10_000
"""Changes that one commit forgets."""


def add_to(commands: Any) -> None:
    """The command, under etcdctl's name too."""
    parser = commands.add_parser("compact", aliases=["compaction"], help="forget history before a revision")
    parser.add_argument("revision", type=int, nargs="?", help="default: the newest")
    parser.add_argument("--physical", action="store_true", help="return after it is gone from the file as well")
    parser.add_argument("--data-dir", type=pathlib.Path, help="of a store that does not run")
    endpoint.add_flags(parser, optional=True)
    parser.set_defaults(run=run, check=check)


def check(arguments: argparse.Namespace) -> str:
    """What is wrong with the flags."""
    if arguments.revision is not None and arguments.revision < 1:
        return f"compact: {arguments.revision} is no revision"
    return ""


async def run(arguments: argparse.Namespace) -> int:
    """Compact. Raises ToolError, DatabaseError, RpcError."""
    if arguments.data_dir is not None:
        revision = compact(arguments.data_dir, arguments.revision)
    else:
        revision = await _running(arguments)
    print(f"compacted revision {revision}")
    print("next: python -m etcdlite defrag", file=sys.stderr)
    return 0


async def _running(arguments: argparse.Namespace) -> int:
    async with endpoint.connected(arguments) as channel:
        kv = Stub(channel, "etcdserverpb.KV")
        revision = arguments.revision
        if revision is None:
            newest = await kv.Range(pb.RangeRequest(key=b"\0"), timeout=arguments.command_timeout)
            revision = newest.header.revision
        request = pb.CompactionRequest(revision=revision, physical=arguments.physical)
        await kv.Compact(request, timeout=None if arguments.physical else arguments.command_timeout)
    return int(revision)


def compact(directory: pathlib.Path, revision: int | None) -> int:
    """Compact a data directory. None: at its newest revision. Blocks. Raises ToolError, DatabaseError, Compacted."""
    if not (directory / FILE).exists():
        raise ToolError(f"{directory}: no store has been here: there is no {FILE}")
    file = Log.open(str(directory))
    try:
        state = recover(file, cache_bytes=0, now=0.0).state
        chosen = state.revision if revision is None else revision
        state.check_compaction(chosen)
        state.compact(chosen)
        file.commit(Batch(settings={"compacted": chosen, "revision": state.revision}))
        forgotten = itertools.chain.from_iterable(map(state.sweep, list(state.index.stale)))
        while step := list(itertools.islice(forgotten, STEP)):
            file.commit(Batch(forgotten=step))
        file.checkpoint()
    finally:
        file.close()
    return chosen
