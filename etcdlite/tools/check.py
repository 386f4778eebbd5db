"""`check`: whether a data directory, a snapshot or a running store is whole."""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import Any

from etcdlite.store.place import FILE, Place
from etcdlite.tools import endpoint, output, status
from etcdlite.tools.failure import ToolError
from machinery.rpc import RpcError, Stub
from protos.pool import messages

pb = messages("etcdserverpb")
health = messages("grpc.health.v1")


def add_to(commands: Any) -> None:
    """The command."""
    parser = commands.add_parser("check", help="whether a data directory, a snapshot or a running store is whole")
    parser.add_argument("file", type=pathlib.Path, nargs="?", metavar="SNAPSHOT", help="a snapshot, or a database file")
    parser.add_argument("--data-dir", type=pathlib.Path, help="a data directory that no server uses")
    endpoint.add_flags(parser, optional=True)
    parser.set_defaults(run=run, check=check)


def check(arguments: argparse.Namespace) -> str:
    """What is wrong with the flags."""
    given = [arguments.file, arguments.data_dir]
    if sum(each is not None for each in given) > 1:
        return "check: a SNAPSHOT or --data-dir, not both"
    return ""


async def run(arguments: argparse.Namespace) -> int:
    """Check. Raises ToolError, DatabaseError, OSError, RpcError."""
    if arguments.file is not None:
        found = status.read(arguments.file)
        _good(arguments.file, found)
        return 0
    if arguments.data_dir is not None:
        found = _directory(arguments.data_dir)
        _good(arguments.data_dir, found)
        return 0
    return await _running(arguments)


def _good(what: pathlib.Path, found: status.Contents) -> None:
    print(
        f"{what}: whole; revision {found.revision}, {found.keys} changes, {output.size(found.size)}, "
        f"hash {found.hash:x}"
    )


def _directory(directory: pathlib.Path) -> status.Contents:
    if not (directory / FILE).exists():
        raise ToolError(f"{directory}: no store has been here: there is no {FILE}")
    from etcdlite.store.log import Log
    from etcdlite.store.recovery import recover

    # Opening it brings what the write-ahead log holds into view, and compares with what was acknowledged.
    file = Log.open(str(directory))
    try:
        recover(file, cache_bytes=0, now=0.0)
        file.checkpoint()
    finally:
        file.close()
    place = Place.take(directory)
    try:
        return status.read(directory / FILE)
    finally:
        place.leave()


async def _running(arguments: argparse.Namespace) -> int:
    """Ask a running store how it is. Returns 1 when it says that something is wrong."""
    where = arguments.endpoints or endpoint.DEFAULT
    timeout = arguments.command_timeout
    async with endpoint.connected(arguments) as channel:
        serving = await Stub(channel, "grpc.health.v1.Health").Check(health.HealthCheckRequest(), timeout=timeout)
        if serving.status != health.HealthCheckResponse.SERVING:
            raise ToolError(f"{where}: not serving; look into its log")
        maintenance = Stub(channel, "etcdserverpb.Maintenance")
        told = await maintenance.Status(pb.StatusRequest(), timeout=timeout)
        problems = [error.strip() for error in told.errors]
        try:
            hashed = await maintenance.HashKV(pb.HashKVRequest(revision=told.header.revision), timeout=timeout)
        except RpcError as error:
            problems.append(f"its key space cannot be read: {error.message}")
        else:
            print(
                f"{where}: serving; revision {told.header.revision}, {output.size(told.dbSizeInUse)} of "
                f"{output.size(told.dbSize)} in use, hash {hashed.hash:x}"
            )
    for problem in problems:
        print(f"etcdlite: {where}: {problem}", file=sys.stderr)
    if any("NOSPACE" in problem for problem in problems):
        print("next: python -m etcdlite compact; python -m etcdlite defrag; etcdctl alarm disarm", file=sys.stderr)
    return 1 if problems else 0
