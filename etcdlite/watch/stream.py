"""One client's Watch stream: an actor that reads its requests, and the queue of what goes out to it.

The reader creates and cancels watches at once; the sender, `replies`, is driven by the transport at the client's pace.
What is queued is bounded by bytes: past that, watches are put behind instead, and the sender reads their history when
the queue is empty. So a slow client costs a bounded queue and never holds up a writer.

Order on the queue is the order on the wire, which gives etcd's promises: a watch's creation precedes its events, events
come in revision order and whole revisions, and a progress notification follows everything it speaks of.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from actors import Actor
from etcdlite import keyrange
from etcdlite.errors import Compacted, Unavailable
from etcdlite.keyrange import KeyRange
from etcdlite.model import Change
from etcdlite.rpc.header import Header
from etcdlite.watch.batches import BATCH_EVENTS, responses
from etcdlite.watch.cursor import Watch
from etcdlite.watch.hub import Hub
from machinery.rpc.api import EncodedMany, RpcError
from protos.pool import messages

pb = messages("etcdserverpb")

NO_WATCH = -1
"""The watch_id of answers that belong to no watch."""


@dataclass(frozen=True, slots=True)
class Events:
    """Changes of one revision for watches of one audience. size: bytes of the records."""

    watches: Sequence[Watch]
    revision: int
    changes: Sequence[Change]
    size: int


class WatchStream(Actor):
    """See the module. requests: the client's, which may end while the watches go on.

    fragment_bytes: where responses are split for watches that allow it. progress_interval: seconds between progress
    notifications. refused: why a WatchCreateRequest is not allowed, "" when it is.
    """

    def __init__(
        self,
        requests: AsyncIterator[Any],
        hub: Hub,
        header: Header,
        *,
        fragment_bytes: int,
        progress_interval: float,
        refused: Callable[[Any], str] = lambda create: "",
    ) -> None:
        self._requests: AsyncIterator[Any] | None = requests
        self._hub = hub
        self._header = header
        self._fragment_bytes = fragment_bytes
        self._progress_interval = progress_interval
        self._refused = refused
        self._watches: dict[int, Watch] = {}
        self._behind: dict[int, Watch] = {}
        self._lost: set[int] = set()
        self._next_id = 0
        self._queue: deque[Events | Any] = deque()
        self._queued_bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._progress_wanted = False
        self._notifying = False
        self._ended = False
        self._failure = Unavailable.CODE, Unavailable.TEXT

    @property
    def load(self) -> tuple[int, int, int]:
        """(watches, those of them that catch up, events queued)."""
        queued = (each for each in self._queue if isinstance(each, Events))
        return len(self._watches), len(self._behind), sum(len(each.changes) * len(each.watches) for each in queued)

    # ---- the actor: requests ----------------------------------------------------------------------------------

    async def setup(self) -> None:
        assert self._requests is not None  # a stream has one life
        self.spawn(self._read(self._requests), name="requests")
        self._requests = None  # with it goes, once they end, what the transport holds for the client

    async def teardown(self) -> None:
        self._ended = True
        for watch in self._watches.values():
            self._hub.groups.discard(watch)
        self._watches.clear()
        self._behind.clear()
        for entry in self._queue:
            if isinstance(entry, Events):
                self._let_go(entry)
        self._queue.clear()
        self._rouse()

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        try:
            async for request in requests:
                kind = request.WhichOneof("request_union")
                if kind == "create_request":
                    self._create(request.create_request)
                elif kind == "cancel_request":
                    self._cancel(request.cancel_request.watch_id)
                elif kind == "progress_request":
                    self._progress_wanted = True
                    self._progress_if_due()
        except RpcError as error:
            self._failure = error.code, error.message  # the client is gone, or sent what is no request
            self.finish()

    def _create(self, request: Any) -> None:
        visible = self._hub.state.visible
        keys = keyrange.of(request.key or b"\0", request.range_end)
        refusal = self._refusal(request, keys)
        if refusal:
            self._control(watch_id=NO_WATCH, created=True, canceled=True, cancel_reason=refusal)
            return
        watch_id = request.watch_id or self._free_id()
        watch = Watch(
            watch_id,
            self,
            keys,
            request.start_revision or visible + 1,
            no_put=pb.WatchCreateRequest.NOPUT in request.filters,
            no_delete=pb.WatchCreateRequest.NODELETE in request.filters,
            want_previous=request.prev_kv,
            progress_notify=request.progress_notify,
            fragment=request.fragment,
        )
        self._watches[watch_id] = watch
        self._control(watch_id=watch_id, created=True)
        if not self._hub.join(watch):
            self._behind[watch_id] = watch
        if watch.progress_notify and not self._notifying:
            self._notifying = True
            self.spawn(self._notify(), name="progress")

    def _refusal(self, request: Any, keys: KeyRange) -> str:
        if request.start_revision < 0:
            return Compacted.TEXT
        denied = self._refused(request)
        if denied:
            return denied
        if keys.empty:
            return "mvcc: watcher range is empty"
        if request.watch_id and (request.watch_id in self._watches or request.watch_id in self._lost):
            return "mvcc: duplicate watch ID provided on the WatchStream"
        return ""

    def _free_id(self) -> int:
        while self._next_id in self._watches or self._next_id in self._lost:
            self._next_id += 1
        self._next_id += 1
        return self._next_id - 1

    def _cancel(self, watch_id: int) -> None:
        if self._forget(watch_id) or watch_id in self._lost:
            self._lost.discard(watch_id)
            self._control(watch_id=watch_id, canceled=True)
            self._progress_if_due()

    def _forget(self, watch_id: int) -> bool:
        watch = self._watches.pop(watch_id, None)
        if watch is None:
            return False
        self._behind.pop(watch_id, None)
        self._hub.groups.discard(watch)
        return True

    async def _notify(self) -> None:
        while True:
            await self.clock.sleep(self._progress_interval)
            for watch in self._watches.values():
                quiet = watch.progress_notify and not watch.heard and watch.id not in self._behind
                if quiet and self._begun(watch):
                    self._control(watch_id=watch.id)
                watch.heard = False

    def _progress_if_due(self) -> None:
        """Answer a manual progress request: with every watch live, all up to now is already on the queue.

        Without a watch there is nothing to tell of, and etcd is silent, as it is while one begins in the future. It is
        silent, too, while a watch is behind, where this answers later: a client need not ask again."""
        if self._progress_wanted and not self._behind:
            self._progress_wanted = False
            if self._watches and all(map(self._begun, self._watches.values())):
                self._control(watch_id=NO_WATCH)

    def _begun(self, watch: Watch) -> bool:
        """False while a watch begins after the next revision: to hear of an earlier one would set its client back."""
        return watch.next_revision <= self._hub.state.visible + 1

    def _control(self, **fields: Any) -> None:
        self._queue.append(pb.WatchResponse(header=self._header.message(self._hub.state.visible), **fields))
        self._rouse()

    # ---- the queue: events in, responses out ------------------------------------------------------------------

    def offer(self, watches: Sequence[Watch], revision: int, changes: Sequence[Change]) -> bool:
        """Take changes for live watches of one audience. False: none is due yet, or they were put behind."""
        due = [watch for watch in watches if watch.next_revision <= revision]  # others start in the future
        if len(due) < len(watches):
            watches = due
            if not due:
                return False
        if self._queued_bytes and self._queued_bytes > self._hub.allowance():
            for watch in watches:
                watch.next_revision = revision
                self._hub.groups.discard(watch)
                self._behind[watch.id] = watch
            return False
        for watch in watches:
            watch.heard = True
        size = sum(len(change.record.wire) for change in changes)
        self._queue.append(Events(watches, revision, changes, size))
        self._queued_bytes += size
        self._hub.hold(changes)
        self._rouse()
        return True

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def replies(self) -> AsyncGenerator[Any, None]:
        """What goes to the client, in order. Raises Unavailable when the store ends the stream."""
        while not self._ended:
            if self._queue:
                yield self._take()
            elif self._behind:
                await self._catch_up()
            else:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
        raise RpcError(*self._failure)

    def _take(self) -> Any:
        """The next responses: a control message, or the events that stand together for one audience."""
        entry = self._queue.popleft()
        if not isinstance(entry, Events):
            return entry
        self._let_go(entry)
        watches, revision, changes = entry.watches, entry.revision, entry.changes
        while self._queue and len(changes) < BATCH_EVENTS:
            following = self._queue[0]
            if not isinstance(following, Events) or following.watches is not watches:
                break
            self._let_go(following)
            self._queue.popleft()
            changes = [*changes, *following.changes]
            revision = following.revision
        return self._responses(watches, revision, changes)

    def _let_go(self, entry: Events) -> None:
        self._queued_bytes -= entry.size
        self._hub.release(entry.changes)

    async def _catch_up(self) -> None:
        """One batch of history for the watch that is behind longest, ahead of what was queued meanwhile."""
        watch = next(iter(self._behind.values()))
        try:
            _, changes = await self._hub.history(watch)
        except Compacted:
            self._lose(watch)
            return
        if watch.id not in self._behind:
            return  # cancelled meanwhile
        # No await from here: what join sees as published is what history has read.
        del self._behind[watch.id]
        if not self._hub.join(watch):
            self._behind[watch.id] = watch
        self._progress_if_due()
        watch.heard = watch.heard or bool(changes)
        # As in etcd, the header names the newest revision, although more of the history up to it may follow.
        if changes:
            self._queue.appendleft(self._responses((watch,), self._hub.state.visible, changes))

    def _lose(self, watch: Watch) -> None:
        """Tell that a watch ended since its history is gone. As in etcd the header then names no revision, and the id
        stays taken until the client cancels it too."""
        if not self._forget(watch.id):
            return
        self._lost.add(watch.id)
        self._progress_if_due()
        header, compacted = self._header.message(0), self._hub.state.compacted
        self._queue.appendleft(
            pb.WatchResponse(header=header, watch_id=watch.id, canceled=True, compact_revision=compacted)
        )

    def _responses(self, watches: Sequence[Watch], revision: int, changes: Sequence[Change]) -> EncodedMany:
        first = watches[0]
        self._hub.sent += len(changes) * len(watches)
        wires = responses(
            self._header.wire(revision),
            [watch.wire_id for watch in watches],
            changes,
            previous=first.want_previous,
            fragment_bytes=self._fragment_bytes if first.fragment else None,
        )
        return EncodedMany(pb.WatchResponse, wires)
