"""The thread that commits: one per file, given one piece of work after the other.

A commit costs a few hundred microseconds, most of them spent waiting for the disk; what is paid for getting there and
back counts. An executor's futures, locks and callbacks come to 70 µs of CPU, a queue and one wake-up to 20.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Runs blocking work in its thread, for one caller at a time. It belongs to the loop that it was made in."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._work: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._done: asyncio.Future[Any] = self._loop.create_future()
        self._ended = True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """What the work returns or raises. When the caller is cancelled meanwhile, the work still ends before it goes
        on: a database connection must not be closed under a thread that uses it."""
        self._ended = False
        done = self._done = self._loop.create_future()
        self._work.put((work, arguments))
        try:
            result: T = await done
        except asyncio.CancelledError:
            while not self._ended:
                self._done = self._loop.create_future()
                with contextlib.suppress(Exception, asyncio.CancelledError):  # the first one is told below
                    await self._done
            raise
        return result

    def close(self) -> None:
        """End the thread, which has nothing to do any more."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, arguments = item
            result: Any = None
            failure: BaseException | None = None
            try:
                result = work(*arguments)
            except BaseException as error:
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._finish, result, failure)
            del item, work, arguments, result, failure

    def _finish(self, result: Any, failure: BaseException | None) -> None:
        self._ended = True
        if self._done.done():
            return  # cancelled in the same turn
        if failure is not None:
            self._done.set_exception(failure)
        else:
            self._done.set_result(result)
