"""The actor that owns a store: opens and recovers it, runs commits and sweeps, and closes it.

A commit that the file refuses is taken back in memory (see `committer`). Any other failure ends the actor. Its
supervisor starts the whole store again from the file, which holds everything that was acknowledged; watches and calls
in flight end with UNAVAILABLE and their clients come back. A store without a file does not start again: an empty one in
its place would be a lie.
"""

from __future__ import annotations

import asyncio
import pathlib
from functools import partial

from actors import Actor
from etcdlite import snapshots
from etcdlite.config import Config
from etcdlite.errors import DatabaseError
from etcdlite.parts import Parts
from etcdlite.rpc.header import Header
from etcdlite.store.check import check_file
from etcdlite.store.checkpoint import Checkpointer
from etcdlite.store.committer import to_the_end
from etcdlite.store.compaction import AutoCompactor
from etcdlite.store.export import Export
from etcdlite.store.faults import FAILURES, damage
from etcdlite.store.log import Batch, Log
from etcdlite.store.points import Reach, pass_by
from etcdlite.store.recovery import recover, restore
from etcdlite.store.store import Store

DEFAULT_QUOTA = 2 << 30
"""Bytes, as in etcd."""
MOST_QUOTA = 8 << 30
"""Bytes that etcd suggests as the most."""


class StoreActor(Actor):
    """See the module. seed: what a store without a file starts from. reach: called at the named points."""

    def __init__(self, config: Config, parts: Parts, *, seed: Export | None = None, reach: Reach = pass_by) -> None:
        if seed is not None and config.data_dir is not None:
            raise ValueError("a store with a data directory starts from what is there, not from an export")
        self._config = config
        self._parts = parts
        self._seed = seed
        self._reach = reach
        self._file: Log | None = None
        self._store: Store | None = None

    async def setup(self) -> None:
        config = self._config
        now = self.clock.monotonic()
        if config.data_dir is None:
            if self._parts.was_open:
                raise DatabaseError("the store crashed and was in memory alone: all it held is lost; start it anew")
            found = restore(self._seed, now)
        else:
            with self.clock.external("store recovery"):
                self._file = await to_the_end(
                    partial(
                        Log.open,
                        config.data_dir,
                        reach=self._reach,
                        sync=not config.unsafe_no_fsync,
                        again=self._parts.was_open,
                    )
                )
                if config.experimental_initial_corrupt_check:
                    await to_the_end(_check, self._file.path)
                await to_the_end(snapshots.sweep, self._file.path.parent)
                found = await to_the_end(partial(recover, self._file, cache_bytes=config.cache_bytes, now=now))
        state = found.state
        store = Store(
            state,
            self._file,
            Header(found.cluster, found.member),
            quota=config.quota_backend_bytes or DEFAULT_QUOTA,
            clock=self.clock,
            entries=found.entries,
            counts=self._parts.counts,
        )
        if self._file is not None:
            self._file.fsyncs = self._parts.counts.fsyncs
            self._file.commits = self._parts.counts.commits
        store.alarms.load(found.settings)
        if store.quota > MOST_QUOTA:
            self.log.warning("quota is larger than etcd suggests quota=%d suggested=%d", store.quota, MOST_QUOTA)
        automatic = AutoCompactor(
            partial(store.compact, physical=False),
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
        if self._file is not None:
            checkpointer = Checkpointer(self._file, store.committer, clock=self.clock)
            self.spawn(checkpointer.run(), name="checkpoint")
        self.log.info("store open revision=%d keys=%d data_dir=%s", state.revision, len(state.index), config.data_dir)
        self._parts.opened(store)

    async def teardown(self) -> None:
        self._parts.closed()
        if self._file is None:
            return
        file, store = self._file, self._store
        with self.clock.external("store close"):
            await asyncio.to_thread(file.close if store is None else partial(self._close, file, store))

    def _close(self, file: Log, store: Store) -> None:
        """What changes all the time is written down at the end. A file that takes it no more keeps what it had."""
        now = self.clock.monotonic()
        left = {lease.id: (lease.ttl, max(int(lease.remaining(now)), 1)) for lease in store.state.leases.all()}
        alarms = store.alarms.settings()
        try:
            if left or alarms:
                file.commit(Batch(leases=dict(left), settings=alarms))
        except FAILURES as error:
            self.log.warning("what is left of leases cannot be written down error=%s", error)
        finally:
            file.close()


def _check(path: pathlib.Path) -> None:
    if found := check_file(path):
        raise damage(path, found[0])
