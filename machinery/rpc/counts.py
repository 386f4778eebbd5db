"""How often each method was called, how it ended, and how much went to and fro: plain numbers, read by whoever asks."""

from __future__ import annotations

from collections.abc import Callable

from machinery.rpc.api import Code


class CallCounts:
    """Of one method, since the counts were made. Bytes are those of messages, uncompressed and without frames.

    handled: how many calls ended with each code. observe: told how many seconds each call took; None asks no clock."""

    __slots__ = ("handled", "observe", "received", "received_bytes", "sent", "sent_bytes", "started")

    def __init__(self, observe: Callable[[float], None] | None = None) -> None:
        self.observe = observe
        self.started = 0
        self.received = 0
        self.received_bytes = 0
        self.sent = 0
        self.sent_bytes = 0
        self.handled: dict[Code, int] = {}

    def ended(self, code: Code) -> None:
        """A call ended."""
        self.handled[code] = self.handled.get(code, 0) + 1
