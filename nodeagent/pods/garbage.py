"""Housekeeping of one node: what pods left behind in the runtime and on disk.

- Sandboxes and directories of pods that no longer exist (they were deleted while no agent ran).
- Of the dead containers of one name, all but the newest, whose logs `logs --previous` shows.
- Dead sandboxes in which no container is kept, but a pod's newest.
- When the disk is fuller than kubelet's high threshold, images that no container uses.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from actors import Actor
from machinery.rpc import RpcError
from nodeagent.pods.context import NodeContext
from nodeagent.pods.desired import Latest
from nodeagent.runtime.cri import Listed
from nodeagent.runtime.model import Image, State

PERIOD = 60.0
MIN_AGE = 60.0
"""Seconds that anything is left alone after it was made."""
IMAGES_HIGH, IMAGES_LOW = 0.85, 0.80
"""Shares of the disk: images are removed above the first, until below the second."""


class Garbage(Actor):
    """Cleans up once a minute."""

    def __init__(self, context: NodeContext, latest: Latest, root: Path) -> None:
        self._context = context
        self._latest = latest
        self._root = root

    async def setup(self) -> None:
        self.spawn(self._loop(), name="loop")

    async def _loop(self) -> None:
        while True:
            await self.clock.sleep(PERIOD)
            if not self._latest.complete:
                continue
            try:
                await self.collect()
            except RpcError as error:
                self.log.warning("garbage not collected error=%s", error)

    async def collect(self) -> None:
        """One round. Raises RpcError."""
        cri = self._context.cri
        now = self.clock.now().timestamp()
        sandboxes, containers = await cri.sandboxes(), await cri.containers()
        for container_id in dead_containers(containers, now):
            await cri.remove_container(container_id)
        known = {each.pod.uid for each in sandboxes if self._cared_for(each.pod.uid)}
        for sandbox in dead_sandboxes(sandboxes, containers, known, now):
            if sandbox.running:
                await cri.stop_sandbox(sandbox.id)
            await cri.remove_sandbox(sandbox.id)
        if self._context.files:
            await self._directories()
            await self._images()

    def _cared_for(self, uid: str) -> bool:
        return uid in self._latest.pods or self._latest.alive(uid)

    async def _directories(self) -> None:
        with self.clock.external("collect directories"):
            orphans = [
                each for each in await asyncio.to_thread(_names, self._root / "pods") if not self._cared_for(each)
            ]
            logs = self._context.log_root
            for name in await asyncio.to_thread(_names, logs):
                uid = name.rpartition("_")[2]
                if not self._cared_for(uid):
                    await asyncio.to_thread(shutil.rmtree, logs / name, ignore_errors=True)
        for uid in orphans:
            self.log.info("orphaned directory removed uid=%s", uid)
            await self._context.volumes.tear_down(uid)

    async def _images(self) -> None:
        with self.clock.external("measure disk"):
            used, total = await asyncio.to_thread(_usage, self._root)
        if used < IMAGES_HIGH * total:
            return
        images = await self._context.cri.images()
        in_use = {image for pod in self._latest.of_node(self._context.name) for image in _images_of(pod)}
        excess = used - int(IMAGES_LOW * total)
        for image in unused(images, in_use):
            if excess <= 0:
                return
            self.log.info("image removed to free disk image=%s bytes=%d", image.id, image.size)
            await self._context.cri.remove_image(image.id)
            excess -= image.size


def dead_containers(containers: Sequence[Listed], now: float) -> list[str]:
    """Ids of ended containers to remove: all but the newest of a pod and name. `containers`: newest first."""
    kept: set[tuple[str, str]] = set()
    found = []
    for each in containers:
        key = (each.pod.uid, each.name)
        if key in kept and each.state is not State.RUNNING and _old(each, now):
            found.append(each.id)
        kept.add(key)
    return found


def dead_sandboxes(
    sandboxes: Sequence[Listed], containers: Iterable[Listed], known: set[str], now: float
) -> list[Listed]:
    """Sandboxes to remove: of unknown pods all, of known ones those that ended and hold nothing. Newest first."""
    holding = {each.sandbox_id for each in containers}
    newest: set[str] = set()
    found = []
    for each in sandboxes:
        first = each.pod.uid not in newest
        newest.add(each.pod.uid)
        if not _old(each, now):
            continue
        if each.pod.uid not in known or not (first or each.running or each.id in holding):
            found.append(each)
    return found


def unused(images: Iterable[Image], in_use: set[str]) -> list[Image]:
    """Images that may go, largest first."""
    free = [
        each for each in images if not each.pinned and not in_use.intersection((each.id, *each.tags, *each.digests))
    ]
    return sorted(free, key=lambda each: -each.size)


def _old(each: Listed, now: float) -> bool:
    return now - each.created_at / 1e9 >= MIN_AGE


def _images_of(pod: dict[str, object]) -> list[str]:
    status = pod.get("status")
    statuses = status.get("containerStatuses") or () if isinstance(status, dict) else ()
    return [str(value) for each in statuses for value in (each.get("imageID"), each.get("image"))]


def _names(directory: Path) -> list[str]:
    return os.listdir(directory) if directory.is_dir() else []


def _usage(path: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(path)
    return usage.used, usage.total
