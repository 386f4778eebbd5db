"""Who holds a locked file, as the kernel tells it. For messages: it may have changed when they are read."""

from __future__ import annotations

import os
from pathlib import Path


def holder_of(path: Path) -> str:
    """`process 123 (python -m etcdlite ...)`; `another process` where that cannot be found out."""
    try:
        found = path.stat()
        device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if len(words) > 5 and words[1] == "FLOCK" and words[5] == device and words[4] != str(os.getpid()):
                return _described(words[4])
    except OSError:
        pass
    return "another process"


def _described(pid: str) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return f"process {pid}"
    command = " ".join(b" ".join(words).decode(errors="replace").split())
    return f"process {pid} ({command if len(command) <= 100 else command[:97] + '...'})"
