"""System: the root of a tree, and the only way to start one.

    async with System(spec, clock=SystemClock()) as system:
        await system.wait()

Entering starts the root and returns when its ``setup`` returned; leaving stops it in order. Nothing restarts the root:
what escalated that far is raised by ``wait``, and by leaving the block when the block itself did not raise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from actors.cell import CURRENT, Cell, Runtime, State
from actors.childspec import ChildSpec
from actors.clock import Clock, SystemClock
from actors.ref import Ref
from actors.reports import Report, log_report
from actors.supervisor import Supervisor
from actors.tree import Node, snapshot


class System:
    """See the module. ``report`` gets every event of every supervisor (default: it is logged)."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        clock: Clock | None = None,
        name: str = "pilothouse",
        report: Callable[[Report], None] = log_report,
    ) -> None:
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self._root = Cell(spec, path=spec.name, parent=self, runtime=Runtime(self.clock, report))
        self._ended = asyncio.Event()
        self._error: BaseException | None = None
        self._raised = False

    @property
    def root(self) -> Ref:
        """The address of the root."""
        return self._root.ref

    async def start(self) -> None:
        """Start the root; raises what its ``setup`` raised."""
        token = CURRENT.set(None)  # a system inside an actor's handler is a tree of its own
        try:
            await self._root.start()
        finally:
            CURRENT.reset(token)

    async def stop(self) -> None:
        """Stop everything in order and wait. May be called repeatedly."""
        token = CURRENT.set(None)
        try:
            await self._root.stop()
        finally:
            CURRENT.reset(token)

    async def wait(self) -> None:
        """Until the root has ended; raises what ended it."""
        await self._ended.wait()
        if self._error is not None:
            self._raised = True
            raise self._error

    def ref(self, path: str) -> Ref:
        """The actor at ``path``: names joined by ``/``, without the root's own. Raises ``KeyError``."""
        cell: Cell | None = self._root
        if path in ("", self._root.path):
            return self._root.ref
        while cell is not None and isinstance(cell.actor, Supervisor):
            for child in cell.actor.cells.values():
                if child.path == path:
                    return child.ref
            cell = next((c for c in cell.actor.cells.values() if path.startswith(c.path + "/")), None)
        raise KeyError(path)

    def tree(self) -> Node:
        """A snapshot of every actor."""
        return snapshot(self._root)

    def child_exited(self, cell: Cell, error: BaseException | None) -> None:
        """The root ended by itself."""
        self._error = error
        cell.retire(State.ENDED if error is None else State.FAILED)

    def child_ended(self, cell: Cell) -> None:
        """The root has ended for good."""
        self._ended.set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if error is None and self._error is not None and not self._raised:
            raise self._error
