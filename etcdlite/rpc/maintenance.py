"""etcdserverpb.Maintenance."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from actors import Clock
from etcdlite.auth.access import Access
from etcdlite.errors import (
    BadLeaderTransferee,
    Compacted,
    FileFault,
    FutureRevision,
    InvalidDowngradeTarget,
    NoInflightDowngrade,
    SnapshotFault,
    UnknownMethod,
    WrongDowngradeVersion,
)
from etcdlite.hashing import hash_store
from etcdlite.metrics.histogram import Histogram
from etcdlite.parts import Parts
from etcdlite.rpc.header import RAFT_TERM
from etcdlite.snapshots import unnamed
from etcdlite.store.alarms import NAMES
from etcdlite.store.points import Point
from etcdlite.store.store import Store
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")

API_VERSION = "3.5.21"
"""The etcd release whose API this is. Clients choose what they ask for by it: a Kubernetes API server reads from its
watch cache only when progress requests are to be trusted, which is from 3.5.13 on."""
MESSAGE_BYTES = 64 * 1024
"""Of one message of a snapshot."""
READ_BYTES = 1024 * 1024
"""Read at once from a snapshot's file."""


class Maintenance:
    """Alarms, sizes, hashes, snapshots."""

    def __init__(self, parts: Parts, access: Access, *, clock: Clock) -> None:
        self._parts = parts
        self._access = access
        self._clock = clock

    async def Alarm(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        if request.action == pb.AlarmRequest.GET:
            self._access.known(call)
            alarms = self._alarms(store, request.alarm)
            return pb.AlarmResponse(header=self._header(store), alarms=alarms)
        self._access.root(call)
        kind, member = request.alarm, request.memberID
        raised = request.action == pb.AlarmRequest.ACTIVATE
        changed = bool(kind) and await store.set_alarm(kind, member, raised=raised)
        # What was raised already is told again, what was not raised is not.
        told = [pb.AlarmMember(memberID=member, alarm=kind)] if changed or (raised and kind) else []
        return pb.AlarmResponse(header=self._header(store), alarms=told)

    async def Status(self, request: Any, call: Call) -> Any:
        self._access.known(call)
        store = self._parts.store
        size = store.size
        member = store.header.member_id
        return pb.StatusResponse(
            header=self._header(store),
            version=API_VERSION,
            dbSize=size.total,
            dbSizeInUse=size.used,
            dbSizeQuota=store.quota,
            leader=member,
            raftIndex=store.state.visible,
            raftAppliedIndex=store.state.visible,
            raftTerm=RAFT_TERM,
            errors=_errors(store),
            storageVersion=API_VERSION.rpartition(".")[0],
        )

    async def Defragment(self, request: Any, call: Call) -> Any:
        """Returns when all free space was given back. The store goes on serving, writers too."""
        self._access.root(call)
        counts = self._parts.counts
        counts.defragmenting += 1
        try:
            with self._timed(counts.defragmentations):
                await self._parts.store.defragment()
        finally:
            counts.defragmenting -= 1
        return pb.DefragmentResponse()

    async def Hash(self, request: Any, call: Call) -> Any:
        """Of the key space at the newest revision."""
        self._access.root(call)
        store = self._parts.store
        with self._timed(self._parts.counts.hashes):
            found = await hash_store(store, store.state.visible)
        return pb.HashResponse(header=store.header.message(found.revision), hash=found.hash)

    async def HashKV(self, request: Any, call: Call) -> Any:
        """Of the key space at a revision: 0 the newest, negative before all. Raises Compacted, FutureRevision."""
        self._access.root(call)
        store = self._parts.store
        newest = store.state.visible
        if request.revision > newest:
            raise FutureRevision
        if 0 < request.revision < store.state.compacted:
            raise Compacted
        with self._timed(self._parts.counts.revision_hashes):
            found = await hash_store(store, request.revision or newest)
        return pb.HashKVResponse(
            header=store.header.message(newest),
            hash=found.hash,
            compact_revision=found.compacted,
            hash_revision=found.revision,
        )

    async def Snapshot(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """The database file as it was when this began, and after it its SHA-256, as etcd appends one. Raises
        SnapshotFault, NoSpace, Corrupt."""
        self._access.root(call)
        store = self._parts.store
        directory = store.path.parent if store.path is not None else None
        with self._timed(self._parts.counts.snapshots):
            try:
                await store.in_place()
                copy = await unnamed(directory, store.snapshot)
            except FileFault as error:
                raise SnapshotFault(error.message) from error
        with copy as file:
            digest = hashlib.sha256()
            remaining = os.fstat(file.fileno()).st_size
            while piece := await asyncio.to_thread(file.read, READ_BYTES):
                digest.update(piece)
                for at in range(0, len(piece), MESSAGE_BYTES):
                    blob = piece[at : at + MESSAGE_BYTES]
                    remaining -= len(blob)
                    store.reach(Point.SNAPSHOT_SENDS)
                    yield pb.SnapshotResponse(remaining_bytes=remaining, blob=blob)
        yield pb.SnapshotResponse(blob=digest.digest())

    async def MoveLeader(self, request: Any, call: Call) -> Any:
        self._access.root(call)
        if request.targetID != self._parts.store.header.member_id:
            raise BadLeaderTransferee
        return pb.MoveLeaderResponse()

    async def Downgrade(self, request: Any, call: Call) -> Any:
        """There is no older version whose files these are, so every target is refused."""
        self._access.root(call)
        if request.action == pb.DowngradeRequest.CANCEL:
            raise NoInflightDowngrade
        if request.action not in (pb.DowngradeRequest.VALIDATE, pb.DowngradeRequest.ENABLE):
            raise UnknownMethod
        if not re.fullmatch(r"\d+\.\d+(\.\d+([-+].+)?)?", request.version):
            raise WrongDowngradeVersion
        raise InvalidDowngradeTarget

    @contextlib.contextmanager
    def _timed(self, histogram: Histogram) -> Iterator[None]:
        began = self._clock.monotonic()
        yield
        histogram.observe(self._clock.monotonic() - began)

    def _alarms(self, store: Store, kind: int) -> list[Any]:
        return [pb.AlarmMember(memberID=member, alarm=each) for each, member in store.alarms if kind in (0, each)]

    def _header(self, store: Store) -> Any:
        return store.header.message(store.state.visible)


def _errors(store: Store) -> list[str]:
    """The alarms, as etcd writes them, and why the file cannot be written."""
    alarms = [f"memberID:{member} alarm:{NAMES.get(kind, kind)} " for kind, member in store.alarms]
    return [*alarms, store.problem] if store.problem else alarms
