"""Publishes changes to watches, and reads history for those that are behind.

`publish` runs inside the writer's step, without an await: it hands a change to every live watch before the writer's
call returns. It never waits for anyone; a stream that holds too much unsent has its watches put behind, and they read
what they missed from history when the client has taken the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from etcdlite.errors import Compacted
from etcdlite.model import SHIFT, Change, position_limit
from etcdlite.store.mvcc import Mvcc
from etcdlite.store.records import NotResident
from etcdlite.watch.cursor import Watch
from etcdlite.watch.groups import Audience, Groups

BATCH = 1000
"""Most changes read from history at once; more only when one revision has more."""
BATCH_BYTES = 1024 * 1024
"""Bytes of history that one batch aims at."""
MAX_HELD_BYTES = 128 * 1024 * 1024
"""Bytes that the queues of all streams together keep in memory."""
MAX_QUEUED_BYTES = 16 * 1024 * 1024
"""Events queued for one stream before its watches fall behind, while there is room for all."""
Load = Callable[[Sequence[int], frozenset[int]], Awaitable[frozenset[int]]]


class Hub:
    """The live watches of one store.

    load: brings records into memory that are only in the file; see `Loader`.
    """

    def __init__(self, state: Mvcc, *, load: Load) -> None:
        self.state = state
        self.groups = Groups()
        self.sent = 0
        """Events that went to watches."""
        self.held = 0
        """Bytes of the events that are queued for some stream."""
        self._load = load

    def allowance(self) -> int:
        """Bytes of events that one stream may have queued now. The more is held already, the less: with many streams
        that stall at different times none is refused its last event, and all together stay below the bound."""
        return min(MAX_QUEUED_BYTES, max(MAX_HELD_BYTES - self.held, 0) // 4)

    def hold(self, changes: Sequence[Change]) -> None:
        """A queue has these. What several hold is in memory once, and counts once."""
        for change in changes:
            if not change.held:
                self.held += len(change.record.wire)
            change.held += 1

    def release(self, changes: Sequence[Change]) -> None:
        """A queue has them no more."""
        for change in changes:
            change.held -= 1
            if not change.held:
                self.held -= len(change.record.wire)

    def publish(self, revision: int, changes: Sequence[Change]) -> bool:
        """Make a revision visible and hand its changes to the watches. True when one took some."""
        self.state.publishable(revision)
        if not self.groups:
            return False
        if len(changes) == 1:
            heard = False
            change = changes[0]
            for audience in self.groups.audiences(change.record.key):
                if audience.wants(change):
                    heard = audience.first.stream.offer(audience.watches, revision, changes) or heard
            return heard
        wanted: dict[Audience, list[Change]] = {}
        for change in changes:
            for audience in self.groups.audiences(change.record.key):
                if audience.wants(change):
                    wanted.setdefault(audience, []).append(change)
        for audience, some in wanted.items():
            audience.first.stream.offer(audience.watches, revision, some)
        return bool(wanted)

    def join(self, watch: Watch) -> bool:
        """Make a watch live, if nothing published is missing to it. False: it is behind."""
        if watch.next_revision <= self.state.visible:
            return False
        self.groups.add(watch)
        return True

    async def history(self, watch: Watch) -> tuple[int, Sequence[Change]]:
        """The next changes for a watch that is behind: about a batch, never a part of a revision.

        It has heard everything up to the revision returned then, and `next_revision` is the one after. Raises Compacted
        when what it missed is gone."""
        absent: frozenset[int] = frozenset()
        while True:
            if watch.next_revision < self.state.compacted:
                raise Compacted
            if not watch.backlog:
                limit = position_limit(self.state.visible)
                watch.backlog = self.state.index.changes(watch.keys, watch.next_revision << SHIFT, limit)
                watch.backlog.reverse()
            count = min(watch.batch, len(watch.backlog))
            while count < len(watch.backlog) and watch.backlog[-count][0] >> SHIFT == (
                watch.backlog[-count - 1][0] >> SHIFT
            ):
                count += 1
            pairs = watch.backlog[len(watch.backlog) - count :]
            pairs.reverse()
            try:
                changes = self._read(watch, pairs)
            except NotResident as fault:
                absent = await self._load(fault.positions, absent)
                watch.backlog.clear()  # a compaction may have taken some of it meanwhile
                continue
            del watch.backlog[len(watch.backlog) - count :]
            _adapt(watch, changes)
            self.state.records.trim(position_limit(self.state.visible))
            # With pairs, what was published since the backlog was cut is read in the next round; without, there is
            # nothing up to now, and there was no await in between.
            revision = pairs[-1][0] >> SHIFT if pairs else max(self.state.visible, watch.next_revision - 1)
            watch.next_revision = revision + 1
            return revision, [change for change in changes if watch.wants(change)]

    def _read(self, watch: Watch, pairs: Sequence[tuple[int, int]]) -> list[Change]:
        records = self.state.records.many([position for position, _ in pairs])
        if not watch.want_previous:
            return [Change(record, None) for record in records]
        # etcd reads the previous value one revision earlier, so it is there only while that is not compacted.
        before = [
            earlier if earlier and not earlier & 1 and (position >> SHIFT) - 1 >= self.state.compacted else 0
            for position, earlier in pairs
        ]
        previous = iter(self.state.records.many([position for position in before if position]))
        return [
            Change(record, next(previous) if position else None)
            for record, position in zip(records, before, strict=True)
        ]


def _adapt(watch: Watch, changes: Sequence[Change]) -> None:
    """How many changes to read next, from how large these were."""
    if changes:
        average = sum(len(change.record.wire) for change in changes) // len(changes) + 1
        watch.batch = max(1, min(BATCH, 2 * watch.batch, BATCH_BYTES // average))
