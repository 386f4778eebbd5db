"""The SQLite file: an append-only table of changes, a row per lease, a few settings. All of it blocks: use a thread.

`log` is keyed by position alone, so a commit appends at the end of one B-tree; who needs a key's history finds its
positions in the key index. Writing is one transaction with one fsync (`synchronous=FULL` in WAL mode), made by one
caller at a time; readers have connections of their own. What the file raises, `faults` has in the store's words.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etcdlite.errors import DatabaseError
from etcdlite.metrics.histogram import Histogram
from etcdlite.model import SHIFT, Change, Record
from etcdlite.store import schema
from etcdlite.store.faults import refusal
from etcdlite.store.place import FILE, Place
from etcdlite.store.points import Point, Reach, pass_by
from etcdlite.store.rows import COLUMNS, INSERT, record_of, row_of

DEFRAGMENT_PAGES = 64
"""Pages given back by one step; writers get in between."""
CHECKPOINT_BYTES = 2 * 1024 * 1024
"""Bytes of the write-ahead log at which it is time to bring them into the file."""
COMMIT_BYTES = 8192
"""About what a commit writes beside its rows."""
UNSEEN_BYTES = 64 * 1024
"""Written between two looks at the size of the file."""

_CHUNK = 500
_SILENT = "silent"
"""Setting: how many commits changed no key."""


@dataclass(slots=True)
class Batch:
    """What one transaction of the file holds."""

    changes: list[Change] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    """Positions to delete."""
    leases: dict[int, tuple[int, int] | None] = field(default_factory=dict)
    """Lease id -> (ttl, remaining), None to delete."""
    settings: dict[str, int] = field(default_factory=dict)
    entries: dict[tuple[str, bytes], bytes | None] = field(default_factory=dict)
    """(bucket, name) -> value, None to delete: what is kept beside the keys, as users and roles."""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of the file, and how many of them hold data. room: False when the disk is all but full."""

    total: int
    used: int
    room: bool = True


