"""Keeps the logs of running containers small: renames a log that has grown and has the runtime begin a new one.

Kubelet's defaults: files of 10 MiB, five of them in all, looked at every ten seconds. A runtime never rotates by itself
(CRI's ReopenContainerLog is how it learns of a rename).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from actors import Actor
from machinery.rpc import RpcError
from nodeagent.pods.context import NodeContext
from nodeagent.runtime.cri import Listed

PERIOD = 10.0
MAX_BYTES = 10 << 20
MAX_FILES = 5


class LogRotation(Actor):
    """Rotates the logs of one node's containers."""

    def __init__(self, context: NodeContext, *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
        self._context = context
        self._max_bytes = max_bytes
        self._max_files = max_files

    async def setup(self) -> None:
        self.spawn(self._loop(), name="loop")

    async def _loop(self) -> None:
        while True:
            await self.clock.sleep(PERIOD)
            try:
                await self.rotate()
            except RpcError as error:
                self.log.warning("logs not rotated error=%s", error)

    async def rotate(self) -> None:
        """One round. Raises RpcError."""
        running = {self._path(each): each.id for each in await self._context.cri.containers() if each.running}
        with self.clock.external("measure logs"):
            grown = await asyncio.to_thread(_larger, list(running), self._max_bytes)
        for path in grown:
            with self.clock.external("rotate log"):
                renamed = await asyncio.to_thread(_rename, path, f"{self.clock.now():%Y%m%d-%H%M%S}", self._max_files)
            try:
                await self._context.cri.reopen_log(running[path])
            except RpcError:
                # The runtime still writes to the renamed file: give it its name back, and try again later.
                with self.clock.external("undo rotation"):
                    await asyncio.to_thread(os.replace, renamed, path)
                raise

    def _path(self, container: Listed) -> Path:
        pod = container.pod
        directory = self._context.log_root / f"{pod.namespace}_{pod.name}_{pod.uid}"
        return directory / container.name / f"{container.attempt}.log"


def _larger(paths: Sequence[Path], size: int) -> list[Path]:
    return [path for path in paths if path.exists() and path.stat().st_size > size]


def _rename(path: Path, stamp: str, keep: int) -> Path:
    """Set the log aside under a name with the time, and drop the oldest of those set aside before."""
    old = sorted(path.parent.glob(f"{path.name}.*"))
    for each in old[: max(0, len(old) - keep + 2)]:
        each.unlink(missing_ok=True)
    target = path.with_name(f"{path.name}.{stamp}")
    path.rename(target)
    return target
