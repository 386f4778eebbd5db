"""`snapshot status FILE`: what a snapshot holds, once it was found whole."""

from __future__ import annotations

import argparse
import pathlib
from dataclasses import dataclass
from typing import Any

from etcdlite.hashing import hash_file
from etcdlite.model import SHIFT
from etcdlite.tools import output
from etcdlite.tools.snapshot_file import open_snapshot, opened, whole


@dataclass(frozen=True, slots=True)
class Contents:
    """hash: of the key space, as HashKV tells it at that revision. keys: changes kept, as etcdutl counts. size: bytes
    of the database."""

    hash: int
    revision: int
    keys: int
    size: int


def add_to(commands: Any) -> None:
    """The command."""
    parser = commands.add_parser("status", help="what a snapshot holds")
    parser.add_argument("file", type=pathlib.Path, metavar="FILE")
    parser.add_argument("-w", "--write-out", choices=output.FORMATS, default="simple", help="how to print it")
    parser.set_defaults(run=run, check=lambda arguments: "")


async def run(arguments: argparse.Namespace) -> int:
    """Print it. Raises ToolError, OSError."""
    found = read(arguments.file)
    print(told(found, arguments.write_out))
    return 0


def read(path: pathlib.Path) -> Contents:
    """Raises ToolError for a snapshot that is not whole, OSError. Blocks."""
    snapshot = open_snapshot(path)
    snapshot.verify()
    with opened(path) as file:
        whole(file, path)
        (newest,) = file.execute("SELECT max(position) FROM log").fetchone()
        (count,) = file.execute("SELECT count(*) FROM log").fetchone()
        (noted,) = file.execute("SELECT max(value) FROM setting WHERE name IN ('revision')").fetchone()
    revision = max((newest or 0) >> SHIFT, noted or 0, 1)
    return Contents(hash_file(path, revision).hash, revision, count, snapshot.size)


def told(found: Contents, form: str) -> str:
    """In one of `output.FORMATS`."""
    row = (f"{found.hash:x}", str(found.revision), str(found.keys), output.size(found.size))
    match form:
        case "table":
            return output.table(("hash", "revision", "total keys", "total size"), [row])
        case "json":
            values = {"hash": found.hash, "revision": found.revision, "totalKey": found.keys, "totalSize": found.size}
            return output.as_json(values)
        case "fields":
            return f'"Hash" : {found.hash}\n"Revision" : {found.revision}\n"Keys" : {found.keys}\n"Size" : {found.size}'
    return ", ".join(row)
