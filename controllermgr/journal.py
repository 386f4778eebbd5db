"""What a unit said lately: a ring of lines that can be read and followed, beside the process's own log."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actors import Clock

KEPT = 1000
"""Lines kept for each unit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. level: DEBUG, INFO, WARNING or ERROR."""

    time: datetime
    level: str
    message: str


class Journal:
    """One unit's lines. Older ones fall out as new ones come."""

    def __init__(self, clock: Clock, *, kept: int = KEPT) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._written = 0
        self._more: asyncio.Event | None = None

    def write(self, level: str, message: str) -> None:
        """Add a line; never waits."""
        self._entries.append(Entry(self._clock.now(), level, message))
        self._written += 1
        if self._more is not None:
            self._more.set()
            self._more = None

    def read(self, lines: int = 0) -> Sequence[Entry]:
        """The newest lines, oldest first; all that are kept with 0."""
        entries = list(self._entries)
        return entries[-lines:] if lines else entries

    async def follow(self, lines: int = 0) -> AsyncIterator[Sequence[Entry]]:
        """As `read`, and then what comes, without end. A reader that is slower than the ring misses lines."""
        seen = self._written
        yield self.read(lines)
        while True:
            if self._written == seen:
                self._more = self._more or asyncio.Event()
                await self._more.wait()
            fresh = min(self._written - seen, len(self._entries))
            seen = self._written
            yield self.read(fresh)


class UnitLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that writes to a unit's journal too, and names the unit in the process's log."""

    def __init__(self, logger: logging.Logger, unit: str, journal: Journal) -> None:
        super().__init__(logger, {})
        self._unit = unit
        self._journal = journal

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if level >= logging.INFO:
            text = str(msg) % args if args else str(msg)
            error = kwargs.get("exc_info")
            self._journal.write(logging.getLevelName(level), f"{text} error={error!r}" if error else text)
        if self.logger.isEnabledFor(level):
            kwargs.setdefault("stacklevel", 2)
            self.logger.log(level, f"{msg} unit={self._unit}", *args, **kwargs)
