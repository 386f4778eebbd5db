"""SIGINT and SIGTERM while a tool works: it clears away what is half done, says so, and ends.

Both are raised as an exception in the main thread, where the tools do their work on files. A second signal ends the
process at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """number: of the signal that came, 0 for none."""

    def __init__(self) -> None:
        self.number = 0

    @property
    def exit_code(self) -> int:
        """As a shell tells of a process that a signal ended."""
        return 128 + self.number

    @property
    def name(self) -> str:
        """Of the signal."""
        return signal.Signals(self.number).name

    def come(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        self.number = number
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Handle both signals for the time of the block; in another thread than the main one none come."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.come) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
