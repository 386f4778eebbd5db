"""The order in which calls begin while their client has too many answers to take.

A call that waits for its turn has its request, and nothing else. Whoever reads what waits lets the next call begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Turns:
    """See the module. full: whether too much waits for the client. begun: told when a call waits no more.

    True while calls wait."""

    def __init__(self, *, full: Callable[[], bool], begun: Callable[[], None]) -> None:
        self._full = full
        self._begun = begun
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._admitting = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def mine(self) -> None:
        """Return when a call may begin: those before it have begun, and there is room for its answer."""
        if not self._waiting and not self._full():
            return
        turn = self._loop.create_future()
        self._waiting[turn] = None
        try:
            await turn
        finally:
            self._waiting.pop(turn, None)
            self._begun()

    def admit(self) -> None:
        """There may be room: let the calls begin, one in a turn of the loop, since by the next it may have answered."""
        if self._waiting and not self._admitting and not self._full():
            self._admitting = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._admitting = False
        if self._waiting and not self._full():
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                turn.set_result(None)
            self.admit()

    def close(self) -> None:
        """The connection is no more, and is free when nobody else knows it."""
        self._full = _always
        self._begun = _nothing


def _always() -> bool:
    return True


def _nothing() -> None:
    """Nobody is there to be told."""
