"""Everything a store holds, as values, and as a database file of its own."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from etcdlite.model import Change, Record
from etcdlite.rpc.header import Header
from etcdlite.store.log import Batch, Log
from etcdlite.store.schema import FORMAT


@dataclass(frozen=True, slots=True)
class Export:
    """Everything a store holds, to start another one from. records: the whole history, oldest first. leases: (id, ttl,
    remaining seconds). entries: (bucket, name, value) of users and roles."""

    revision: int
    compacted: int
    records: Sequence[Record]
    leases: Sequence[tuple[int, int, int]]
    entries: Sequence[tuple[str, bytes, bytes]] = ()


def write_file(path: pathlib.Path, exported: Export, header: Header) -> None:
    """Make a database file out of an export. Blocks."""
    with contextlib.closing(Log(path, None)) as file:
        file.commit(
            Batch(
                changes=[Change(record, None) for record in exported.records],
                leases={lease_id: (ttl, max(remaining, 1)) for lease_id, ttl, remaining in exported.leases},
                settings={
                    "format": FORMAT,
                    "cluster": header.cluster_id,
                    "member": header.member_id,
                    "revision": exported.revision,
                    "compacted": exported.compacted,
                },
                entries={(bucket, name): value for bucket, name, value in exported.entries},
            )
        )
        file.checkpoint()
