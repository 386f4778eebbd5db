"""The actor that owns a store: opens and recovers it, runs commits and sweeps, and closes it.

A failing commit ends the actor. Its supervisor starts the whole store again from the file, which holds everything that
was acknowledged; watches and calls in flight end with UNAVAILABLE and their clients come back.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from actors import Actor
from etcdlite import snapshots
from etcdlite.config import Config
from etcdlite.model import SHIFT
from etcdlite.parts import Parts
from etcdlite.rpc.header import Header
from etcdlite.store.committer import to_the_end
from etcdlite.store.compaction import AutoCompactor
from etcdlite.store.keyindex import KeyIndex
from etcdlite.store.log import Batch, Log
from etcdlite.store.mvcc import NOT_COMPACTED, Mvcc
from etcdlite.store.store import NO_SPACE_ALARM, Export, Store


@dataclass(frozen=True, slots=True)
class _Identity:
    cluster: int
    member: int


class StoreActor(Actor):
    """See the module. seed: what a store without a file starts from."""

    def __init__(self, config: Config, parts: Parts, *, seed: Export | None = None) -> None:
        if seed is not None and config.data_dir is not None:
            raise ValueError("a store with a data directory starts from what is there, not from an export")
        self._config = config
        self._parts = parts
        self._seed = seed
        self._file: Log | None = None
        self._store: Store | None = None

    async def setup(self) -> None:
        config = self._config
        no_space = False
        entries = self._seed.entries if self._seed is not None else ()
        now = self.clock.monotonic()
        if config.data_dir is None:
            state = Mvcc(cache_bytes=None)
            if self._seed is not None:
                _restore(state, self._seed, now)
            identity = _Identity(secrets.randbits(63), secrets.randbits(63))
        else:
            with self.clock.external("store recovery"):
                self._file = await to_the_end(Log.open, config.data_dir)
                await to_the_end(snapshots.sweep, self._file.path.parent)
                state, identity, no_space = await to_the_end(_recover, self._file, config.cache_bytes, now)
                entries = await to_the_end(self._file.entries)
        header = Header(identity.cluster, identity.member)
        store = Store(
            state, self._file, header, quota=config.quota_backend_bytes or 2 << 30, clock=self.clock, entries=entries
        )
        store.no_space = no_space
        automatic = AutoCompactor(
            store.compactor,
            state,
            mode=config.auto_compaction_mode,
            retention=config.auto_compaction_retention,
            clock=self.clock,
        )
        self._store = store
        self.spawn(store.committer.run(), name="commit")
        store.compactor.resume()
        self.spawn(store.compactor.run(), name="compact")
        self.spawn(automatic.run(), name="auto-compact")
        self.log.info("store open revision=%d keys=%d data_dir=%s", state.revision, len(state.index), config.data_dir)
        self._parts.opened(store)

    async def teardown(self) -> None:
        self._parts.closed()
        if self._file is None:
            return
        file, store = self._file, self._store
        with self.clock.external("store close"):
            if store is not None:
                now = self.clock.monotonic()
                left = {lease.id: (lease.ttl, max(int(lease.remaining(now)), 1)) for lease in store.state.leases.all()}
                await asyncio.to_thread(_close, file, left)
            else:
                await asyncio.to_thread(file.close)


def _close(file: Log, leases: dict[int, tuple[int, int]]) -> None:
    try:
        if leases:
            file.commit(Batch(leases=dict(leases)))
    finally:
        file.close()


def _recover(file: Log, cache_bytes: int, now: float) -> tuple[Mvcc, _Identity, bool]:
    """The state that the file holds."""
    settings = file.settings()
    if "member" not in settings:
        settings = {**settings, "format": 1, "cluster": secrets.randbits(63), "member": secrets.randbits(63)}
        file.commit(Batch(settings=settings))
    state = Mvcc(cache_bytes=cache_bytes)
    for lease_id, ttl, remaining in file.leases():
        state.leases.restore(lease_id, ttl, remaining, now)
    attached: dict[bytes, int] = {}
    newest = 0

    def changes() -> list[tuple[bytes, int]]:
        nonlocal newest
        found: list[tuple[bytes, int]] = []
        for key, position, lease in file.changes():
            if lease:
                attached[key] = lease
            else:
                attached.pop(key, None)
            found.append((key, position))
            newest = position
        return found

    state.index = KeyIndex.load(changes())
    for key, lease in attached.items():
        if lease in state.leases:
            state.leases.attach(key, lease)
    state.revision = state.visible = max(newest >> SHIFT, settings.get("revision", 1), 1)
    state.compacted = settings.get("compacted", NOT_COMPACTED)
    current = sorted(state.index.last(key) for key, _ in state.index.items())
    live = [position for position in current if not position & 1]
    held = file.newest(live, cache_bytes // 2)
    state.records.load(held)
    state.records.complete = sum(1 for _ in state.index.positions()) == len(held)
    return state, _Identity(settings["cluster"], settings["member"]), bool(settings.get(NO_SPACE_ALARM, 0))


def _restore(state: Mvcc, seed: Export, now: float) -> None:
    state.index = KeyIndex.load((record.key, record.position) for record in seed.records)
    state.records.load(seed.records)
    for lease_id, ttl, remaining in seed.leases:
        state.leases.restore(lease_id, ttl, remaining, now)
    for record in seed.records:
        if state.index.last(record.key) == record.position and record.lease in state.leases:
            state.leases.attach(record.key, record.lease)
    state.revision = state.visible = seed.revision
    state.compacted = seed.compacted
