"""Brings records into memory that only the file holds, and knows a row that is missing from one that was compacted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from actors import Clock
from etcdlite.errors import Corrupt, Damaged
from etcdlite.store.committer import to_the_end
from etcdlite.store.faults import FAILURES, fault_of
from etcdlite.store.log import Log
from etcdlite.store.records import Records

log = logging.getLogger(__name__)


class Loader:
    """Of one store. file: None for a store in memory, which misses nothing. damaged: called when the file is."""

    def __init__(
        self, file: Log | None, records: Records, damaged: Callable[[], Awaitable[None]], *, clock: Clock
    ) -> None:
        self._file = file
        self._records = records
        self._damaged = damaged
        self._clock = clock

    async def load(self, positions: Sequence[int], absent: frozenset[int] = frozenset()) -> frozenset[int]:
        """Load these, and return those that the file does not hold. Raises Corrupt, FileFault.

        A compaction may have taken them since the caller looked into the index, and is gone from there, then: so the
        caller looks again. absent: what the load before has returned to the same caller; who asks for one of them anew
        has found it in the index, and it is lost."""
        if self._file is None:
            raise RuntimeError(f"{len(positions)} records are lost, {positions[0]} the first")
        lost = absent.intersection(positions)
        try:
            if lost:
                raise Damaged(f"{len(lost)} rows are missing")
            with self._clock.external("store read"):
                found = await to_the_end(self._file.read, positions)
        except FAILURES as error:
            raise await self.fault(error) from error
        self._records.load(found)
        return frozenset(positions).difference(record.position for record in found)

    async def fault(self, error: Exception) -> Exception:
        """What a reader is told of an error of the file."""
        assert self._file is not None
        fault = fault_of(error, self._file.path)
        log.error("the database cannot be read path=%s error=%s", self._file.path, error)
        if isinstance(fault, Corrupt):
            await self._damaged()
        return fault or error
