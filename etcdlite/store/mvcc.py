"""The store's state in memory: revisions, keys, records and leases, and the rules by which they change. Pure.

One `Mvcc` has one writer and no `await` inside, so every method is atomic. A change is applied at once: the next
transaction builds on it. `visible` trails `revision` by what the file does not hold yet; reads from outside stop there,
so nobody sees what a crash could take back. Without a file the two are always equal.

What a method needs and memory does not hold raises `NotResident` before anything changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from etcdlite.errors import Compacted, FutureRevision, KeyNotFound
from etcdlite.keyrange import KeyRange
from etcdlite.model import MAX_CHANGES, SHIFT, Change, DeleteResult, PutResult, RangeResult, Record, position_limit
from etcdlite.store.keyindex import KeyIndex
from etcdlite.store.leases import Leases
from etcdlite.store.records import NotResident, Records

NOT_COMPACTED = -1
"""What etcd calls the compacted revision before the first compaction; the first may be at 0."""
SORT_TARGETS = ("KEY", "VERSION", "CREATE", "MOD", "VALUE")


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """A Range, decoded. revision 0 or less: the newest. limit 0 or less: all. Revision bounds of 0 do not bound.

    order: -1 descending, 1 ascending, 0 by key as it comes. target: a name of SORT_TARGETS.
    """

    keys: KeyRange
    revision: int = 0
    limit: int = 0
    order: int = 0
    target: str = "KEY"
    keys_only: bool = False
    count_only: bool = False
    min_mod: int = 0
    max_mod: int = 0
    min_create: int = 0
    max_create: int = 0

    @property
    def filtered(self) -> bool:
        """True when records must be looked at before the limit applies."""
        return bool(self.min_mod or self.max_mod or self.min_create or self.max_create)

    @property
    def sorted(self) -> bool:
        """True when the answer is in another order than the keys'."""
        return self.target != "KEY" or self.order < 0


class Mvcc:
    """All of the store that is not on disk.

    cache_bytes: bound of the records in memory, None for no bound.
    """

    def __init__(self, *, cache_bytes: int | None) -> None:
        self.index = KeyIndex()
        self.records = Records(cache_bytes)
        self.leases = Leases()
        self.revision = 1
        self.visible = 1
        self.compacted = NOT_COMPACTED
        """Reads below this revision fail."""

    # ---- reading ----------------------------------------------------------------------------------------------

    def range(self, query: RangeQuery) -> RangeResult:
        """What a reader outside sees. Raises Compacted, FutureRevision, NotResident."""
        return self._range(query, self.visible)

    def _range(self, query: RangeQuery, newest: int) -> RangeResult:
        revision = self.check_revision(query.revision, newest)
        before = position_limit(revision)
        if query.count_only:
            return RangeResult((), self.index.count(query.keys, before), more=False, revision=newest)
        # Without filters the first keys are enough; etcd, too, sorts only those where no order is given.
        enough = query.limit > 0 and not query.filtered and (not query.sorted or not query.order)
        positions = self.index.live(query.keys, before, most=query.limit + 1 if enough else None)
        short = enough and len(positions) > query.limit
        count = self.index.count(query.keys, before) if short else len(positions)
        limit = query.limit if query.limit > 0 else count
        if not query.filtered and not query.sorted:
            records = self.records.many(positions[:limit] if short else positions)
            return RangeResult(records, count, more=short, revision=newest, keys_only=query.keys_only)
        chosen = _arrange(query, self.records.many(positions))
        return RangeResult(chosen[:limit], count, more=len(chosen) > limit, revision=newest, keys_only=query.keys_only)

    def check_revision_in_txn(self, revision: int, newest: int) -> int:
        """The same where a transaction names it: a negative one counts as any other there. Raises the same."""
        if revision < self.compacted:
            raise Compacted
        return self.check_revision(revision, newest)

    def check_revision(self, revision: int, newest: int) -> int:
        """The revision to read at. Raises Compacted, FutureRevision."""
        if revision > newest:
            raise FutureRevision
        if revision <= 0:
            return newest
        if revision < self.compacted:
            raise Compacted
        return revision

    # ---- writing ----------------------------------------------------------------------------------------------

    def begin(self) -> Writing:
        """A transaction at the next revision, which is taken only if it changes something."""
        return Writing(self)

    def publishable(self, revision: int) -> None:
        """Let readers see up to `revision`: the file holds it."""
        self.visible = revision

    def take_back(self, changes: Iterable[Change]) -> None:
        """Forget every change that is not visible, given newest first: the file does not take them."""
        for change in changes:
            self.index.take_back(change.record.key)
            self.records.drop((change.record.position,))
        self.revision = self.visible

    # ---- compaction -------------------------------------------------------------------------------------------

    def compact(self, revision: int) -> None:
        """Refuse reads below `revision` from now on. Raises Compacted, FutureRevision.

        What they could have seen is forgotten by `sweep`, in steps."""
        self.check_compaction(revision)
        self.compacted = revision

    def check_compaction(self, revision: int) -> None:
        """Raise Compacted or FutureRevision unless it can be compacted at `revision`."""
        if revision <= self.compacted:
            raise Compacted
        if revision > self.visible:
            raise FutureRevision

    def sweep(self, key: bytes) -> list[int]:
        """Forget what is compacted of a key, and return the positions, for the file to delete."""
        forgotten = self.index.compact(key, self.compacted)
        self.records.drop(forgotten)
        return forgotten


