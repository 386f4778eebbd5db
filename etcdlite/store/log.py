"""The SQLite file: an append-only table of changes, a row per lease, a few settings. All of it blocks: use a thread.

`log` is keyed by position alone, so a commit appends at the end of one B-tree; who needs a key's history finds its
positions in the key index. Writing is one transaction with one fsync (`synchronous=FULL` in WAL mode), made by one
caller at a time; readers have connections of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from etcdlite.errors import DatabaseError
from etcdlite.model import Change, Record

FORMAT = 1
"""Of the file; a newer one is refused."""
FILE = "store.db"
VACUUM_PAGES = 64
"""Pages given back to the file system by one commit that deletes."""
UNSEEN_BYTES = 64 * 1024
"""Written between two looks at the size of the file."""

_PRAGMAS = (
    "PRAGMA auto_vacuum=INCREMENTAL",  # before the first table, or it does nothing
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA temp_store=MEMORY",
)
_TABLES = """
CREATE TABLE IF NOT EXISTS log(
  position INTEGER PRIMARY KEY, key BLOB NOT NULL, created INTEGER NOT NULL, version INTEGER NOT NULL,
  lease INTEGER NOT NULL, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS lease(id INTEGER PRIMARY KEY, ttl INTEGER NOT NULL, remaining INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS setting(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry(
  bucket TEXT, name BLOB, value BLOB NOT NULL, PRIMARY KEY(bucket, name)) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO log(position, key, created, version, lease, value) VALUES(?, ?, ?, ?, ?, ?)"
_CHUNK = 500


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
    """Bytes of the file, and how many of them hold data."""

    total: int
    used: int


class Log:
    """One open file. Raises DatabaseError from `open` when it cannot be used."""

    def __init__(self, path: pathlib.Path, lock: IO[str] | None) -> None:
        self._path = path
        self._lock = lock
        self._readers: list[sqlite3.Connection] = []
        self._writer = self._connect()
        self._unseen = 0
        for pragma in _PRAGMAS:
            self._writer.execute(pragma)
        self._writer.executescript(_TABLES)
        found = self.settings().get("format", FORMAT)
        if found > FORMAT:
            self._writer.close()
            raise DatabaseError(f"{path}: written by a newer version (format {found}); this one reads format {FORMAT}")
        self._size = self.size()

    @classmethod
    def open(cls, data_dir: str) -> Log:
        """Open or make the file in a directory, and lock the directory."""
        directory = pathlib.Path(data_dir)
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.ExitStack() as undo:
                lock = undo.enter_context((directory / "LOCK").open("a"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise DatabaseError(f"{directory}: in use by another process; stop it first") from None
                log = cls(directory / FILE, lock)
                undo.pop_all()
                return log
        except (OSError, sqlite3.Error) as error:
            raise DatabaseError(f"{directory}: cannot be used as data directory: {error}") from error

    def close(self) -> None:
        """Close every connection and unlock the directory."""
        for connection in (*self._readers, self._writer):
            connection.close()
        if self._lock is not None:
            self._lock.close()

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
        """The records at these positions, oldest first; those that a compaction deleted are left out."""
        connection = self._readers.pop() if self._readers else self._connect(read_only=True)
        try:
            return [
                Record(key, position, created, version, lease, value)
                for at in range(0, len(positions), _CHUNK)
                for position, key, created, version, lease, value in connection.execute(
                    "SELECT position, key, created, version, lease, value FROM log WHERE position IN "
                    f"({','.join(map(str, positions[at : at + _CHUNK]))}) ORDER BY position"
                )
            ]
        finally:
            self._readers.append(connection)

    # ---- writing ----------------------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> Size:
        """Make a batch durable, whole or not at all. Returns the size, seen lately. Raises sqlite3.Error."""
        writer = self._writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            writer.executemany(_INSERT, (_row(change.record) for change in batch.changes))
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
            if batch.settings:
                writer.executemany("REPLACE INTO setting(name, value) VALUES(?, ?)", batch.settings.items())
            if batch.forgotten:
                # One page at each call: the pragma has a row per page but no column, which `execute` takes for its end.
                for _ in range(VACUUM_PAGES):
                    writer.execute("PRAGMA incremental_vacuum(1)")
            writer.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                writer.execute("ROLLBACK")
            raise
        self._unseen += sum(change.record.size for change in batch.changes)
        if batch.forgotten or self._unseen > UNSEEN_BYTES:
            self._unseen = 0
            self._size = self.size()
        return self._size

    def size(self) -> Size:
        """Bytes of the file as it will be once the write-ahead log is checkpointed."""
        (page,) = self._writer.execute("PRAGMA page_size").fetchone()
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        (free,) = self._writer.execute("PRAGMA freelist_count").fetchone()
        return Size(pages * page, (pages - free) * page)

    def defragment(self) -> Size:
        """Give every free page back to the file system."""
        self._writer.executescript("PRAGMA incremental_vacuum")
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._size = self.size()
        return self._size

    def copy_to(self, target: pathlib.Path) -> None:
        """Write a consistent copy of the file, while others read and write this one."""
        with contextlib.closing(self._connect()) as source:
            source.execute("VACUUM INTO ?", (os.fspath(target),))

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        # Each connection is used by one thread at a time, though not always by the same one.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10.0)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        return connection


def check_usable(data_dir: str) -> None:
    """Raise DatabaseError unless a store can be opened in this directory right now. Makes what is missing there."""
    Log.open(data_dir).close()


def _row(record: Record) -> tuple[int, bytes, int, int, int, bytes]:
    return record.position, record.key, record.created, record.version, record.lease, record.value
