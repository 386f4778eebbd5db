"""Whether a recorded history of concurrent calls could have happened one after the other, by two independent rules.

`check_revisions` uses what etcd gives away: the revision of an answer is its place in the one order of writes.
`check_register` knows nothing of revisions and searches: Wing and Gong's algorithm with Lowe's memory of what was
tried, one key at a time, which is sound since linearizability is local. Each finds violations that the other cannot: a
revision that lies, a swap that should not have succeeded.

An operation without an answer, since the server was killed, may have happened at any time after its call, or never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf


class Violation(AssertionError):
    """The history is not linearizable. The text says what shows it."""


@dataclass(frozen=True)
class Operation:
    """One call on one key. Values are unique over all writes of a history; None is the absent key.

    kind: "put" (writes `value`), "delete", "swap" (writes `value` if the key holds `expected`) or "get".
    called, returned: points in time, `returned` is infinite when no answer came.
    found: what a get read. swapped: whether a swap, or a delete, had an effect. revision: of the answer, 0 without one.
    changed: the mod_revision a get read, 0 for an absent key.
    """

    kind: str
    key: bytes
    called: float
    returned: float = inf
    value: bytes | None = None
    expected: bytes | None = None
    found: bytes | None = None
    swapped: bool = True
    revision: int = 0
    changed: int = 0

    @property
    def known(self) -> bool:
        """Whether an answer came."""
        return self.returned != inf

    @property
    def writes(self) -> bool:
        """Whether it changed the key, as far as its answer says."""
        return self.kind != "get" and self.swapped


@dataclass(frozen=True)
class Event:
    """One change as the store's own history tells it, at the end. value: None for a deletion."""

    revision: int
    key: bytes
    value: bytes | None


# ---- by revisions -------------------------------------------------------------------------------------------------


def check_revisions(operations: Sequence[Operation], events: Sequence[Event]) -> None:
    """Raise Violation unless answers, revisions and the store's history agree with one order of writes in real time."""
    history = {event.revision: event for event in events}
    if len(history) != len(events) or list(history) != sorted(history):
        raise Violation("a revision comes twice, or out of order, in the history")
    _check_acknowledged(operations, history)
    _check_unacknowledged(operations, events)
    _check_real_time(operations)
    for operation in operations:
        if operation.kind == "get" and operation.known:
            _check_read(operation, events)


def _check_acknowledged(operations: Iterable[Operation], history: Mapping[int, Event]) -> None:
    taken: dict[int, Operation] = {}
    for operation in operations:
        if not operation.known or not operation.writes:
            continue
        if operation.revision in taken:
            raise Violation(f"two writes have one revision: {operation} and {taken[operation.revision]}")
        taken[operation.revision] = operation
        event = history.get(operation.revision)
        if event is None or (event.key, event.value) != (operation.key, operation.value):
            raise Violation(f"an acknowledged write is lost: {operation}, history has {event}")


def _check_unacknowledged(operations: Sequence[Operation], events: Sequence[Event]) -> None:
    """Each event is some call's, and each call's write happened once at most."""
    written = {operation.value: operation for operation in operations if operation.value is not None}
    seen: set[bytes] = set()
    for event in events:
        if event.value is None:
            continue
        if event.value in seen:
            raise Violation(f"a write happened twice: {event}")
        seen.add(event.value)
        operation = written.get(event.value)
        if operation is None or operation.key != event.key:
            raise Violation(f"nobody wrote {event}")
        if operation.known and not operation.writes:
            raise Violation(f"a write that was refused happened: {operation}")
    deletions = sum(event.value is None for event in events)
    if deletions > sum(operation.kind == "delete" for operation in operations):
        raise Violation("there are more deletions than anybody asked for")


def _check_real_time(operations: Iterable[Operation]) -> None:
    """No call answers with a revision older than what was answered before it was made; a write's is newer."""
    moments = sorted(
        [(operation.returned, 1, operation) for operation in operations if operation.known]
        + [(operation.called, 0, operation) for operation in operations if operation.known],
        key=lambda moment: moment[:2],
    )
    newest = 0
    least: dict[int, int] = {}
    for _, ends, operation in moments:
        if not ends:
            least[id(operation)] = newest
            continue
        before = least[id(operation)]
        if operation.revision < before or (operation.writes and operation.revision == before):
            raise Violation(f"revision {before} was answered before this was called: {operation}")
        newest = max(newest, operation.revision)


def _check_read(operation: Operation, events: Sequence[Event]) -> None:
    """A read has exactly the state at its revision."""
    value, changed = None, 0
    for event in events:
        if event.revision > operation.revision:
            break
        if event.key == operation.key:
            value, changed = event.value, event.revision if event.value is not None else 0
    if (operation.found, operation.changed) != (value, changed):
        raise Violation(f"a read does not show its revision, which is {value!r} of {changed}: {operation}")


# ---- by search ----------------------------------------------------------------------------------------------------


def check_register(operations: Iterable[Operation], initial: Mapping[bytes, bytes] | None = None) -> None:
    """Raise Violation unless each key behaves as one register with put, delete, swap and get.

    initial: the values before the first call."""
    by_key: dict[bytes, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    for key, some in by_key.items():
        if not _linearizable(sorted(some, key=lambda operation: operation.called), (initial or {}).get(key)):
            raise Violation(f"no order of the calls on {key!r} explains their answers")


def _linearizable(calls: Sequence[Operation], initial: bytes | None) -> bool:
    """Depth first: take any call that began before every untaken one returned, and see whether its answer fits."""
    everything = sum(1 << number for number, call in enumerate(calls) if call.known)
    tried: set[tuple[int, bytes | None]] = set()
    stack: list[tuple[int, bytes | None]] = [(0, initial)]
    while stack:
        done, value = stack.pop()
        if done & everything == everything:
            return True
        if (done, value) in tried:
            continue
        tried.add((done, value))
        deadline = inf
        for number, call in enumerate(calls):
            if done >> number & 1:
                continue
            if call.called > deadline:
                break
            deadline = min(deadline, call.returned)
            stack += [(done | 1 << number, after) for after in _outcomes(call, value)]
    return False


def _outcomes(call: Operation, value: bytes | None) -> list[bytes | None]:
    """The value after a call that found `value`, if its answer allows that it did. A call that never happened is not
    taken at all, so one without an answer has only the outcome of happening."""
    if call.kind == "get":
        return [value] if not call.known or call.found == value else []
    if call.kind == "put":
        return [call.value]
    if call.kind == "delete":
        return [None] if not call.known or call.swapped == (value is not None) else []
    holds = value == call.expected
    if call.known and call.swapped != holds:
        return []
    return [call.value if holds else value]
