"""The tables of the file, and connections to it."""

from __future__ import annotations

import os
import pathlib
import sqlite3
from urllib.parse import quote

from etcdlite.errors import DatabaseError

FORMAT = 1
"""Of the file; a newer one is refused."""
LOG_LIMIT = 16 * 1024 * 1024
"""Bytes of the write-ahead log's file that stay when it has been longer, as beside a snapshot."""
BUSY_TIMEOUT = 10.0
"""Seconds to wait for another connection's lock."""

_PRAGMAS = (
    "PRAGMA auto_vacuum=INCREMENTAL",  # before the first table, or it does nothing
    "PRAGMA journal_mode=WAL",
    "PRAGMA wal_autocheckpoint=0",  # see `Log.checkpoint`
    f"PRAGMA journal_size_limit={LOG_LIMIT}",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA secure_delete=OFF",  # where it is built in, deleting would write every page that it frees, full of zeros
)
_TABLES = """
CREATE TABLE IF NOT EXISTS log(
  position INTEGER PRIMARY KEY, key BLOB NOT NULL, created INTEGER NOT NULL, version INTEGER NOT NULL,
  lease INTEGER NOT NULL, value BLOB NOT NULL, sum INTEGER);
CREATE TABLE IF NOT EXISTS lease(id INTEGER PRIMARY KEY, ttl INTEGER NOT NULL, remaining INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS setting(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry(
  bucket TEXT, name BLOB, value BLOB NOT NULL, PRIMARY KEY(bucket, name)) WITHOUT ROWID;
"""


def connect(path: pathlib.Path, *, new: bool = False) -> sqlite3.Connection:
    """A connection, for one thread at a time, though not always the same one. new: make a file that is missing."""
    return sqlite3.connect(
        f"file:{quote(os.fspath(path))}?mode={'rwc' if new else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT,
    )


def writer(path: pathlib.Path, *, new: bool = False, sync: bool = True) -> sqlite3.Connection:
    """A connection that writes, to a file with all tables. sync: wait for the disk. Raises DatabaseError for a newer
    format, sqlite3.Error."""
    connection = connect(path, new=new)
    try:
        for pragma in (*_PRAGMAS, f"PRAGMA synchronous={'FULL' if sync else 'OFF'}"):
            connection.execute(pragma)
        _refuse_newer(connection, path)
        connection.executescript(_TABLES)
        if all(name != "sum" for _, name, *_ in connection.execute("PRAGMA table_info(log)")):
            connection.execute("ALTER TABLE log ADD COLUMN sum INTEGER")
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_newer(connection: sqlite3.Connection, path: pathlib.Path) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'setting'").fetchone() is None:
        return
    found = connection.execute("SELECT value FROM setting WHERE name = 'format'").fetchone()
    if found is not None and found[0] > FORMAT:
        raise DatabaseError(f"{path}: written by a newer version (format {found[0]}); this reads format {FORMAT}")
