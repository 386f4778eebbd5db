"""What a failing file means to clients: errors of SQLite and of the system into the store's own.

An error that is not known here is a defect of ours; who meets it lets it surface.
"""

from __future__ import annotations

import errno
import os
import pathlib
import sqlite3

from etcdlite.errors import Corrupt, Damaged, DatabaseError, FileFault, Moved, NoSpace, StoreError

FAILURES = (sqlite3.Error, OSError, Moved, Damaged)
"""What work on the file raises."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_FORMAT = "unsupported file format"
"""What SQLite says of a header that it did not write, with no code of its own."""
_REFUSED = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
}
_CORRUPT_ADVICE = "look with 'python -m etcdlite check', and restore a snapshot into an empty directory"


def fault_of(error: BaseException, path: pathlib.Path) -> StoreError | None:
    """What a client is told: NoSpace, Corrupt or FileFault. None for an error that the file is not to blame for."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, Moved):
        return FileFault(f"etcdlite: {error}")
    if isinstance(error, Damaged):
        return Corrupt()
    if isinstance(error, OSError):
        return NoSpace() if error.errno in _FULL else FileFault(f"etcdlite: {path}: {error.strerror or error}")
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it says more exactly what SQLite was doing
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _full(path)):
        return NoSpace()
    if code in _CORRUPT or (code == sqlite3.SQLITE_ERROR and _FORMAT in str(error)):
        return Corrupt()
    if code in _REFUSED:
        return FileFault(f"etcdlite: {path}: {error}")
    return None


def is_full(error: BaseException) -> bool:
    """True when there was no room on the disk."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def refusal(error: Exception, path: pathlib.Path) -> DatabaseError:
    """Why a store cannot start from this file: what, where, and what to do."""
    if isinstance(error, DatabaseError):
        return error
    fault = fault_of(error, path)
    if isinstance(fault, NoSpace):
        return DatabaseError(f"{path.parent}: the disk is full; make room there and start again")
    if isinstance(fault, Corrupt):
        return damage(path, str(error))
    if isinstance(error, FileExistsError | NotADirectoryError):
        what = "it is a file" if isinstance(error, FileExistsError) else "a file is in its path"
        return DatabaseError(f"{path.parent}: cannot be used as data directory: {what}; choose another --data-dir")
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename in (None, str(path.parent)) else f" ({error.filename})"
        return DatabaseError(f"{path.parent}: cannot be used as data directory: {error.strerror}{where}")
    return DatabaseError(f"{path.parent}: cannot be used as data directory: {error}")


def damage(path: pathlib.Path, what: str) -> DatabaseError:
    """A file that must not be served."""
    return DatabaseError(
        f"{path.parent}: cannot be used as data directory: {path.name} is damaged ({what}); {_CORRUPT_ADVICE}"
    )


def _full(path: pathlib.Path) -> bool:
    """True when the file system has no room: growing the shared index of a write-ahead log fails as an I/O error."""
    try:
        return os.statvfs(path.parent).f_bavail == 0
    except OSError:
        return False