class Writing:
    """One write transaction being applied. Its changes are in the state at once; `finish` takes the revision.

    A caller makes sure, with `require`, that everything it will touch is in memory before its first change.
    """

    __slots__ = ("_base", "_state", "changes", "revision")

    def __init__(self, state: Mvcc) -> None:
        self._state = state
        self.revision = state.revision + 1
        self._base = self.revision << SHIFT
        self.changes: list[Change] = []

    @property
    def seen(self) -> int:
        """The revision that a read inside this transaction reports."""
        return self.revision if self.changes else self.revision - 1

    def require(self, ranges: Iterable[KeyRange]) -> None:
        """Raise NotResident unless every live record of these ranges is in memory."""
        records = self._state.records
        if records.complete:
            return
        limit = position_limit(self.revision)
        missing = [
            position
            for keys in ranges
            for position in self._state.index.live(keys, limit)
            if records.get(position) is None
        ]
        if missing:
            raise NotResident(missing)

    def current(self, key: bytes) -> Record | None:
        """The record of a key as this transaction sees it; None when it does not exist. Raises NotResident."""
        position = self._state.index.last(key)
        if not position or position & 1:
            return None
        return self._state.records.one(position)

    def range(self, query: RangeQuery) -> RangeResult:
        """As `Mvcc.range`, with this transaction's own changes."""
        return self._state._range(query, self.seen)

    def put(
        self,
        key: bytes,
        value: bytes,
        *,
        lease: int = 0,
        ignore_value: bool = False,
        ignore_lease: bool = False,
        want_previous: bool = False,
    ) -> PutResult:
        """Set a key. Raises KeyNotFound when `ignore_*` finds nothing to keep. The lease must exist."""
        previous = self.current(key)
        if previous is None:
            if ignore_value or ignore_lease:
                raise KeyNotFound
            created, version = self.revision, 1
        else:
            created, version = previous.created, previous.version + 1
            if ignore_value:
                value = previous.value
            if ignore_lease:
                lease = previous.lease
        record = Record(key, self._next_position(), created, version, lease, value)
        self._apply(record, previous)
        if lease or (previous is not None and previous.lease):
            self._state.leases.attach(key, lease)
        return PutResult(self.revision, previous if want_previous else None)

    def delete(self, keys: KeyRange, *, want_previous: bool = False) -> DeleteResult:
        """Delete every key in range. Raises NotResident before the first is deleted."""
        state = self._state
        found = state.records.many(state.index.live(keys, position_limit(self.revision)))
        for previous in found:
            self._apply(Record(previous.key, self._next_position() | 1, 0, 0, 0, b""), previous)
            if previous.lease:
                state.leases.attach(previous.key, 0)
        return DeleteResult(self.seen, len(found), found if want_previous else ())

    def finish(self) -> Sequence[Change]:
        """Take the revision, if something changed, and return what did."""
        if self.changes:
            self._state.revision = self.revision
        return self.changes

    def _next_position(self) -> int:
        if len(self.changes) >= MAX_CHANGES:
            raise OverflowError(f"a transaction changes more than {MAX_CHANGES} keys")
        return self._base | len(self.changes) << 1

    def _apply(self, record: Record, previous: Record | None) -> None:
        self._state.index.append(record.key, record.position)
        self._state.records.add(record)
        self.changes.append(Change(record, previous))


def _arrange(query: RangeQuery, records: list[Record]) -> list[Record]:
    if query.max_mod:
        records = [record for record in records if record.revision <= query.max_mod]
    if query.min_mod:
        records = [record for record in records if record.revision >= query.min_mod]
    if query.max_create:
        records = [record for record in records if record.created <= query.max_create]
    if query.min_create:
        records = [record for record in records if record.created >= query.min_create]
    if query.sorted:
        # A target other than the key sorts ascending even when no order was given, as in etcd.
        records.sort(key=_SORT_KEYS[query.target], reverse=query.order < 0)
    return records


_SORT_KEYS = {
    "KEY": lambda record: record.key,
    "VERSION": lambda record: record.version,
    "CREATE": lambda record: record.created,
    "MOD": lambda record: record.position,
    "VALUE": lambda record: record.value,
}
