"""Being told when a file grows: inotify on the event loop, without a thread and without asking in turns."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Iterator

_IN_MODIFY = 0x2
_IN_MOVE_SELF = 0x800
_IN_DELETE_SELF = 0x400


@contextlib.contextmanager
def changes(path: str) -> Iterator[asyncio.Event]:
    """An event that is set whenever the file changed; the reader clears it before it reads. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1 failed")
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(fd, 65536)
        changed.set()

    try:
        if libc.inotify_add_watch(fd, os.fsencode(path), _IN_MODIFY | _IN_MOVE_SELF | _IN_DELETE_SELF) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch failed", path)
        loop.add_reader(fd, read)
        yield changed
    finally:
        loop.remove_reader(fd)
        os.close(fd)
