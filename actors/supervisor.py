"""Supervisors: actors whose children are actors.

Children start in order, each after the ``setup`` of the one before returned, and stop in reverse. When a child ends by
itself its restart policy and the strategy say what follows; a child that crashes more often than the intensity allows
is given up (``FAIL_CHILD``) or takes its supervisor down with it (``ESCALATE``). Every child has its own restart
window, so that one that crashes in a loop does not use up the patience for its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from actors.actor import Actor
from actors.cell import Cell, State
from actors.childspec import ChildSpec, OnLimit, Restart, Strategy, check_unique
from actors.errors import RestartLimit
from actors.intensity import Intensity, RestartWindow
from actors.mailbox import MailboxSpec
from actors.ref import Ref
from actors.reports import LimitReached, Restarting


@dataclass(frozen=True, slots=True)
class ChildExited:
    """An incarnation of the child ended by itself; ``error`` is None for a normal end."""

    cell: Cell
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class RestartGroup:
    """A group restart is due because of ``cell``."""

    cell: Cell


class Supervisor(Actor):
    """See the module."""

    supervises: ClassVar[bool] = True
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=1)  # only the runtime posts here
    slow_after: ClassVar[float | None] = None

    def __init__(
        self,
        children: Sequence[ChildSpec] = (),
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity | None = None,
    ) -> None:
        check_unique(children)
        self._specs = tuple(children)
        self._strategy = strategy
        self._intensity = intensity or Intensity()
        self._cells: dict[str, Cell] = {}
        self._windows: dict[str, RestartWindow] = {}

    def child(self, name: str) -> Ref:
        """The address of a child; raises ``KeyError``."""
        return self._cells[name].ref

    def children(self) -> Mapping[str, Ref]:
        """The addresses of all children, in start order."""
        return {name: cell.ref for name, cell in self._cells.items()}

    @property
    def cells(self) -> Mapping[str, Cell]:
        """For the tree snapshot."""
        return MappingProxyType(self._cells)

    async def setup(self) -> None:
        self._cells = {}
        self._windows = {}
        for spec in self._specs:
            lenient = spec.on_limit is OnLimit.FAIL_CHILD
            try:
                cell = self._adopt(spec)
            except Exception as error:  # the constructor raised: there is no actor to try again with
                if not lenient:
                    raise
                assert self._cell is not None
                self._cell.runtime.report(LimitReached(spec.name, error, escalated=False))
                continue
            try:
                await cell.start(keep=lenient)
            except Exception as error:
                if not lenient:
                    raise
                self._decide(cell, error)

    async def handle(self, message: Any) -> None:
        match message:
            case ChildExited(cell, error):
                if self._cells.get(cell.spec.name) is cell and not cell.retired and cell.task is None:
                    self._decide(cell, error)
            case RestartGroup(cell):
                # A group restart that came before this one has started it again.
                if self._cells.get(cell.spec.name) is cell and cell.state is State.RESTARTING:
                    await self._restart_group(cell)
            case _:
                self.log.warning("supervisor got a message it does not know message=%r", message)

    async def teardown(self) -> None:
        for cell in reversed(tuple(self._cells.values())):
            await cell.stop()

    def child_exited(self, cell: Cell, error: BaseException | None) -> None:
        """Called by a child's cell when an incarnation ended by itself."""
        assert self._cell is not None
        self._cell.mailbox.post(ChildExited(cell, error))

    def child_ended(self, cell: Cell) -> None:
        """Called by a child's cell when it has ended for good. A static child stays visible in the tree."""

    def _adopt(self, spec: ChildSpec) -> Cell:
        assert self._cell is not None
        root = not isinstance(self._cell.parent, Supervisor)
        path = spec.name if root else f"{self.path}/{spec.name}"
        cell = Cell(spec, path=path, parent=self, runtime=self._cell.runtime)
        self._cells[spec.name] = cell
        self._windows[spec.name] = RestartWindow(self._intensity, seed=path)
        return cell

    def _decide(self, cell: Cell, error: BaseException | None) -> None:
        """What follows an end; no await between the end and the decision."""
        restart = cell.spec.restart
        if restart is Restart.TEMPORARY or (restart is Restart.TRANSIENT and error is None):
            cell.retire(State.ENDED if error is None else State.FAILED)
            return
        delay = self._windows[cell.spec.name].crashed(self.clock.monotonic())
        if delay is None:
            escalate = cell.spec.on_limit is OnLimit.ESCALATE
            cell.runtime.report(LimitReached(cell.path, error, escalate))
            cell.retire(State.FAILED)
            if escalate:
                raise RestartLimit(cell.path, error)
            return
        cell.runtime.report(Restarting(cell.path, delay))
        if self._strategy is Strategy.ONE_FOR_ONE:
            cell.revive(delay)
        else:
            cell.state = State.RESTARTING
            mailbox = self._cell.mailbox if self._cell is not None else None
            if mailbox is not None:
                self.clock.call_later(delay, lambda: mailbox.post(RestartGroup(cell)))

    async def _restart_group(self, cell: Cell) -> None:
        cells = list(self._cells.values())
        group = cells if self._strategy is Strategy.ONE_FOR_ALL else cells[cells.index(cell) :]
        group = [member for member in group if not member.retired]
        for member in reversed(group):
            await member.halt()
            member.state = State.RESTARTING
        for member in group:
            if member.retired:
                continue
            if member is not cell and member.spec.restart is Restart.TEMPORARY:
                member.retire()
                continue
            try:
                await member.restart_now()
            except Exception as error:
                self._decide(member, error)
                return
