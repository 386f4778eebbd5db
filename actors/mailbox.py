"""Bounded mailboxes with a named overflow policy.

A mailbox belongs to an address, not to one incarnation of the actor: messages that arrive while the actor restarts wait
for the new object. Items are plain messages, or ``Ask`` envelopes for messages with somebody waiting. One reader, many
writers, one event loop; nothing here awaits except for room and for messages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from actors.errors import DeadRef, MailboxFull


class Overflow(Enum):
    """What happens to a message for which there is no room."""

    BLOCK = "block"
    """The sender waits; ``tell_nowait`` says False."""
    COALESCE = "coalesce"
    """A message replaces the waiting one with the same key, in its place. For a new key beyond capacity, as BLOCK."""
    DROP_OLDEST = "drop_oldest"
    """The oldest waiting message goes (its asker, if any, gets ``MailboxFull``)."""
    CLOSE = "close"
    """The actor crashes with ``MailboxFull`` and all that waits is discarded: the end of a slow consumer."""


@dataclass(frozen=True, slots=True)
class MailboxSpec:
    """Size and policy of a mailbox; ``key`` maps a message to what it coalesces by (required there, else refused)."""

    capacity: int = 1024
    overflow: Overflow = Overflow.BLOCK
    key: Callable[[Any], Hashable] | None = None

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"mailbox capacity must be positive, not {self.capacity}")
        if self.key is not None and self.overflow is Overflow.BLOCK:
            object.__setattr__(self, "overflow", Overflow.COALESCE)
        if (self.key is not None) != (self.overflow is Overflow.COALESCE):
            raise ValueError("a coalescing mailbox needs a key, and no other takes one")


class Ask:
    """A message whose sender waits on ``reply``."""

    __slots__ = ("message", "reply")

    def __init__(self, message: Any, reply: asyncio.Future[Any]) -> None:
        self.message = message
        self.reply = reply

    def fail(self, error: BaseException) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


@dataclass(frozen=True, slots=True)
class MailboxStats:
    """Counts since the address exists."""

    depth: int
    capacity: int
    peak: int
    dropped: int
    coalesced: int


class Mailbox:
    """See the module. ``on_overflow`` is called once, when a CLOSE mailbox overflows."""

    __slots__ = (
        "_capacity",
        "_closed",
        "_items",
        "_key",
        "_latest",
        "_overflow",
        "_path",
        "_reader",
        "_room",
        "coalesced",
        "dropped",
        "on_overflow",
        "peak",
    )

    def __init__(self, spec: MailboxSpec, *, path: str) -> None:
        self._path = path
        self._capacity = spec.capacity
        self._overflow = spec.overflow
        self._key = spec.key
        self._items: deque[Any] = deque()
        self._latest: dict[Hashable, Any] = {}  # coalescing: the queue holds keys, this the newest message of each
        self._reader: asyncio.Future[None] | None = None
        self._room: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self.on_overflow: Callable[[], None] | None = None
        self.peak = 0
        self.dropped = 0
        self.coalesced = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        return self._closed

    def stats(self) -> MailboxStats:
        return MailboxStats(len(self._items), self._capacity, self.peak, self.dropped, self.coalesced)

    def offer(self, item: Any) -> bool:
        """Put without waiting; False when there is no room. Raises ``DeadRef``."""
        if self._closed:
            raise DeadRef(self._path)
        items = self._items
        if self._key is not None and type(item) is not Ask:
            key = self._key(item)
            if key in self._latest:
                self._latest[key] = item
                self.coalesced += 1
                return True
            if len(items) >= self._capacity:
                return False
            self._latest[key] = item
            item = _Keyed(key)
        elif len(items) >= self._capacity and not self._make_room():
            return False
        items.append(item)
        if len(items) > self.peak:
            self.peak = len(items)
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(None)
        return True

    def post(self, item: Any) -> None:
        """Put a message of the runtime itself, whatever the room. Does nothing on a closed mailbox."""
        if self._closed:
            return
        self._items.append(item)
        self.wake()

    async def put(self, item: Any) -> None:
        """Put after ``offer`` found no room, waiting for some. Raises ``DeadRef``, and ``MailboxFull`` under CLOSE."""
        if self._overflow is Overflow.CLOSE:
            raise MailboxFull(self._path)
        while not self.offer(item):
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._room.append(room)
            try:
                await room
            except asyncio.CancelledError:
                if room.done() and not room.cancelled():
                    self._grant_room()  # the room was given to us and we are leaving: pass it on
                else:
                    self._room.remove(room)
                raise

    def take(self) -> Any:
        """The next item; raises ``IndexError`` when there is none."""
        item = self._items.popleft()
        if type(item) is _Keyed:
            item = self._latest.pop(item.key)
        if self._room:
            self._grant_room()
        return item

    async def wait(self) -> None:
        """Until there may be something to take, or ``wake`` was called."""
        if not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    def wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    def clear(self, error: BaseException) -> None:
        """Discard all that waits; askers get ``error``."""
        items, self._items = self._items, deque()
        self._latest.clear()
        for item in items:
            if type(item) is Ask:
                item.fail(error)
        while self._room:
            self._grant_room()

    def close(self) -> None:
        """Refuse everything from now on, and discard all that waits: askers and blocked senders get ``DeadRef``."""
        self._closed = True
        self.clear(DeadRef(self._path))

    def _make_room(self) -> bool:
        if self._overflow is Overflow.DROP_OLDEST:
            oldest = self._items.popleft()
            self.dropped += 1
            if type(oldest) is Ask:
                oldest.fail(MailboxFull(self._path))
            return True
        if self._overflow is Overflow.CLOSE:
            self.dropped += 1
            if self.on_overflow is not None:
                self.on_overflow()
        return False

    def _grant_room(self) -> None:
        while self._room:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)
                return


class _Keyed:
    """A place in the queue whose message is the latest of its key."""

    __slots__ = ("key",)

    def __init__(self, key: Hashable) -> None:
        self.key = key
