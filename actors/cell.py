"""Cell: the machinery behind one address. Internal; users see ``Actor``, ``Ref`` and the tree.

A cell outlives the actor objects that it runs one after the other. It owns the mailbox, the task, the state and the
restart history. Its states:

    new ──► starting ──► running ──► stopping ──► ended
              │ ▲            │                      ▲
              ▼ │            ▼                      │
            restarting ◄── (crash or end) ──► ended or failed, for good

Who decides what follows an end is the parent (a supervisor, or the system for the root): ``child_exited`` is called
once per incarnation that ended by itself, and answers with ``revive`` or ``retire``.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from actors.actor import Actor, ActorLog
from actors.errors import ActorCrashed, DeadlockError, DeadRef, MailboxFull
from actors.mailbox import Ask, Mailbox
from actors.reports import Crashed, Ended, Report, SlowHandler, Started, StopTimeout

if TYPE_CHECKING:
    from actors.childspec import ChildSpec
    from actors.clock import Clock, Timer
    from actors.ref import Ref

CURRENT: contextvars.ContextVar[Cell | None] = contextvars.ContextVar("actors.current", default=None)
"""The cell whose handler is running, for finding deadlocks; None in background tasks and outside of actors."""

FAIR_SHARE = 64
"""Messages handled in a row before the loop gets a turn."""


class State(Enum):
    """See the module."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every cell of a tree shares."""

    clock: Clock
    report: Callable[[Report], None]


class Parent(Protocol):
    """Who started a cell."""

    def child_exited(self, cell: Cell, error: BaseException | None) -> None:
        """An incarnation ended by itself. Called from the loop, must not wait."""

    def child_ended(self, cell: Cell) -> None:
        """The cell has ended for good. Called from the loop, must not wait."""


