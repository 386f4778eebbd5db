"""The state that a file or an export holds, made anew at each start.

Reading every change's key and position walks the whole table, so a start meets every damaged page of it; and what must
follow from one another is checked on the way. Only the newest values are looked at, as many as memory holds: `check`
reads them all, when it is asked to.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etcdlite.errors import Damaged
from etcdlite.model import SHIFT
from etcdlite.store.alarms import CORRUPT, setting_of
from etcdlite.store.export import Export
from etcdlite.store.faults import FAILURES, damage, refusal
from etcdlite.store.keyindex import KeyIndex
from etcdlite.store.log import Batch, Log
from etcdlite.store.mvcc import NOT_COMPACTED, Mvcc
from etcdlite.store.schema import FORMAT

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a store starts from. cluster, member: its ids. settings, entries: as the file has them."""

    state: Mvcc
    cluster: int
    member: int
    settings: Mapping[str, int]
    entries: Sequence[tuple[str, bytes, bytes]]


def recover(file: Log, *, cache_bytes: int, now: float) -> Recovered:
    """From a file. Blocks. Raises DatabaseError."""
    try:
        return _recover(file, cache_bytes, now)
    except FAILURES as error:
        raise refusal(error, file.path) from error


def _recover(file: Log, cache_bytes: int, now: float) -> Recovered:
    settings = file.settings()
    compacted = settings.get("compacted", NOT_COMPACTED)
    state = Mvcc(cache_bytes=cache_bytes)
    attached: dict[bytes, int] = {}
    newest = 0

    def changes() -> Iterator[tuple[bytes, int]]:
        nonlocal newest
        for key, position, lease in file.changes():
            if lease:
                attached[key] = lease
            elif attached:
                attached.pop(key, None)
            revision = position >> SHIFT
            if revision > max(newest >> SHIFT, compacted, 1) + 1:
                # Every revision changes something, and nothing after a compaction is ever deleted.
                raise damage(file.path, f"revision {revision - 1} is missing")
            if position <= newest:
                raise damage(file.path, f"position {position} stands after {newest}")
            newest = position
            yield key, position

    state.index = KeyIndex.load(changes())
    if "member" not in settings:
        if newest:
            raise damage(file.path, "its settings are missing")
        settings = {**settings, "format": FORMAT, "cluster": secrets.randbits(63), "member": secrets.randbits(63)}
        file.commit(Batch(settings=settings))
    state.revision = state.visible = max(newest >> SHIFT, settings.get("revision", 1), 1)
    if compacted > state.revision:
        raise damage(file.path, f"it is compacted at {compacted}, but ends at revision {state.revision}")
    state.compacted = compacted
    for lease_id, ttl, remaining in file.leases():
        state.leases.restore(lease_id, ttl, remaining, now)
    for key, lease in attached.items():
        if lease in state.leases:
            state.leases.attach(key, lease)
    current = sorted(state.index.last(key) for key, _ in state.index.items())
    live = [position for position in current if not position & 1]
    try:
        held = file.newest(live, cache_bytes // 2)
    except Damaged as error:  # of a value or two: the others can be served
        log.error("the database is damaged path=%s error=%s", file.path, error)
        held = []
        settings = {**settings, setting_of(CORRUPT, settings["member"]): 1}
    state.records.load(held)
    state.records.complete = sum(1 for _ in state.index.positions()) == len(held)
    return Recovered(state, settings["cluster"], settings["member"], settings, file.entries())


def restore(seed: Export | None, now: float) -> Recovered:
    """From an export, without a file; from nothing without one. The ids are new."""
    state = Mvcc(cache_bytes=None)
    if seed is not None:
        state.index = KeyIndex.load((record.key, record.position) for record in seed.records)
        state.records.load(seed.records)
        for lease_id, ttl, remaining in seed.leases:
            state.leases.restore(lease_id, ttl, remaining, now)
        for record in seed.records:
            if state.index.last(record.key) == record.position and record.lease in state.leases:
                state.leases.attach(record.key, record.lease)
        state.revision = state.visible = seed.revision
        state.compacted = seed.compacted
    return Recovered(state, secrets.randbits(63), secrets.randbits(63), {}, seed.entries if seed is not None else ())
