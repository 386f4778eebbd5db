"""Files that fail on demand, and what a store holds, to compare."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from actors import Clock, System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.store.log import Log
from etcdlite.store.mvcc import Mvcc
from etcdlite.store.points import Point, pass_by
from etcdlite.store.recovery import recover
from machinery.rpc import LocalChannel
from tests.support.etcd import EtcdClient


def sqlite_error(code: int, text: str) -> sqlite3.OperationalError:
    """What the sqlite3 module raises for a result code."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def full() -> sqlite3.OperationalError:
    """A full disk."""
    return sqlite_error(sqlite3.SQLITE_FULL, "database or disk is full")


class Faults:
    """A `Reach` that raises at a point while it is armed: as `error()` says, which is asked each time."""

    def __init__(self) -> None:
        self.error: Callable[[], Exception] | None = None
        self.point = Point.COMMIT_WRITTEN
        self.met = 0
        """How often it raised."""

    def __call__(self, point: Point) -> None:
        if self.error is not None and point is self.point:
            self.met += 1
            raise self.error()


@contextlib.asynccontextmanager
async def serving(
    config: Config, *, clock: Clock | None = None, faults: Faults | None = None
) -> AsyncIterator[tuple[EtcdClient, EtcdLite]]:
    """A store in this process, and a client of it."""
    clock = clock or SystemClock()
    app = EtcdLite(config, clock=clock, reach=faults or pass_by)
    async with System(app.spec(), clock=clock):
        await app.ready()
        yield EtcdClient(LocalChannel(app.services())), app


def held(state: Mvcc) -> dict[str, Any]:
    """What a state holds, apart from values and times."""
    return {
        "revision": state.revision,
        "visible": state.visible,
        "compacted": state.compacted,
        "index": dict(sorted(state.index.items())),
        "leases": {lease.id: (lease.ttl, sorted(lease.keys)) for lease in state.leases.all()},
        "holders": {key: state.leases.holder(key) for key, _ in state.index.items() if state.leases.holder(key)},
        "stale": sorted(state.index.stale),
    }


def held_by(file: Path) -> dict[str, Any]:
    """The same of a file, as a store that starts from it would have it."""
    with contextlib.closing(Log(file)) as log:
        return held(recover(log, cache_bytes=0, now=0.0).state)