class Cell:
    """See the module."""

    __slots__ = (
        "_background",
        "_ended",
        "_failure",
        "_finishing",
        "_interruptible",
        "_keep",
        "_revival",
        "_setup_done",
        "_started",
        "_task",
        "actor",
        "asking",
        "last_error",
        "mailbox",
        "parent",
        "path",
        "ref",
        "restarts",
        "retired",
        "runtime",
        "spec",
        "state",
    )

    def __init__(self, spec: ChildSpec, *, path: str, parent: Parent, runtime: Runtime) -> None:
        from actors.ref import Ref  # a ref needs the cell's class and every cell has a ref

        self.spec = spec
        self.path = path
        self.parent = parent
        self.runtime = runtime
        self.state = State.NEW
        self.restarts = 0
        self.last_error: BaseException | None = None
        self.retired = False  # nobody may start it again
        self.asking: Cell | None = None  # whom its handler waits for
        self.actor: Actor = self._make_actor()
        self.mailbox = Mailbox(self.actor.mailbox, path=path)
        self.mailbox.on_overflow = self._overflowed
        self.ref: Ref = Ref(self)
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._setup_done = False
        self._finishing = False
        self._keep = False
        self._interruptible = False  # whether the task is in setup or handling, where cancelling it leads to teardown
        self._failure: BaseException | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._revival: Timer | None = None
        self._ended = asyncio.Event()

    # -- life, as the parent commands it

    async def start(self, *, keep: bool = False) -> None:
        """The first start. Returns when ``setup`` returned and raises what it raised.

        A cell whose first start failed has ended for good, unless ``keep`` says that its parent will revive it.
        """
        self._keep = keep
        started = self._started = asyncio.get_running_loop().create_future()
        self._launch()
        try:
            await asyncio.shield(started)
        except asyncio.CancelledError:
            await self.stop()
            if started.done() and not started.cancelled():
                started.exception()  # seen: whoever cancelled us wants no answer
            raise

    def revive(self, delay: float) -> None:
        """Start a new incarnation after ``delay`` seconds; what waits in the mailbox waits on."""
        self.state = State.RESTARTING
        self._revival = self.runtime.clock.call_later(delay, self._relaunch)

    def retire(self, state: State = State.ENDED) -> None:
        """End for good; only while no incarnation runs."""
        self.retired = True
        self.state = state
        if self._revival is not None:
            self._revival.cancel()
            self._revival = None
        self.mailbox.close()
        if not self._ended.is_set():
            self._ended.set()
            self.parent.child_ended(self)

    async def stop(self) -> None:
        """Stop for good, in order; waits. What does not end in time is cancelled, and at last abandoned, by name."""
        current = CURRENT.get()
        while current is not None:  # from inside its own handler, or a child's: the handler would wait for its own end
            if current is self:
                raise DeadlockError(self.path, (self.path, self.path))
            current = getattr(current.parent, "_cell", None)
        self.retired = True
        await self.halt()
        if not self._ended.is_set():
            self.retire()

    async def halt(self) -> None:
        """End the running incarnation, in order, without ending the address."""
        if self._revival is not None:
            self._revival.cancel()
            self._revival = None
        task = self._task
        if task is None:
            return
        eager = self.state is State.STARTING or self.actor_supervises() or self.actor.interruptible
        interrupt = self._interruptible and eager
        self.state = State.STOPPING
        self._finishing = True
        if interrupt:
            task.cancel()
        else:
            self.mailbox.wake()
        patience = None if self.actor_supervises() else self.spec.shutdown
        if patience is None:
            await asyncio.wait({task})  # its children's own limits bound it
        elif not await self._gone(task, patience):
            self.runtime.report(StopTimeout(self.path, patience, abandoned=False))
            task.cancel()
            if not await self._gone(task, patience):
                task.cancel()
                if not await self._gone(task, 1.0):
                    self.runtime.report(StopTimeout(self.path, patience, abandoned=True))
        await asyncio.sleep(0)  # the task's done callback has run now

    def finish(self) -> None:
        self._finishing = True
        self.mailbox.wake()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        context = contextvars.copy_context()
        context.run(CURRENT.set, None)
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(
            coroutine, name=f"{self.path}:{name}", context=context
        )
        self._background.add(task)
        task.add_done_callback(self._background_done)
        return task

    def actor_supervises(self) -> bool:
        """Whether this is a supervisor: its stop interrupts it, and is bounded by its children's."""
        return bool(getattr(self.actor, "supervises", False))

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task

    @property
    def background(self) -> Iterable[asyncio.Task[Any]]:
        return tuple(self._background)

    # -- one incarnation

    def _make_actor(self) -> Actor:
        actor = self.spec.start()
        if not isinstance(actor, Actor):
            raise TypeError(f"start of child {self.spec.name!r} made {actor!r}, which is not an actor")
        if actor._cell is not None and not getattr(actor, "supervises", False):
            raise RuntimeError(f"start of child {self.spec.name!r} must make a new actor each time")
        return actor

    def _launch(self) -> None:
        self.state = State.STARTING
        self._setup_done = False
        self._finishing = False
        self._failure = None
        actor = self.actor
        actor._cell = self
        actor.ref = self.ref
        actor.clock = self.runtime.clock
        actor.path = self.path
        actor.log = ActorLog(logging.getLogger(type(actor).__module__), self.path)
        context = contextvars.copy_context()
        context.run(CURRENT.set, self)
        self._interruptible = True
        self._task = asyncio.get_running_loop().create_task(self._live(actor), name=self.path, context=context)
        self._task.add_done_callback(self._exited)

    def _relaunch(self) -> None:
        self._revival = None
        if self.retired:
            return
        self.restarts += 1
        try:
            self.actor = self._make_actor()
        except Exception as error:
            self.last_error = error
            self.runtime.report(Crashed(self.path, error))
            self.parent.child_exited(self, error)
            return
        self._launch()

    async def restart_now(self) -> None:
        """A new incarnation in an ordered group restart; waits for its setup and raises what that raised."""
        started = self._started = asyncio.get_running_loop().create_future()
        self._keep = True
        self.restarts += 1
        self.actor = self._make_actor()
        self._launch()
        await asyncio.shield(started)

    async def _live(self, actor: Actor) -> None:
        try:
            await actor.setup()
            self._setup_done = True
            if self.state is State.STARTING:
                self.state = State.RUNNING
            self.runtime.report(Started(self.path, self.restarts))
            started, self._started = self._started, None
            if started is not None and not started.done():
                started.set_result(None)
            await self._serve(actor)
        except asyncio.CancelledError as error:
            self._uncancel()
            if self._failure is None and not self._finishing:
                self._failure = error
        except Exception as error:
            self._failure = self._failure or error
        finally:
            self._interruptible = False
        try:
            await self._end_background()
            await actor.teardown()
        except asyncio.CancelledError as error:
            self._uncancel()
            if not self._finishing:
                self._failure = self._failure or error
        except Exception as error:
            self._failure = self._failure or error

    async def _serve(self, actor: Actor) -> None:
        mailbox, handle, clock = self.mailbox, actor.handle, self.runtime.clock
        rejects, slow_after = actor.rejects, actor.slow_after
        share = FAIR_SHARE
        while not self._finishing:
            if not mailbox:
                share = FAIR_SHARE
                await mailbox.wait()
                continue
            share -= 1
            if share < 0:
                share = FAIR_SHARE
                await asyncio.sleep(0)
                continue
            item = mailbox.take()
            ask = item if type(item) is Ask else None
            if ask is not None:
                if ask.reply.done():
                    continue
                item = ask.message
            began = clock.monotonic()
            try:
                answer = await handle(item)
            except rejects as error:
                if ask is None:
                    actor.log.warning("message rejected message=%s error=%r", type(item).__name__, error)
                else:
                    ask.fail(error)
            except BaseException as error:
                if ask is not None:
                    cause = self._failure or error
                    ask.fail(DeadRef(self.path) if self.retired else ActorCrashed(self.path, cause))
                raise
            else:
                if ask is not None and not ask.reply.done():
                    ask.reply.set_result(answer)
            if slow_after is not None and clock.monotonic() - began > slow_after:
                self.runtime.report(SlowHandler(self.path, type(item).__name__, clock.monotonic() - began))

    def _exited(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._interruptible = False
        self.asking = None
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()  # KeyboardInterrupt or SystemExit: the loop raises it too
        error = self._failure
        self.last_error = error or self.last_error
        started, self._started = self._started, None
        starting = started is not None and not started.done()
        if error is not None:
            self.runtime.report(Crashed(self.path, error, handed_on=starting and not self._keep))
        elif self._setup_done:
            self.runtime.report(Ended(self.path))
        if started is not None and starting:
            started.set_exception(error or DeadRef(self.path))
            if self.retired:
                self.retire()
            elif not self._keep:
                self.retire(State.FAILED)
        elif self.retired:
            self.retire()
        elif self.state is not State.STOPPING:
            self.parent.child_exited(self, error)

    def _background_done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _overflowed(self) -> None:
        error = MailboxFull(self.path)
        self.mailbox.clear(error)
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Crash the incarnation from outside its handler."""
        if self._failure is None:
            self._failure = error
            if self._task is not None and self._interruptible:
                self._task.cancel()

    async def _end_background(self) -> None:
        tasks = [task for task in self._background if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _gone(self, task: asyncio.Task[None], seconds: float) -> bool:
        try:
            async with self.runtime.clock.patience(seconds):
                await asyncio.wait({task})
        except TimeoutError:
            return False
        return True

    @staticmethod
    def _uncancel() -> None:
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()


def refuse_deadlock(asker: Cell, target: Cell) -> None:
    """Raise ``DeadlockError`` when ``target`` is the asker or waits, through others, for it."""
    chain = [asker.path, target.path]
    waited: Cell | None = target
    while waited is not None:
        if waited is asker:
            raise DeadlockError(target.path, tuple(chain))
        waited = waited.asking
        if waited is not None:
            chain.append(waited.path)
