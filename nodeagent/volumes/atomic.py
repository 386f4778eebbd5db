"""Writing a volume's files so that a reader sees the old state or the new one, never a mixture.

The layout is kubelet's AtomicWriter's, which programs watch: the files are in a directory named after the time,
`..data` is a symbolic link to it that is replaced by a rename, and each visible name is a link through `..data`.
All functions block; call them in a thread.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nodeagent.volumes.payload import Payload

DATA = "..data"


def write(directory: Path, payload: Payload, *, stamp: str, group: int | None = None) -> bool:
    """Make `directory` hold exactly these files; False when it did already.

    stamp: names the new state (a time). group: owns the files and may read them (fsGroup)."""
    directory.mkdir(parents=True, exist_ok=True)
    current = directory / DATA
    if current.is_dir() and _read(current) == {path: (file.content, file.mode) for path, file in payload.items()}:
        return False
    fresh = directory / f"..{stamp}"
    number = 0
    while fresh.exists():
        number += 1
        fresh = directory / f"..{stamp}_{number}"
    for path, file in payload.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode | 0o440 if group is not None else file.mode)
        if group is not None:
            os.chown(target, -1, group)
    fresh.mkdir(exist_ok=True)
    old = current.resolve() if current.is_symlink() else None
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.replace(current)
    _expose(directory, payload)
    if old is not None and old != fresh:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _read(current: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(current)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in current.rglob("*")
        if path.is_file()
    }


def _expose(directory: Path, payload: Payload) -> None:
    names = {Path(path).parts[0] for path in payload}
    for name in names:
        visible = directory / name
        if not visible.is_symlink():
            visible.symlink_to(f"{DATA}/{name}")
    for entry in directory.iterdir():
        if entry.is_symlink() and entry.name != DATA and entry.name not in names:
            entry.unlink()
