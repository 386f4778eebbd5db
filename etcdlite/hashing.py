"""The hash of the key space, the same that etcd computes for the same history: a CRC-32C of every change in order.

Two members that were told the same have the same hash at the same revision, whether their history was compacted by the
same steps or not, and whether the sweep that follows a compaction is through or not.

Of the revisions of its last ten compactions etcd from 3.5 on answers what it computed while it swept, as long as it
runs; here every hash is of what is kept now.

Source: etcd's `server/storage/mvcc/hash.go`.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import sqlite3
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import google_crc32c

from etcdlite.errors import Compacted
from etcdlite.model import SHIFT, position_limit, varint

if TYPE_CHECKING:
    from etcdlite.store.store import Store

FAIR_EVERY = 500
"""Changes of a store in memory between pauses."""
PIECE = 256 * 1024
"""Bytes at which what was collected is summed."""

Row = tuple[int, bytes, int, int, int, bytes]
"""(position, key, create_revision, version, lease, value) of one change."""


@dataclass(frozen=True, slots=True)
class KvHash:
    """hash: of all changes up to `revision` that the compaction at `compacted` left. compacted: -1 before the first."""

    hash: int
    revision: int
    compacted: int


class Hasher:
    """Sums changes, given oldest first."""

    def __init__(self) -> None:
        self._sum = 0
        self._held = bytearray(b"key")  # the name of etcd's bucket

    def add(self, row: Row) -> None:
        """One change."""
        position, key, created, version, lease, value = row
        sub = (position & (1 << SHIFT) - 1) >> 1
        held = self._held
        held += struct.pack(">QcQ", position >> SHIFT, b"_", sub)
        if position & 1:
            held += b"t\x0a" + varint(len(key)) + key
        else:
            held += b"\x0a%b%b\x10%b\x18%b\x20%b" % (
                *(varint(len(key)), key, varint(created), varint(position >> SHIFT), varint(version)),
            )
            if value:
                held += b"\x2a" + varint(len(value)) + value
            if lease:
                held += b"\x30" + varint(lease)
        if len(held) >= PIECE:
            self._flush()

    @property
    def value(self) -> int:
        """Of all changes so far."""
        self._flush()
        return self._sum

    def _flush(self) -> None:
        self._sum = google_crc32c.extend(self._sum, bytes(self._held))
        self._held.clear()


def kept(newest_first: Iterable[tuple[int, bytes]], compacted: int) -> set[int]:
    """Of (position, key) of the changes up to the hashed revision, those that count although they are not after
    `compacted`: the last of each key, if that is no deletion.

    What a later change replaced does not count, though the compaction left it. If no key is there at the hashed
    revision, etcd hashes what the sweep left, which is the last change of each key up to the compaction."""
    bound = position_limit(compacted)
    seen: set[bytes] = set()
    seen_before: set[bytes] = set()
    alive = False
    left: set[int] = set()
    swept: set[int] = set()
    for position, key in newest_first:
        put = not position & 1
        if key not in seen:
            seen.add(key)
            alive = alive or put
            if put and position < bound:
                left.add(position)
        if position < bound and key not in seen_before:
            seen_before.add(key)
            if put:
                swept.add(position)
    return left if alive else swept


def hash_file(path: pathlib.Path, revision: int) -> KvHash:
    """Of a database file, up to a revision. Others may write it meanwhile. Blocks. Raises Compacted, sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as file:
        file.execute("BEGIN")  # all that follows sees one state
        found = file.execute("SELECT value FROM setting WHERE name = 'compacted'").fetchone()
        compacted = found[0] if found else -1
        if 0 < revision < compacted:
            raise Compacted
        bound, limit = position_limit(compacted), position_limit(revision)
        newest_first = file.execute("SELECT position, key FROM log WHERE position < ? ORDER BY position DESC", (limit,))
        left = kept(newest_first, compacted) if compacted > 0 else set()
        hasher = Hasher()
        for row in file.execute(
            "SELECT position, key, created, version, lease, value FROM log WHERE position < ? ORDER BY position",
            (limit,),
        ):
            if row[0] >= bound or row[0] in left:
                hasher.add(row)
        return KvHash(hasher.value, revision, compacted)


async def hash_store(store: Store, revision: int) -> KvHash:
    """Of a running store, up to a revision that is durable. Raises Compacted, Corrupt, FileFault."""
    await store.committer.flush()
    if store.path is not None:
        await store.in_place()  # it is opened by its name
        return await store.outside("store hash", hash_file, store.path, revision)
    compacted = store.state.compacted
    exported = (await store.export()).records
    told = [record for record in exported if record.revision <= revision]
    left = kept(((record.position, record.key) for record in reversed(told)), compacted)
    hasher = Hasher()
    for number, record in enumerate(told):
        if record.revision > compacted or record.position in left:
            hasher.add((record.position, record.key, record.created, record.version, record.lease, record.value))
        if number % FAIR_EVERY == 0:
            await asyncio.sleep(0)
    return KvHash(hasher.value, revision, compacted)
