"""The actor that puts in place what every cluster begins with, once per start.

What somebody changed or added stays. It runs after the feed and before the listeners, so that the first request finds
namespaces, roles and the caches that decisions read.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors import Actor
from apiserver.bootstrap.objects import endpoints, system_objects
from apiserver.bootstrap.writer import SystemWriter
from apiserver.config import Config
from apiserver.resources.spec import ResourceSpec
from apiserver.storage.caches import WatchCaches


class Bootstrap(Actor):
    """reads: the resources whose caches must be loaded before requests are answered."""

    def __init__(
        self, config: Config, caches: WatchCaches, writer: SystemWriter, *, reads: Sequence[ResourceSpec]
    ) -> None:
        self._config = config
        self._caches = caches
        self._writer = writer
        self._reads = reads

    async def setup(self) -> None:
        for spec in self._reads:
            await self._caches.ensure(spec)
        await self._writer.create_all(system_objects(self._config))
        await self._writer.create_all(endpoints(self._config, self._config.secure_port))

    async def handle(self, message: object) -> None:
        raise TypeError(f"bootstrap takes no messages, got {message!r}")
