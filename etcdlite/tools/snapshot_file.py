"""Snapshot files: a database, and after it the SHA-256 of it, as etcd lays them out."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from etcdlite.store.check import problems
from etcdlite.store.schema import FORMAT
from etcdlite.tools.failure import ToolError

DIGEST = 32
SECTOR = 512
"""A database is a multiple of this; what is longer by a digest has one."""
_SQLITE = b"SQLite format 3\0"
_BBOLT = struct.pack("<I", 0xED0CDAED)
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """size: of the database in it, in bytes. digest: what follows it, None when nothing does."""

    path: pathlib.Path
    size: int
    digest: bytes | None

    def verify(self) -> None:
        """Raise ToolError unless the database is what the digest was made of. Blocks."""
        if self.digest is None:
            return
        found = sha256(self.path, self.size)
        if found != self.digest:
            raise ToolError(
                f"{self.path}: damaged: expected sha256 {self.digest.hex()}, got {found.hex()}; use another snapshot"
            )

    def copy_to(self, target: pathlib.Path) -> None:
        """Write the database alone, readable by its owner alone. Blocks."""
        target.touch(mode=0o600)
        with self.path.open("rb") as source, target.open("wb") as copy:
            for piece in _pieces(source, self.size):
                copy.write(piece)


def open_snapshot(path: pathlib.Path) -> SnapshotFile:
    """Raises ToolError for a file that is no snapshot of this kind of store, saying what it is; OSError."""
    with path.open("rb") as file:
        head = file.read(64)
        size = file.seek(0, 2)
        digest = None
        if size % SECTOR == DIGEST:
            file.seek(size - DIGEST)
            digest = file.read(DIGEST)
            size -= DIGEST
    if head[16:20] == _BBOLT:
        raise ToolError(
            f"{path}: a snapshot of an etcd on bbolt, which etcd alone reads: restore it with 'etcdutl snapshot "
            "restore', and move its keys here with 'etcdctl make-mirror'"
        )
    if not head.startswith(_SQLITE):
        raise ToolError(f"{path}: no snapshot: neither SQLite nor bbolt wrote it{'' if size else ', it is empty'}")
    return SnapshotFile(path, size, digest)


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[sqlite3.Connection]:
    """The database of a file, for reading. Raises ToolError when it is none of a store's.

    A digest behind it does not matter: the database's header says where it ends."""
    with contextlib.closing(
        sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True, isolation_level=None)
    ) as file:
        file.set_progress_handler(_let_signals_through, 1_000_000)
        try:
            settings = dict(file.execute("SELECT name, value FROM setting"))
        except sqlite3.DatabaseError as error:
            raise ToolError(f"{path}: damaged, or no store's database: {error}") from None
        if settings.get("format", 0) not in range(1, FORMAT + 1):
            raise ToolError(f"{path}: of format {settings.get('format', 0)}; this version reads format {FORMAT}")
        yield file


def _let_signals_through() -> int:
    """A check of a large file is one call into SQLite; Python handles signals between two steps of its own."""
    return 0


def whole(file: sqlite3.Connection, path: pathlib.Path) -> None:
    """Raise ToolError unless every page and every row of a database is what it should be. Blocks."""
    if found := problems(file):
        raise ToolError(f"{path}: damaged: {'; '.join(found[:3])}")


def sha256(path: pathlib.Path, size: int) -> bytes:
    """Of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in _pieces(file, size):
            digest.update(piece)
    return digest.digest()


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (piece := file.read(min(_PIECE, size))):
        size -= len(piece)
        yield piece
