"""Being told when a file grows or its name changes hands: inotify on the event loop, without a thread or turns."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Iterator

_IN_MODIFY = 0x2
_IN_MOVED_FROM = 0x40
_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_IN_DELETE = 0x200


@contextlib.contextmanager
def changes(file: int, directory: str) -> Iterator[asyncio.Event]:
    """An event that is set whenever the open `file` was written to or a name in `directory` came or went.

    The reader clears it before it reads. A directory that is gone is not watched: no name will come there again.
    Raises OSError.
    """
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

    def watch(path: str, mask: int) -> None:
        if libc.inotify_add_watch(fd, os.fsencode(path), mask) < 0:
            code = ctypes.get_errno()
            raise OSError(code, "inotify_add_watch failed", path)  # of the class that the code stands for

    try:
        watch(f"/proc/self/fd/{file}", _IN_MODIFY)
        with contextlib.suppress(FileNotFoundError):
            watch(directory, _IN_CREATE | _IN_DELETE | _IN_MOVED_FROM | _IN_MOVED_TO)
        loop.add_reader(fd, read)
        yield changed
    finally:
        loop.remove_reader(fd)
        os.close(fd)
