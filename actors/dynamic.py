"""DynamicSupervisor: many alike children that come and go (streams, pods, bindings).

Children are added and removed by whoever holds the object. They restart one for one, stop all at the same time, and one
that has ended for good is forgotten. When the supervisor itself is restarted it starts without children.
"""

from __future__ import annotations

import asyncio

from actors.cell import Cell, State
from actors.childspec import ChildSpec
from actors.errors import DeadRef
from actors.intensity import Intensity
from actors.ref import Ref
from actors.supervisor import Supervisor


class DynamicSupervisor(Supervisor):
    """See the module."""

    def __init__(self, *, intensity: Intensity | None = None) -> None:
        super().__init__((), intensity=intensity)

    async def start_child(self, spec: ChildSpec) -> Ref:
        """Start a child and wait for its ``setup``; raises what that raised, and the child is forgotten then.

        Raises ``ValueError`` for a name in use and ``DeadRef`` when the supervisor does not run.
        """
        if self._cell is None or self._cell.state not in (State.STARTING, State.RUNNING):
            raise DeadRef(spec.name if self._cell is None else self.path)
        if spec.name in self._cells:
            raise ValueError(f"a child named {spec.name!r} exists under {self.path}")
        cell = self._adopt(spec)
        await cell.start()
        return cell.ref

    async def stop_child(self, name: str) -> None:
        """Stop a child for good and forget it; nothing happens when there is none of that name."""
        cell = self._cells.get(name)
        if cell is not None:
            await cell.stop()

    async def teardown(self) -> None:
        cells = tuple(self._cells.values())
        if cells:
            await asyncio.gather(*(cell.stop() for cell in cells))
        self._cells = {}
        self._windows = {}

    def child_ended(self, cell: Cell) -> None:
        """Called by a child's cell when it has ended for good: it is forgotten."""
        if self._cells.get(cell.spec.name) is cell:
            del self._cells[cell.spec.name]
            del self._windows[cell.spec.name]
