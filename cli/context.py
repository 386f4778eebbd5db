"""What a command works with: the chosen context, a client for it, its resources, and where output goes."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import orjson

from actors import Clock, SystemClock
from cli.errors import CliError
from cli.flags import Parsed
from cli.resources import AGGREGATED, Mapper, from_discovery

if TYPE_CHECKING:
    from machinery.client.api import Client
    from machinery.client.kubeconfig import KubeConfig
    from machinery.rpc.api import Channel


class Session:
    """One command's connection to one cluster; nothing is read or dialled before it is asked for."""

    def __init__(self, parsed: Parsed) -> None:
        self._flags = parsed
        self._client: Client | None = None
        self._channel: Channel | None = None
        self._units: Channel | None = None
        self._mapper: Mapper | None = None
        self._config: KubeConfig | None = None
        self._told: set[str] = set()
        self.clock: Clock = SystemClock()

    @property
    def config(self) -> KubeConfig:
        """The kubeconfig that --kubeconfig, KUBECONFIG or ~/.kube/config name, merged as kubectl merges."""
        if self._config is None:
            from machinery.client import kubeconfig

            try:
                self._config = kubeconfig.load(self._flags["kubeconfig"] or None)
            except kubeconfig.KubeConfigError as error:
                raise CliError(str(error)) from None
        return self._config

    @property
    def namespace(self) -> str:
        """--namespace, else the context's, else "default"."""
        return str(self._flags["namespace"] or self.config.namespace(self._flags["context"] or None) or "default")

    @property
    def namespace_given(self) -> bool:
        return bool(self._flags["namespace"])

    async def client(self) -> Client:
        """A client for the chosen context. Raises CliError when the context does not say where its gRPC API is."""
        if self._client is None:
            from machinery.client.grpc import ApiClient

            self._client = ApiClient(await self.channel(), warned=self._warn)
        return self._client

    async def channel(self) -> Channel:
        """The connection under the client, for services that are not the Kubernetes API. Raises CliError as above."""
        if self._channel is None:
            from cli.connect import connect

            self._channel = connect(self.config, self._flags)
        return self._channel

    async def units_channel(self) -> Channel:
        """The connection to where controllers are steered; the same one when the API's own process does it."""
        from cli.connect import connect

        if self._units is None:
            self._units = connect(self.config, self._flags, units=True)
        return self._units

    @property
    def units_apart(self) -> bool:
        """Whether the controllers run in another process than the API. Raises CliError."""
        from cli.connect import choose

        return bool(choose(self.config, self._flags).units)

    async def mapper(self) -> Mapper:
        """The resources of the server, by its discovery."""
        if self._mapper is None:
            client = await self.client()
            documents = await asyncio.gather(
                client.document("/api", accept=AGGREGATED), client.document("/apis", accept=AGGREGATED)
            )
            self._mapper = from_discovery(orjson.loads(document) for document in documents)
        return self._mapper

    def _warn(self, warning: str) -> None:
        """Print a warning of the server as it comes, which is before the result; each once, as kubectl does."""
        if warning not in self._told:
            self._told.add(warning)
            print(f"Warning: {warning}", file=sys.stderr, flush=True)

    async def close(self) -> None:
        for channel in (self._channel, self._units):
            if channel is not None:
                await channel.close()


def say(*parts: Any) -> None:
    """A line for the user on standard output, at once."""
    print(*parts, flush=True)
