"""Ref: the stable address of an actor.

It survives restarts: what is told while the actor restarts waits in the mailbox. Messages of one sender arrive in the
order they were sent. Tell is fire and forget; ask waits for what ``handle`` returns.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.cell import CURRENT, Cell, refuse_deadlock
from actors.errors import AskTimeout
from actors.mailbox import Ask

if TYPE_CHECKING:
    from actors.mailbox import Mailbox


class Ref:
    """See the module."""

    __slots__ = ("_cell", "_mailbox", "path")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._mailbox: Mailbox = cell.mailbox
        self.path = cell.path

    def __repr__(self) -> str:
        return f"<Ref {self.path} {self._cell.state.value}>"

    @property
    def alive(self) -> bool:
        """False once the actor has ended for good; True while it runs, starts or restarts."""
        return not self._mailbox.closed

    def tell_nowait(self, message: Any) -> bool:
        """Send without waiting; False when there is no room. Raises ``DeadRef``."""
        return self._mailbox.offer(message)

    async def tell(self, message: Any) -> None:
        """Send, waiting for room where the mailbox blocks.

        Raises ``DeadRef``, ``MailboxFull`` (CLOSE policy), and ``DeadlockError`` for one's own full mailbox.
        """
        if not self._mailbox.offer(message):
            if CURRENT.get() is self._cell:
                refuse_deadlock(self._cell, self._cell)
            await self._mailbox.put(message)

    async def ask(self, message: Any, *, timeout: float | None = None) -> Any:
        """Send and wait for the answer, at most ``timeout`` seconds (None waits as long as the actor lives).

        Raises what the handler rejected with, ``ActorCrashed``, ``DeadRef``, ``AskTimeout``, ``MailboxFull``, and
        ``DeadlockError`` when the answer would have to come from the asker or from somebody who waits for it. An ask
        whose asker has left before its turn is not handled.
        """
        asker = CURRENT.get()
        if asker is not None:
            refuse_deadlock(asker, self._cell)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        envelope = Ask(message, reply)
        if timeout is None:
            if not self._mailbox.offer(envelope):
                await self._mailbox.put(envelope)
            if asker is None:
                return await reply
            asker.asking = self._cell
            try:
                return await reply
            finally:
                asker.asking = None
        timer = self._cell.runtime.clock.call_later(timeout, lambda: envelope.fail(AskTimeout(self.path, timeout)))
        try:
            if not self._mailbox.offer(envelope):
                await self._put_before(envelope)
            if asker is not None:
                asker.asking = self._cell
            return await reply
        finally:
            timer.cancel()
            if asker is not None:
                asker.asking = None

    async def stop(self) -> None:
        """Stop the actor for good, in order, and wait until it has ended. An actor ends itself with ``finish``.

        The message in hand is finished, those that wait are not: their askers get ``DeadRef``. Raises
        ``DeadlockError`` inside the actor's own handler and those of its children.
        """
        await self._cell.stop()

    async def _put_before(self, envelope: Ask) -> None:
        """Wait for room until the envelope's own timeout answers it."""
        putting = asyncio.ensure_future(self._mailbox.put(envelope))
        try:
            await asyncio.wait({putting, envelope.reply}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not putting.done():
                putting.cancel()
        if putting.done() and not putting.cancelled():
            putting.result()
