"""pilot.v1.Tunnel: where node agents connect.

An identity may speak for the node that it is named after (`system:node:NAME`); for others it needs the right to
`connect` to `nodes/tunnel` of that name. An agent that carries many nodes has such a right, or many streams.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from actors import Actor, ChildSpec, DynamicSupervisor, Restart
from apiserver.auth.api import Attributes, Authorizer
from apiserver.grpc.errors import rpc_error
from apiserver.grpc.identity import Identify
from apiserver.tunnel.hub import Connection, TunnelHub
from apiserver.verbs.context import UserInfo
from machinery.errors import ApiError, Forbidden
from machinery.rpc.api import Call, Code, RpcError
from protos.pool import messages

_NODE_USER = "system:node:"
_NODE_GROUP = "system:nodes"


class Receiver(Actor):
    """Reads one agent's stream, for as long as it lasts."""

    def __init__(self, requests: AsyncIterator[Any], connection: Connection) -> None:
        self._requests = requests
        self._connection = connection

    async def setup(self) -> None:
        self.spawn(self._receive(), name="receive")

    async def _receive(self) -> None:
        try:
            async for message in self._requests:
                self._connection.receive(message)
        except RpcError as error:
            self.log.info("tunnel broke nodes=%d error=%s", len(self._connection.nodes), error)
        self._connection.finish()
        self.finish()


class TunnelService:
    """streams: what the receivers run under; raises RpcError UNAVAILABLE while the server does not run."""

    def __init__(
        self, hub: TunnelHub, identify: Identify, authorizer: Authorizer, streams: Callable[[], DynamicSupervisor]
    ) -> None:
        self._hub = hub
        self._identify = identify
        self._authorizer = authorizer
        self._streams = streams
        self._numbers = itertools.count(1)

    async def Connect(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        """Serve one agent until either side ends the stream."""
        try:
            user = await self._identify(call)
            incoming = aiter(requests)
            hello = await anext(incoming, None)
            if hello is None or hello.WhichOneof("message") != "hello" or not hello.hello.node_names:
                raise RpcError(Code.INVALID_ARGUMENT, "the first message must be a hello that names nodes")
            self._check(user, hello.hello.node_names)
        except ApiError as error:
            raise rpc_error(error) from None
        streams = self._streams()
        connection = Connection(hello.hello.node_names)
        name = f"{next(self._numbers)}-{connection.nodes[0]}"
        child = ChildSpec(name, lambda: Receiver(incoming, connection), restart=Restart.TEMPORARY)
        await streams.start_child(child)
        self._hub.join(connection)
        try:
            yield messages("pilot.v1").ToNode()  # an empty one: from here on requests come on this stream
            while (message := await connection.outgoing.get()) is not None:
                yield message
        finally:
            self._hub.leave(connection)
            await streams.stop_child(name)

    def _check(self, user: UserInfo, nodes: Sequence[str]) -> None:
        for node in nodes:
            if _NODE_GROUP in user.groups and user.name == _NODE_USER + node:
                continue
            attributes = Attributes(
                user=user, verb="connect", version="v1", resource="nodes", subresource="tunnel", name=node
            )
            if not self._authorizer.authorize(attributes).allowed:
                raise Forbidden(f'User "{user.name}" may not speak for the node "{node}"')
