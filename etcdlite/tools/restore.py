"""`snapshot restore FILE --data-dir D`: a store from a snapshot, whose history no old watcher mistakes for its own.

The restored store goes on BUMP revisions after the snapshot, and everything before is marked compacted. Clients that
saw the lost store remember revisions that the restored one has not given out: with revisions handed out anew, a
watcher that resumes there would wait for events that came already, and miss them. So it is told `compacted`, and reads
everything again.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import glob
import os
import pathlib
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from etcdlite.model import SHIFT
from etcdlite.store.faults import is_full
from etcdlite.store.place import FILE, LOCK
from etcdlite.store.points import Point, Reach, pass_by
from etcdlite.tools.failure import ToolError
from etcdlite.tools.save import sync_directory
from etcdlite.tools.snapshot_file import SnapshotFile, open_snapshot, opened, whole

BUMP = 1_000_000_000
"""More than a store writes between a snapshot and its loss: at 10,000 changes a second that is 28 hours."""
HIGHEST = 1 << 38
"""Revisions fit into 39 bits; beyond this a restore leaves too little room."""


def add_to(commands: Any) -> None:
    """The command, with etcdutl's flags."""
    parser = commands.add_parser("restore", help="make a data directory from a snapshot")
    parser.add_argument("file", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--data-dir", type=pathlib.Path, required=True, help="must not exist yet, or be empty")
    parser.add_argument(
        "--bump-revision",
        type=int,
        default=BUMP,
        metavar="N",
        help=f"go on so many revisions later, 0 keeps history (default {BUMP:,}: more than were written since)",
    )
    parser.add_argument(
        "--mark-compacted", action="store_true", help="history before is gone: always, unless the bump is 0"
    )
    parser.add_argument("--skip-hash-check", action="store_true", help="take a file without or with a wrong sha256")
    for flag in ("name", "initial-cluster", "initial-cluster-token", "initial-advertise-peer-urls", "wal-dir"):
        parser.add_argument(f"--{flag}", metavar="X", help=argparse.SUPPRESS)  # etcdutl's; one member needs none
    parser.set_defaults(run=run, check=check)


def check(arguments: argparse.Namespace) -> str:
    """What is wrong with the flags."""
    if arguments.bump_revision < 0:
        return "--bump-revision: revisions do not go back"
    if arguments.mark_compacted and not arguments.bump_revision:
        return "--mark-compacted needs a --bump-revision of more than 0"
    if (arguments.initial_cluster or "").count("=") > 1:
        return "--initial-cluster: this store has one member; restore a cluster with etcdutl into etcd"
    return ""


async def run(arguments: argparse.Namespace) -> int:
    """Restore. Raises ToolError, OSError, sqlite3.Error."""
    target: pathlib.Path = arguments.data_dir
    bump: int = arguments.bump_revision
    revision = restore(arguments.file, target, bump=bump, trust=arguments.skip_hash_check)
    print(f"Restored {arguments.file} to {target}, at revision {revision}")
    if bump:
        print(
            f"Revisions go on {bump:,} after the snapshot's and what is before is compacted: whoever watched the lost "
            "store is told so and reads again"
        )
    print(f"next: python -m etcdlite --data-dir {target}", file=sys.stderr)
    return 0


def restore(path: pathlib.Path, target: pathlib.Path, *, bump: int, trust: bool, reach: Reach = pass_by) -> int:
    """Make a data directory. trust: whatever the digest says. reach: called at the named points. Returns its revision.
    Blocks.

    The directory appears whole under its name, or not at all. Raises ToolError, OSError, sqlite3.Error."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ToolError(f"{target}: exists and is not empty; restore into a new directory")
    snapshot = open_snapshot(path)
    if not trust:
        if snapshot.digest is None:
            raise ToolError(f"{path}: no sha256 at its end; a copy of a database file is taken with --skip-hash-check")
        snapshot.verify()
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target)
    building = pathlib.Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))  # mode 0700
    try:
        with _locked(building):
            revision = _build(snapshot, building / FILE, bump, reach)
            sync_directory(building)
            reach(Point.RESTORE_BUILT)
            os.rename(building, target)
    except BaseException as error:
        shutil.rmtree(building, ignore_errors=True)
        if is_full(error):
            raise ToolError(f"{target}: the disk is full; make room there, or restore into another directory") from None
        raise
    sync_directory(target.parent)
    return revision


def sweep(target: pathlib.Path) -> None:
    """Delete what restores to this directory left behind that were killed. Nobody holds the lock in it."""
    for left in target.parent.glob(f"{glob.escape(_prefix(target))}*"):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _locked(left, again=True):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _locked(building: pathlib.Path, *, again: bool = False) -> Iterator[None]:
    """Hold the lock of a directory, as a server would hold it. Raises BlockingIOError for one that is held."""
    with (building / LOCK).open("r+" if again else "x") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _prefix(target: pathlib.Path) -> str:
    return f".{target.name}.restore-"


def _build(snapshot: SnapshotFile, target: pathlib.Path, bump: int, reach: Reach) -> int:
    snapshot.copy_to(target)
    reach(Point.RESTORE_COPIED)
    with opened(target) as file:
        whole(file, snapshot.path)
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as file:
        file.execute("PRAGMA synchronous=FULL")
        file.execute("BEGIN IMMEDIATE")
        (newest,) = file.execute("SELECT max(position) FROM log").fetchone()
        settings = dict(file.execute("SELECT name, value FROM setting"))
        revision = int(max((newest or 0) >> SHIFT, settings.get("revision", 1), 1)) + bump
        if revision > HIGHEST:
            raise ToolError(
                f"--bump-revision: {revision} is beyond the highest revision that can be restored, {HIGHEST}"
            )
        changed = {"cluster": secrets.randbits(63), "member": secrets.randbits(63), "revision": revision}
        if bump:
            changed["compacted"] = revision
        file.executemany("REPLACE INTO setting(name, value) VALUES(?, ?)", changed.items())
        file.execute("DELETE FROM setting WHERE name LIKE 'alarm%'")  # of a member that is no more
        file.execute("UPDATE lease SET remaining = 0")  # their time begins anew
        file.execute("COMMIT")
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return revision
