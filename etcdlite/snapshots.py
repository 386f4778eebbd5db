"""The temporary files of snapshots: beside the data, so that there is room and nobody else may read them.

A file exists under its name only while it is being written. What a crash leaves is removed at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import tempfile
from collections.abc import Awaitable, Callable
from typing import IO

from etcdlite.errors import FileFault

PREFIX = "snapshot-"
SUFFIX = ".tmp"


async def unnamed(directory: pathlib.Path | None, write: Callable[[pathlib.Path], Awaitable[None]]) -> IO[bytes]:
    """What `write` made, as an open file that goes away when it is closed. None: where temporary files go.

    Raises FileFault when there can be no such file, and what `write` raises."""
    try:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=directory)
    except OSError as error:
        raise _fault(directory, error) from error
    path = pathlib.Path(name)
    os.close(handle)
    try:
        await write(path)
        return await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise _fault(directory, error) from error
    finally:
        remove(path)


def _fault(directory: pathlib.Path | None, error: OSError) -> FileFault:
    """Names the directory: the file has a name that means nothing to anyone."""
    return FileFault(f"etcdlite: snapshot: {directory or tempfile.gettempdir()}: {error.strerror or error}")


def sweep(directory: pathlib.Path) -> None:
    """Remove what snapshots that a crash interrupted left in a directory. Raises OSError."""
    for path in directory.glob(f"{PREFIX}*{SUFFIX}*"):
        path.unlink(missing_ok=True)


def remove(path: pathlib.Path) -> None:
    """Remove a database file and what SQLite puts beside it."""
    for name in ("", "-journal", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + name).unlink()
