"""One watch: what it wants to hear, and from which revision on. Pure.

A watch is either *live* (in the groups: it gets every change as it is published) or *behind* (it reads history from
`next_revision` on). It is behind when it starts in the past, and when its stream cannot keep up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etcdlite.keyrange import KeyRange
from etcdlite.model import Change, varint

FIRST_BATCH = 64
"""Changes of history read at first; how large they are decides how many come next."""

if TYPE_CHECKING:
    from etcdlite.watch.stream import WatchStream


@dataclass(eq=False, slots=True)
class Watch:
    """id: unique on its stream. next_revision: everything before it was handed to the stream, or is not wanted.

    backlog: (position, position before it) pairs of the history still to read while behind, newest first. batch: how
    many of them are read at once.
    """

    id: int
    stream: WatchStream
    keys: KeyRange
    next_revision: int
    no_put: bool = False
    no_delete: bool = False
    want_previous: bool = False
    progress_notify: bool = False
    fragment: bool = False
    heard: bool = False
    """True when an event went out since the last progress notification was due."""
    backlog: list[tuple[int, int]] = field(default_factory=list)
    batch: int = FIRST_BATCH
    wire_id: bytes = field(init=False)
    """The id as a varint."""

    def __post_init__(self) -> None:
        self.wire_id = varint(self.id)

    @property
    def manner(self) -> tuple[int, bool, bool, bool, bool]:
        """Equal for watches of one stream that are told the same in the same words, their ids aside."""
        return id(self.stream), self.no_put, self.no_delete, self.want_previous, self.fragment

    @property
    def filtered(self) -> bool:
        """True when not every change in the range is wanted."""
        return self.no_put or self.no_delete

    def wants(self, change: Change) -> bool:
        """True unless a filter drops the change."""
        return not (self.no_delete if change.record.version == 0 else self.no_put)
