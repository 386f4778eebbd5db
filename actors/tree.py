"""The tree can be asked: a snapshot of every actor's state, restarts, mailbox and last error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.cell import Cell
from actors.mailbox import MailboxStats
from actors.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Node:
    """One actor at the moment of asking."""

    path: str
    name: str
    kind: str
    """The actor's class."""
    state: str
    """new, starting, running, restarting, stopping, ended or failed."""
    restarts: int
    mailbox: MailboxStats
    background: int
    """Background tasks that it owns."""
    last_error: str | None
    children: tuple[Node, ...]

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def snapshot(cell: Cell) -> Node:
    """The tree from this cell down. No await: it is one instant."""
    actor = cell.actor
    children = actor.cells.values() if isinstance(actor, Supervisor) else ()
    return Node(
        path=cell.path,
        name=cell.spec.name,
        kind=type(actor).__name__,
        state=cell.state.value,
        restarts=cell.restarts,
        mailbox=cell.mailbox.stats(),
        background=sum(1 for _ in cell.background),
        last_error=None if cell.last_error is None else repr(cell.last_error),
        children=tuple(snapshot(child) for child in children),
    )


def render(node: Node) -> str:
    """The tree as text, a line per actor."""
    return "\n".join(_lines(node, "", ""))


def _lines(node: Node, first: str, rest: str) -> Iterator[str]:
    facts = [node.kind, node.state]
    if node.restarts:
        facts.append(f"restarts={node.restarts}")
    if node.mailbox.depth:
        facts.append(f"mailbox={node.mailbox.depth}/{node.mailbox.capacity}")
    if node.mailbox.dropped:
        facts.append(f"dropped={node.mailbox.dropped}")
    if node.background:
        facts.append(f"tasks={node.background}")
    if node.last_error is not None:
        facts.append(f"last_error={node.last_error}")
    yield f"{first}{node.name}  {' '.join(facts)}"
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        yield from _lines(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
