"""etcdserverpb.Maintenance."""

from __future__ import annotations

import asyncio
import hashlib
import pathlib
import tempfile
import zlib
from collections.abc import AsyncIterator
from typing import Any

from etcdlite.errors import BadLeaderTransferee, NotServed
from etcdlite.model import position_limit
from etcdlite.parts import Parts
from etcdlite.rpc.header import RAFT_TERM
from etcdlite.store.store import Store
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")

API_VERSION = "3.5.21"
"""The etcd release whose API this is. Clients choose what they ask for by it: a Kubernetes API server reads from its
watch cache only when progress requests are to be trusted, which is from 3.5.13 on."""
CHUNK = 64 * 1024
"""Bytes of one snapshot message."""


class Maintenance:
    """Alarms, sizes, hashes, snapshots."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def Alarm(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        member = store.header.member_id
        if request.action == pb.AlarmRequest.GET:
            alarms = self._alarms(store, request.alarm)
            return pb.AlarmResponse(header=self._header(store), alarms=alarms)
        if request.alarm != pb.AlarmType["NOSPACE"].number or request.memberID not in (0, member):
            if request.action == pb.AlarmRequest.ACTIVATE:
                raise NotServed("etcdlite: only the alarm NOSPACE of this member can be raised")
            return pb.AlarmResponse(header=self._header(store))
        raised = bool(request.action == pb.AlarmRequest.ACTIVATE)
        changed = raised != store.no_space
        await store.set_no_space(raised=raised)
        alarms = [pb.AlarmMember(memberID=member, alarm=request.alarm)] if changed else []
        return pb.AlarmResponse(header=self._header(store), alarms=alarms)

    async def Status(self, request: Any, call: Call) -> Any:
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
            errors=[f"memberID:{member} alarm:NOSPACE "] if store.no_space else [],
            storageVersion=API_VERSION.rpartition(".")[0],
        )

    async def Defragment(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        await store.defragment()
        return pb.DefragmentResponse(header=self._header(store))

    async def Hash(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        return pb.HashResponse(header=self._header(store), hash=await _hash(store, store.state.visible))

    async def HashKV(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        revision = store.state.check_revision(request.revision, store.state.visible)
        return pb.HashKVResponse(
            header=self._header(store),
            hash=await _hash(store, revision),
            compact_revision=store.state.compacted,
            hash_revision=revision,
        )

    async def Snapshot(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """The database file, and after it its SHA-256, as etcd appends one."""
        store = self._parts.store
        with tempfile.TemporaryDirectory(prefix="etcdlite-snapshot-") as directory:
            path = pathlib.Path(directory) / "snapshot.db"
            await store.snapshot(path)
            digest = hashlib.sha256()
            remaining = path.stat().st_size
            with path.open("rb") as file:
                while blob := await asyncio.to_thread(file.read, CHUNK):
                    digest.update(blob)
                    remaining -= len(blob)
                    yield pb.SnapshotResponse(
                        header=self._header(store), remaining_bytes=remaining, blob=blob, version=API_VERSION
                    )
        yield pb.SnapshotResponse(header=self._header(store), blob=digest.digest(), version=API_VERSION)

    async def MoveLeader(self, request: Any, call: Call) -> Any:
        raise BadLeaderTransferee

    def _alarms(self, store: Store, kind: int) -> list[Any]:
        no_space = pb.AlarmType["NOSPACE"].number
        if store.no_space and kind in (0, no_space):
            return [pb.AlarmMember(memberID=store.header.member_id, alarm=no_space)]
        return []

    def _header(self, store: Store) -> Any:
        return store.header.message(store.state.visible)


async def _hash(store: Store, revision: int) -> int:
    """CRC-32 of every change up to a revision that compaction left. Comparable between stores of this kind only."""
    exported = await store.export()
    limit = position_limit(revision)
    checksum = 0
    for record in exported.records:
        if record.position < limit:
            checksum = zlib.crc32(record.wire, zlib.crc32(record.position.to_bytes(8, "big"), checksum))
    return checksum
