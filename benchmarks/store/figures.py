"""What the system says of processes and of the disk."""

from __future__ import annotations

import os
import pathlib
import resource
import statistics
import tempfile
import time


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, in steps of 10 ms."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Resident MiB of a process."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def fdatasync_p50(directory: str) -> float:
    """Milliseconds of one fdatasync after 4 KiB were appended."""
    with tempfile.TemporaryFile(dir=directory) as file:
        taken = []
        for _ in range(200):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000
