"""The one clock.

Every read of time, every sleep, timeout and timer of the whole system goes through a ``Clock`` that is handed down the
actor tree. ``SystemClock`` is the machine's; ``VirtualClock`` stands still until a test moves it.

``VirtualClock.settle()`` runs the event loop until nothing is runnable: every message has been handled and everybody
waits for time, for a message or for the outside. Outside work (a thread, a file, another process) is invisible to the
loop, so code that awaits some says so::

    with self.clock.external("sqlite commit"):
        await connection.commit()

and ``settle`` waits until it is over. Mark only work that ends without virtual time passing: a call whose other
end sleeps on the same virtual clock would be waited for in vain. Sockets inside the process need no mark on plain
asyncio: what one end wrote is readable at the other in the same turn of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, runtime_checkable


class Timer(Protocol):
    """A scheduled callback."""

    def cancel(self) -> None:
        """Make sure that the callback does not run any more. May be called repeatedly, also after it ran."""


class Timeout(Protocol):
    """What ``async with clock.timeout(...) as timeout`` gives."""

    def expired(self) -> bool:
        """Whether the time ran out (the block then ends with ``TimeoutError``)."""


@runtime_checkable
class Clock(Protocol):
    """Time, and waiting for it. All durations are seconds."""

    def monotonic(self) -> float:
        """Seconds on a scale that never steps back; only differences mean anything."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less yields to the loop once."""

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Timeout]:
        """A block that is cancelled and raises ``TimeoutError`` after so many seconds; None never ends it."""

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call ``callback()`` from the loop after so many seconds."""

    def external(self, what: str = "outside work") -> AbstractContextManager[None]:
        """Mark that the block awaits work outside the loop which ends without the clock moving."""

    def patience(self, seconds: float | None) -> AbstractAsyncContextManager[Timeout]:
        """A timeout against code that hangs, in real time whatever the clock.

        It guards ordered stops. Nobody moves a virtual clock while a test ends, so there it also ends as soon as it is
        clear that only time could help.
        """


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Timeout]:
        return asyncio.timeout(seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def external(self, what: str = "outside work") -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def patience(self, seconds: float | None) -> AbstractAsyncContextManager[Timeout]:
        return asyncio.timeout(seconds)


class _VirtualTimer:
    __slots__ = ("_callback", "cancelled", "when")

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.cancelled = False
        self._callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.cancelled = True
        self._callback = None

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class _VirtualTimeout:
    """``asyncio.timeout`` whose deadline is set by a virtual timer."""

    def __init__(self, clock: VirtualClock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._timer: Timer | None = None

    def expired(self) -> bool:
        return self._timeout.expired()

    async def __aenter__(self) -> _VirtualTimeout:
        await self._timeout.__aenter__()
        if self._seconds is not None:
            self._timer = self._clock.call_later(self._seconds, self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _expire(self) -> None:
        self._timeout.reschedule(float("-inf"))


class _Patience:
    """A real timeout that gives up early: when the loop is idle and no outside work goes on, only time could help."""

    def __init__(self, clock: VirtualClock, seconds: float | None) -> None:
        self._clock = clock
        self._timeout = asyncio.timeout(seconds)
        self._look: asyncio.TimerHandle | None = None

    def expired(self) -> bool:
        return self._timeout.expired()

    async def __aenter__(self) -> _Patience:
        await self._timeout.__aenter__()
        self._look_later()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        await self._timeout.__aexit__(kind, error, trace)

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(self._clock.GRACE, self._start_look)

    def _start_look(self) -> None:
        self._clock.quiescence(time.monotonic() + self._clock.GRACE).add_done_callback(self._looked)

    def _looked(self, idle: asyncio.Future[None]) -> None:
        if self._look is None:
            return  # the block has ended
        if idle.cancelled() or idle.exception() is not None or self._clock.outside_work:
            self._look_later()
        else:
            self._timeout.reschedule(float("-inf"))


class VirtualClock:
    """A clock that moves only when told to; belongs to one event loop."""

    QUIET_ROUNDS = 2  # empty run queue before and after one poll of the selector
    BLIND_ROUNDS = 64  # for loops that do not show their run queue (uvloop)
    GRACE = 0.5  # seconds of real time after which ``patience`` looks whether anything still goes on

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, _VirtualTimer]] = []
        self._order = itertools.count()
        self._outside: dict[int, str] = {}
        self._outside_done: asyncio.Future[None] | None = None
        self._settling: asyncio.Future[None] | None = None
        self._quiet = 0
        self._settle_by = 0.0

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        timer = self.call_later(seconds, wake)
        try:
            await future
        finally:
            timer.cancel()

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[Timeout]:
        return _VirtualTimeout(self, seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        timer = _VirtualTimer(self._elapsed + max(seconds, 0.0), callback)
        if seconds <= 0:
            asyncio.get_running_loop().call_soon(timer.fire)
        else:
            heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        return timer

    @contextlib.contextmanager
    def external(self, what: str = "outside work") -> Iterator[None]:
        mark = next(self._order)
        self._outside[mark] = what
        try:
            yield
        finally:
            del self._outside[mark]
            if not self._outside and self._outside_done is not None:
                if not self._outside_done.done():
                    self._outside_done.set_result(None)
                self._outside_done = None

    def patience(self, seconds: float | None) -> AbstractAsyncContextManager[Timeout]:
        return _Patience(self, seconds)

    def next_timer(self) -> float | None:
        """Seconds from now until the earliest timer; None when nobody waits for time."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._elapsed if self._timers else None

    async def advance(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Move the clock, firing timers one instant after the other and settling after each."""
        target = self._elapsed + seconds + 60 * minutes + 3600 * hours
        if target < self._elapsed:
            raise ValueError("time does not run backwards")
        await self.settle()
        while (wait := self.next_timer()) is not None and self._elapsed + wait <= target:
            instant = self._timers[0][0]
            self._elapsed = max(self._elapsed, instant)
            while self._timers and self._timers[0][0] <= instant:
                heapq.heappop(self._timers)[2].fire()
            await self.settle()
        self._elapsed = target

    async def settle(self, *, within: float = 30.0) -> None:
        """Return when nothing is runnable and no outside work is under way.

        Raises ``TimeoutError`` after ``within`` seconds of real time, naming the outside work that did not end; a
        system that keeps itself busy without waiting for anything never settles either.
        """
        by = time.monotonic() + within
        while True:
            await self._quiescent(by)
            if not self._outside:
                return
            if self._outside_done is None:
                self._outside_done = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(max(by - time.monotonic(), 0.0)):
                    await asyncio.shield(self._outside_done)
            except TimeoutError:
                names = ", ".join(sorted(set(self._outside.values())))
                raise TimeoutError(f"not settled within {within:g}s: waiting for {names}") from None

    async def _quiescent(self, by: float) -> None:
        """Wait until the run queue is empty; concurrent callers share one probe."""
        await asyncio.shield(self.quiescence(by))

    def quiescence(self, by: float) -> asyncio.Future[None]:
        """Done when the run queue is empty; fails with ``TimeoutError`` when it is not by then (``time.monotonic``)."""
        if self._settling is None or self._settling.done():
            loop = asyncio.get_running_loop()
            self._settling = loop.create_future()
            self._quiet = 0
            self._settle_by = by
            loop.call_soon(self._probe)
        return self._settling

    @property
    def outside_work(self) -> bool:
        """Whether marked outside work is under way."""
        return bool(self._outside)

    def _probe(self) -> None:
        """One turn of the loop. Other clocks' probes in the run queue are not work."""
        loop = asyncio.get_running_loop()
        settling = self._settling
        if settling is None or settling.done():
            return
        ready: Any = getattr(loop, "_ready", None)
        if ready is None:
            needed, idle = self.BLIND_ROUNDS, True
        else:
            needed = self.QUIET_ROUNDS
            idle = all(
                getattr(getattr(handle, "_callback", None), "__func__", None) is VirtualClock._probe for handle in ready
            )
        self._quiet = self._quiet + 1 if idle else 0
        if self._quiet >= needed:
            settling.set_result(None)
        elif time.monotonic() > self._settle_by:
            settling.set_exception(TimeoutError("not settled in time: something stays runnable"))
        else:
            loop.call_soon(self._probe)