class Log:
    """One open file. place: the data directory that it is served from, None for a file that lies by itself.

    reach: called at the named points. sync: wait for the disk. Raises sqlite3.Error, OSError, DatabaseError, Moved."""

    def __init__(
        self, path: pathlib.Path, place: Place | None = None, *, reach: Reach = pass_by, sync: bool = True
    ) -> None:
        self.path = path
        self.reach = reach
        self._place = place
        self._readers: list[sqlite3.Connection] = []
        self._unseen = 0
        self._aside: sqlite3.Connection | None = None
        self.unsettled = 0
        """About how many bytes are in the write-ahead log and not yet in the file."""
        self.commits: Histogram | None = None
        self.fsyncs: Histogram | None = None
        """Where the seconds of commits, and of the part of them that waits for the disk, are counted."""
        new = place.new if place is not None else not path.exists()
        self._sync = sync
        self._writer = schema.writer(path, new=new, sync=sync)
        try:
            settings = self.settings()
            self._revision = max(self._newest() >> SHIFT, settings.get("revision", 0))
            self._silent = settings.get(_SILENT, 0)
            if place is not None:
                place.verify(self._revision, self._silent)
                place.remember()
            self._size = self.size()
        except BaseException:
            self._writer.close()
            raise

    @classmethod
    def open(cls, data_dir: str, *, reach: Reach = pass_by, sync: bool = True, again: bool = False) -> Log:
        """Open or make the file in a directory, and lock the directory. again: it is there, or is lost. Raises
        DatabaseError."""
        directory = pathlib.Path(data_dir)
        try:
            with contextlib.ExitStack() as undo:
                place = Place.take(directory, again=again)
                undo.callback(place.leave)
                log = cls(place.file, place, reach=reach, sync=sync)
                undo.pop_all()
                return log
        except (OSError, sqlite3.Error, DatabaseError) as error:
            raise refusal(error, directory / FILE) from error

    def close(self) -> None:
        """Close every connection and unlock the directory."""
        aside = () if self._aside is None else (self._aside,)
        for connection in (*self._readers, *aside, self._writer):
            connection.close()
        if self._place is not None:
            self._place.leave()

    # ---- reading ----------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, int]:
        """The settings that were committed."""
        return dict(self._writer.execute("SELECT name, value FROM setting"))

    def leases(self) -> list[tuple[int, int, int]]:
        """(id, ttl, remaining) of every lease."""
        return self._writer.execute("SELECT id, ttl, remaining FROM lease ORDER BY id").fetchall()

    def entries(self) -> list[tuple[str, bytes, bytes]]:
        """(bucket, name, value) of every entry."""
        return self._writer.execute("SELECT bucket, name, value FROM entry ORDER BY bucket, name").fetchall()

    def changes(self) -> Iterator[tuple[bytes, int, int]]:
        """(key, position, lease) of every change, oldest first. Values are not read."""
        yield from self._writer.execute("SELECT key, position, lease FROM log ORDER BY position")

    def newest(self, wanted: Sequence[int], bound: int) -> list[Record]:
        """The records at the newest of these positions, as many as fit into `bound` bytes."""
        found: list[Record] = []
        for at in range(len(wanted), 0, -_CHUNK):
            if bound <= 0:
                break
            records = self.read(wanted[max(at - _CHUNK, 0) : at])
            bound -= sum(record.size for record in records)
            found = records + found
        return found

    def read(self, positions: Sequence[int]) -> list[Record]:
        """The records at these positions, oldest first; those that a compaction deleted are left out.

        Raises Damaged, sqlite3.Error, Moved."""
        connection = self._readers.pop() if self._readers else self._reader()
        try:
            return [
                record_of(row)
                for at in range(0, len(positions), _CHUNK)
                for row in connection.execute(
                    f"SELECT {COLUMNS} FROM log WHERE position IN ({','.join(map(str, positions[at : at + _CHUNK]))}) "
                    "ORDER BY position"
                )
            ]
        finally:
            self._readers.append(connection)

    # ---- writing ----------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> Size:
        """Make a batch durable, whole or not at all. Returns the size, seen lately. Raises sqlite3.Error, Moved."""
        self.reach(Point.COMMIT_BEGINS)
        began = time.perf_counter()  # of the disk, which keeps no virtual time
        writer = self._writer
        revision, silent = self._revision, self._silent
        if batch.changes:
            revision = batch.changes[-1].record.position >> SHIFT
        else:
            silent += 1
        try:
            writer.execute("BEGIN IMMEDIATE")
            self._write(batch, silent)
            self.reach(Point.COMMIT_WRITTEN)
            self.in_place()
            written = time.perf_counter()
            writer.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        if self.commits is not None and self.fsyncs is not None:
            ended = time.perf_counter()
            self.commits.observe(ended - began)
            self.fsyncs.observe(ended - written)
        self.reach(Point.COMMIT_DURABLE)
        self._revision, self._silent = revision, silent
        if self._place is not None:
            self._place.acknowledge(revision, silent)
        taken = sum(change.record.size for change in batch.changes)
        self._unseen += taken
        self.unsettled += taken + COMMIT_BYTES + 256 * len(batch.forgotten)
        if batch.forgotten or self._unseen > UNSEEN_BYTES or not self._size.room:
            self._unseen = 0
            with contextlib.suppress(sqlite3.Error):  # it is committed: nothing may say otherwise now
                self._size = self.size()
        return self._size

    def _write(self, batch: Batch, silent: int) -> None:
        writer = self._writer
        writer.executemany(INSERT, (row_of(change.record) for change in batch.changes))
        if batch.forgotten:
            writer.executemany("DELETE FROM log WHERE position = ?", ((p,) for p in batch.forgotten))
        for lease_id, lease in batch.leases.items():
            if lease is None:
                writer.execute("DELETE FROM lease WHERE id = ?", (lease_id,))
            else:
                writer.execute("REPLACE INTO lease(id, ttl, remaining) VALUES(?, ?, ?)", (lease_id, *lease))
        for (bucket, name), value in batch.entries.items():
            if value is None:
                writer.execute("DELETE FROM entry WHERE bucket = ? AND name = ?", (bucket, name))
            else:
                writer.execute("REPLACE INTO entry(bucket, name, value) VALUES(?, ?, ?)", (bucket, name, value))
        if batch.settings or not batch.changes:
            settings = batch.settings if batch.changes else {**batch.settings, _SILENT: silent}
            writer.executemany("REPLACE INTO setting(name, value) VALUES(?, ?)", settings.items())

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("ROLLBACK")  # many a failure has done it already
        if self._writer.in_transaction:  # it could not: the connection is of no more use
            self._writer.close()
            self._writer = schema.writer(self.path, sync=self._sync)

    def size(self) -> Size:
        """Bytes of the file as it will be once the write-ahead log is checkpointed."""
        (page,) = self._writer.execute("PRAGMA page_size").fetchone()
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        (free,) = self._writer.execute("PRAGMA freelist_count").fetchone()
        return Size(pages * page, (pages - free) * page, self._place is None or self._place.room(pages * page))

    def defragment(self) -> Size:
        """Give some free pages back to the file system; all of them once the size says that none is left. Raises
        sqlite3.Error, Moved."""
        self.in_place()
        self._writer.executescript(f"PRAGMA incremental_vacuum({DEFRAGMENT_PAGES})")
        self.unsettled += DEFRAGMENT_PAGES * 4096
        self._size = self.size()
        return self._size

    def checkpoint_aside(self) -> None:
        """Bring what there is of the write-ahead log into the file, while commits go on."""
        if self._aside is None:
            self.in_place()
            self._aside = schema.connect(self.path)
        self._aside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def checkpoint_rest(self) -> Size:
        """The rest of it, when no commit goes on: the next one begins the log anew."""
        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self.unsettled = 0
        return self._size

    def checkpoint(self) -> Size:
        """Bring the write-ahead log into the file, and cut it off unless a reader is still in it."""
        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._writer.execute("PRAGMA busy_timeout=0")  # nobody waits for a reader
        try:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self._writer.execute(f"PRAGMA busy_timeout={int(schema.BUSY_TIMEOUT * 1000)}")
        return self._size

    def copy_to(self, target: pathlib.Path) -> None:
        """Write a consistent copy of the file, while others read and write this one."""
        self.in_place()
        with contextlib.closing(schema.connect(self.path)) as source:
            source.execute("VACUUM INTO ?", (os.fspath(target),))

    def in_place(self) -> None:
        """Raise Moved unless the file still lies where it was opened."""
        if self._place is not None:
            self._place.check()

    def _newest(self) -> int:
        (position,) = self._writer.execute("SELECT max(position) FROM log").fetchone()
        return position or 0

    def _reader(self) -> sqlite3.Connection:
        self.in_place()
        connection = schema.connect(self.path)
        connection.execute("PRAGMA query_only=ON")
        return connection


def check_usable(data_dir: str) -> None:
    """Raise DatabaseError unless a store can be opened in this directory right now. Makes what is missing there."""
    Log.open(data_dir).close()
