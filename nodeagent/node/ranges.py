"""Tells each runtime the range of its node's pod addresses as soon as a controller has given the node one."""

from __future__ import annotations

from collections.abc import Mapping

from actors import Actor
from machinery.client.api import Client
from machinery.client.resources import NODES
from machinery.client.watch import states
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
        async for node in states(self._client, NODES, clock=self.clock, field_selector=selector):
            name, ranges = meta.name(node), nodes.pod_cidrs(node)
            if name in self._runtimes and ranges and self._told.get(name) != ranges[0]:
                await self._tell(name, ranges[0])

    async def _tell(self, name: str, cidr: str) -> None:
        while True:
            try:
                await self._runtimes[name].set_pod_cidr(cidr)
                break
            except RpcError as error:
                self.log.warning("runtime not told its range node=%s error=%s", name, error.message)
                await self.clock.sleep(RETRY)
        self._told[name] = cidr
