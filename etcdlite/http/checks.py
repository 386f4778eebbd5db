"""The checks behind /health, /livez and /readyz, with etcd's names and words.

Source: etcd's `server/etcdserver/api/etcdhttp/health.go`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence

from actors import Clock
from etcdlite.errors import StoreError
from etcdlite.keyrange import KeyRange
from etcdlite.parts import Parts
from etcdlite.store.alarms import CORRUPT, NOSPACE
from etcdlite.store.mvcc import RangeQuery

PATIENCE = 7.0
"""Seconds that a check gives the store, as etcd's: five for the disk, and twice an election."""
_NAMES = {NOSPACE: "NOSPACE", CORRUPT: "CORRUPT"}
_PROBE = RangeQuery(KeyRange(b"\0", b"\0\0"))
"""A key that need not exist."""

Check = Callable[[], Awaitable[str]]
"""Why a check failed, "" when it passed."""


class Checks:
    """Of one store. Each check that is made is counted."""

    def __init__(self, parts: Parts, *, clock: Clock) -> None:
        self._parts = parts
        self._clock = clock
        self.kinds: dict[str, dict[str, Check]] = {
            "livez": {"serializable_read": self._read},
            "readyz": {
                "data_corruption": self._intact,
                "serializable_read": self._read,
                "linearizable_read": self._durable_read,
                "non_learner": self._member,
            },
        }
        """The checks of each path, by name."""

    async def run(self, kind: str, names: Collection[str]) -> tuple[bool, Sequence[str]]:
        """Whether these checks of a path passed, and a line for each."""
        counts = self._parts.counts
        good, lines = True, []
        for name in names:
            problem = await self.kinds[kind][name]()
            lines.append(f"[-]{name} failed: {problem}" if problem else f"[+]{name} ok")
            good = good and not problem
            counts.last_checks[kind, name] = not problem
            counts.checks[kind, name, not problem] = counts.checks.get((kind, name, not problem), 0) + 1
        return good, lines

    async def health(self, *, excluded: Collection[str], serializable: bool) -> str:
        """What /health says is wrong, "" for nothing. excluded: names of alarms not to look at."""
        if self._parts.open.is_set():
            for kind, _ in self._parts.store.alarms:
                if _NAMES[kind] not in excluded:
                    return f"ALARM {_NAMES[kind]}"
        problem = await (self._read() if serializable else self._durable_read())
        return problem and f"RANGE ERROR:{problem}"

    async def _intact(self) -> str:
        corrupt = self._parts.open.is_set() and self._parts.store.alarms.corrupt
        return "alarm activated: CORRUPT" if corrupt else ""

    async def _read(self) -> str:
        """What is here can be read."""
        try:
            await self._parts.store.range(_PROBE)
        except StoreError as error:
            return error.message
        return ""

    async def _durable_read(self) -> str:
        """The newest state can be read: what was written before is on the disk."""
        try:
            async with self._clock.timeout(PATIENCE):
                store = self._parts.store
                await store.committer.flush()
                if store.problem:
                    return store.problem
                await store.range(_PROBE)
        except StoreError as error:
            return error.message
        except TimeoutError:
            return "etcdserver: request timed out"
        return ""

    async def _member(self) -> str:
        return ""  # its one member votes
