"""Tells each runtime the range of its node's pod addresses as soon as a controller has given the node one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from actors import Actor
from machinery.client.api import Client
from machinery.client.resources import NODES
from machinery.client.watch import Changed, Replaced, follow
from machinery.objects import meta
from machinery.objects import node as nodes
from machinery.rpc import RpcError
from nodeagent.runtime.cri import Cri

RETRY = 1.0


class PodRanges(Actor):
    """Follows the nodes of this agent, by name if it is one. Takes no messages."""

    def __init__(self, client: Client, runtimes: Mapping[str, Cri]) -> None:
        self._client = client
        self._runtimes = runtimes
        self._told: dict[str, str] = {}

    async def setup(self) -> None:
        self.spawn(self._follow(), name="follow")

    async def handle(self, message: object) -> None:
        raise TypeError(f"takes no messages, got {message!r}")

    async def _follow(self) -> None:
        only = next(iter(self._runtimes)) if len(self._runtimes) == 1 else ""
        selector = f"metadata.name={only}" if only else ""
        async for step in follow(self._client, NODES, clock=self.clock, field_selector=selector):
            match step:
                case Replaced(items):
                    await self._tell(items)
                case Changed(obj, False):
                    await self._tell([obj])

    async def _tell(self, seen: Iterable[Mapping[str, Any]]) -> None:
        for each in seen:
            name, ranges = meta.name(each), nodes.pod_cidrs(each)
            runtime = self._runtimes.get(name)
            if runtime is None or not ranges or self._told.get(name) == ranges[0]:
                continue
            while True:
                try:
                    await runtime.set_pod_cidr(ranges[0])
                    break
                except RpcError as error:
                    self.log.warning("runtime not told its range node=%s error=%s", name, error.message)
                    await self.clock.sleep(RETRY)
            self._told[name] = ranges[0]
