"""Files that hold secrets, replaced in one step."""

from __future__ import annotations

import os
import pathlib


def write_file(path: pathlib.Path, content: bytes, *, secret: bool = False) -> None:
    """Replace a file in one step, so that a reader (or a crash) never sees half of it. `secret`: mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
