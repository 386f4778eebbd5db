"""Brings the write-ahead log into the file without making a writer wait for it.

SQLite would do it inside the commit that passes a limit, which then takes twenty times as long as the others. Here a
connection of its own copies what there is while commits go on; then, between two commits, the little that came
meanwhile. After that the next commit begins the log anew, so the log stays about as long as one round.
"""

from __future__ import annotations

import logging

from actors import Clock
from etcdlite.errors import StoreError
from etcdlite.store.committer import Committer, to_the_end
from etcdlite.store.faults import FAILURES
from etcdlite.store.log import Log

log = logging.getLogger(__name__)


class Checkpointer:
    """For one file."""

    def __init__(self, file: Log, committer: Committer, *, clock: Clock) -> None:
        self._file = file
        self._committer = committer
        self._clock = clock

    async def run(self) -> None:
        """Whenever the log is long enough, until cancelled."""
        while True:
            await self._committer.log_is_long.wait()
            self._committer.log_is_long.clear()
            try:
                with self._clock.external("store checkpoint"):
                    await to_the_end(self._file.checkpoint_aside)
                    await self._committer.alone(self._file.checkpoint_rest)
            except (StoreError, *FAILURES) as error:
                # The log goes on growing, and the commit that makes it longer asks again.
                log.warning("checkpoint failed path=%s error=%s", self._file.path, error)
