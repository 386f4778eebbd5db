"""The data directory: locked against other processes, and known again.

`store.mark` holds two numbers that were durable in `store.db` when they were written: the newest revision, and how
many commits changed no key. It is overwritten after each commit, without a sync of its own, so it may lag behind after
a power cut but never runs ahead. A database that holds less than its mark has therefore lost acknowledged writes: a
damaged write-ahead log, whose end SQLite drops without a word, or an older copy of the file. And a directory with a
mark was in use: a missing or empty database there is a loss, not a beginning.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from typing import IO

from etcdlite.errors import DatabaseError, Moved
from etcdlite.holder import holder_of

FILE = "store.db"
MARK = "store.mark"
LOCK = "LOCK"
RESERVE = 16 * 1024 * 1024
"""Bytes of the disk that are left for making room, an eighth of it at most: as much as the write-ahead log may grow."""
_RESTORE = "restore a snapshot into an empty directory"


class Place:
    """A data directory that this process has for itself. `take` makes one."""

    def __init__(self, directory: pathlib.Path, lock: IO[str]) -> None:
        self.file = directory / FILE
        self._wal = directory / f"{FILE}-wal"
        self._mark = directory / MARK
        self._lock = lock
        self._known: list[tuple[int, int]] = []
        self._descriptor: int | None = None

    @classmethod
    def take(cls, directory: pathlib.Path, *, again: bool = False) -> Place:
        """Make the directory where it is missing, and lock it. again: nothing may be missing. Raises DatabaseError,
        OSError."""
        if again and not _size(directory / FILE):
            raise DatabaseError(f"{directory / FILE}: gone, although it was served until now; {_RESTORE}")
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.ExitStack() as undo:
            lock = undo.enter_context((directory / LOCK).open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DatabaseError(f"{directory}: in use by {holder_of(directory / LOCK)}; stop it first") from None
            undo.pop_all()
            return cls(directory, lock)

    def leave(self) -> None:
        """Unlock it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._lock.close()

    @property
    def new(self) -> bool:
        """True when no store has been here. Raises DatabaseError when one has, and what it left is gone."""
        if _size(self.file):
            return False
        for trace in (self._mark, self._wal):
            if trace.exists() and (trace is self._mark or _size(trace)):
                state = "empty" if self.file.exists() else "missing"
                raise DatabaseError(f"{self.file}: {state}, although {trace.name} shows that it was in use; {_RESTORE}")
        return True

    def room(self, size: int) -> bool:
        """False when the disk is so full that what makes room, a deletion or a compaction, would soon fail as well.

        size: bytes of the file once the write-ahead log is in it; the disk must have them, too."""
        try:
            disk = os.statvfs(self.file.parent)
            owed = size - os.stat(self.file).st_size
        except OSError:
            return True  # a disk that does not tell refuses by itself
        whole = disk.f_blocks * disk.f_frsize
        return whole == 0 or disk.f_bavail * disk.f_frsize - owed > min(RESERVE, whole // 8)

    # ---- the same files ---------------------------------------------------------------------------------------

    def remember(self) -> None:
        """The database that was opened is the one that lies here now."""
        self._known = self._found()

    def check(self) -> None:
        """Raise Moved unless the files that are open still lie where they were: what is written to a deleted file is
        gone with the process, however durable."""
        try:
            same = not self._known or self._known == self._found()
        except OSError:
            same = False
        if not same:
            raise Moved(f"{self.file}: deleted or replaced while in use; stop the server and put it back")

    def _found(self) -> list[tuple[int, int]]:
        # Who deletes the lock lets another server in.
        return [(found.st_dev, found.st_ino) for found in map(os.stat, (self.file, self._wal, self._lock.name))]

    # ---- the mark ---------------------------------------------------------------------------------------------

    def acknowledge(self, revision: int, silent: int) -> None:
        """Note what is durable. A mark that cannot be written stays what it was, which is as true."""
        line = b"%020d %020d\n" % (revision, silent)
        with contextlib.suppress(OSError):
            if self._descriptor is None:
                self._descriptor = self._open_mark()
            os.pwrite(self._descriptor, line, 0)

    def verify(self, revision: int, silent: int) -> None:
        """Raise DatabaseError unless the database holds everything that the mark speaks of."""
        try:
            marked, silent_marked = (int(part) for part in self._mark.read_bytes().split())
        except (OSError, ValueError):
            return  # none yet, or not whole: it is not synced by itself
        if revision < marked:
            loss = f"it ends at revision {revision}, but {marked} was acknowledged"
        elif silent < silent_marked:
            loss = "changes of leases, settings or users are missing that were acknowledged"
        else:
            return
        raise DatabaseError(
            f"{self.file}: {loss}: its write-ahead log was damaged, or this is an older copy; {_RESTORE}, or delete "
            f"{MARK} to go on without what is missing"
        )

    def _open_mark(self) -> int:
        first = not self._mark.exists()
        descriptor = os.open(self._mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if first:  # the names of the files must outlive a power cut, as what is in them does
            for directory in (self._mark.parent, self._mark.parent.parent):
                with contextlib.suppress(OSError):
                    _sync(directory)
        return descriptor


def _sync(directory: pathlib.Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: pathlib.Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
