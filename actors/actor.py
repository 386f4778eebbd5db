"""The actor base class: what a user of the runtime writes.

An actor owns some state and handles one message at a time. It never shares the state; others hold its ``Ref``::

    class Counter(Actor):
        def __init__(self) -> None:
            self.count = 0

        async def handle(self, message: Add | Read) -> int | None:
            match message:
                case Add(n):
                    self.count += n
                    return None
                case Read():
                    return self.count

Its life: ``setup`` → many ``handle`` → ``teardown``. An exception that is not listed in ``rejects`` ends this life; the
supervisor may begin another, with a new object and the same address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar

from actors.mailbox import MailboxSpec

if TYPE_CHECKING:
    from actors.cell import Cell
    from actors.clock import Clock
    from actors.ref import Ref


class ActorLog(logging.LoggerAdapter[logging.Logger]):
    """Adds ``actor=PATH`` to every line, without a logger per actor."""

    def __init__(self, logger: logging.Logger, path: str) -> None:
        super().__init__(logger, {})
        self._suffix = " actor=" + path.replace("%", "%%")

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return f"{msg}{self._suffix}", kwargs


class Actor:
    """Subclass it, override ``handle`` and, where there is something to open or close, ``setup`` and ``teardown``."""

    mailbox: ClassVar[MailboxSpec] = MailboxSpec()
    """Size and overflow policy."""
    rejects: ClassVar[tuple[type[Exception], ...]] = ()
    """Exceptions that answer the ask (the asker gets them raised) and leave the actor as it is."""
    slow_after: ClassVar[float | None] = 10.0
    """Seconds after which one message is reported as slow; None never reports."""

    interruptible: ClassVar[bool] = False
    """Whether a stop cancels the message that is handled, for an actor that leaves nothing half done; else it waits for
    the handler as long as the child spec allows."""

    # Set by the runtime before ``setup``.
    ref: Ref
    clock: Clock
    path: str
    log: ActorLog
    _cell: Cell | None = None

    async def setup(self) -> None:
        """Before the first message. The supervisor starts the next child only after it returned."""

    async def handle(self, message: Any) -> Any:
        """Handle one message. What it returns answers an ask."""
        raise NotImplementedError(f"{type(self).__name__} handles no messages")

    async def teardown(self) -> None:
        """Always called once ``setup`` was entered, also after a crash; background tasks have ended by then."""

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run a background task that this actor owns: its exception crashes the actor, the actor's end cancels it."""
        if self._cell is None:
            coroutine.close()
            raise RuntimeError(f"{type(self).__name__} is not running")
        return self._cell.spawn(coroutine, name=name)

    def finish(self) -> None:
        """End normally after the current message (at once when idle). What waits is for the next life, if any."""
        if self._cell is not None:
            self._cell.finish()
