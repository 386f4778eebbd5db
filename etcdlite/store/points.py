"""The moments at which a crash is worth a test: named, so that a test can have the process die at exactly one.

A `Reach` is handed down from who makes the store and is called at each point; the default does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Point(Enum):
    """Where a store may be killed, in the order in which a write, a compaction, a snapshot and a restore pass them."""

    COMMIT_BEGINS = "commit-begins"
    """Applied in memory; nothing of it is in the file."""
    COMMIT_WRITTEN = "commit-written"
    """Every row is written, the transaction is open."""
    COMMIT_DURABLE = "commit-durable"
    """Committed and synced; nobody has seen it."""
    COMMIT_PUBLISHED = "commit-published"
    """Watches have it; the writers have no answer yet."""
    COMPACTION_DURABLE = "compaction-durable"
    """The file holds the compacted revision; nothing is swept."""
    SWEEP_STEP = "sweep-step"
    """A step of the sweep is forgotten in memory and not yet in the file."""
    SNAPSHOT_COPIES = "snapshot-copies"
    """The copy of the file is about to be made."""
    SNAPSHOT_COPIED = "snapshot-copied"
    """The copy is whole; nothing of it is sent."""
    SNAPSHOT_SENDS = "snapshot-sends"
    """A part of the snapshot is about to be sent."""
    RESTORE_COPIED = "restore-copied"
    """The database of a snapshot is copied, under another name, and nothing is changed in it."""
    RESTORE_BUILT = "restore-built"
    """The data directory is whole, and has not its name yet."""


SERVING = tuple(point for point in Point if not point.value.startswith("restore-"))
"""Those that a running store passes."""


Reach = Callable[[Point], None]


def pass_by(point: Point) -> None:
    """Go on: what a store does at each point unless it is told otherwise."""
