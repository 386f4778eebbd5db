"""The nodes that are connected, and the channels that are open to them.

An agent keeps one stream for all of its nodes. Each request to a node is a channel on it: `Open` goes down, data comes
up until `Close` from either side. Whatever is under way when the stream breaks ends with an error; nothing is resumed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import orjson

from machinery.errors import ApiError, InternalError, ServiceUnavailable
from protos.pool import messages

_CHUNKS = 256
"""Chunks that may wait on one channel for a slow reader; then the channel is closed, not the whole stream held up."""


class _Channel:
    """One request to a node, from the asker's side."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[bytes | ApiError | None] = asyncio.Queue()

    def end(self, error: ApiError | None = None) -> None:
        self.chunks.put_nowait(error)


class Connection:
    """One agent's stream. `outgoing` holds what is to be sent to it; None ends it."""

    def __init__(self, nodes: Iterable[str]) -> None:
        self.nodes = tuple(nodes)
        self.outgoing: asyncio.Queue[Any] = asyncio.Queue()
        self._pb = messages("pilot.v1")
        self._channels: dict[int, _Channel] = {}
        self._numbers = itertools.count(1)

    async def request(self, node: str, method: str, params: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """See `api.NodeDialer.open`."""
        number, channel = next(self._numbers), _Channel()
        self._channels[number] = channel
        opening = self._pb.Open(node=node, method=method, params=orjson.dumps(params))
        self.outgoing.put_nowait(self._pb.ToNode(channel=number, open=opening))
        try:
            while (chunk := await channel.chunks.get()) is not None:
                if isinstance(chunk, ApiError):
                    raise chunk
                yield chunk
        finally:
            if self._channels.pop(number, None) is not None:
                self.outgoing.put_nowait(self._pb.ToNode(channel=number, close=self._pb.Close()))

    def receive(self, message: Any) -> None:
        """A message of the agent. One for a channel that is closed here already is dropped."""
        channel = self._channels.get(message.channel)
        if channel is None:
            return
        if message.WhichOneof("message") == "data":
            if channel.chunks.qsize() < _CHUNKS:
                channel.chunks.put_nowait(message.data)
                return
            del self._channels[message.channel]
            self.outgoing.put_nowait(self._pb.ToNode(channel=message.channel, close=self._pb.Close()))
            channel.end(InternalError("the reader of this stream does not keep up"))
            return
        del self._channels[message.channel]
        channel.end(_error(message.close))

    def finish(self) -> None:
        """The agent's side has ended: send what is queued and end ours."""
        self.outgoing.put_nowait(None)

    def broken(self) -> None:
        """The stream is gone."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.end(ServiceUnavailable("the connection to the node's agent broke"))


class TunnelHub:
    """Implements `api.NodeDialer`. A node that connects anew replaces its older connection."""

    def __init__(self) -> None:
        self._nodes: dict[str, Connection] = {}

    def join(self, connection: Connection) -> None:
        for node in connection.nodes:
            self._nodes[node] = connection

    def leave(self, connection: Connection) -> None:
        for node in connection.nodes:
            if self._nodes.get(node) is connection:
                del self._nodes[node]
        connection.broken()

    @property
    def connected(self) -> Iterable[str]:
        """The nodes that can be reached."""
        return tuple(self._nodes)

    def open(self, node: str, method: str, params: Mapping[str, Any]) -> AsyncIterator[bytes]:
        connection = self._nodes.get(node)
        if connection is None:
            raise ServiceUnavailable(
                f"no agent of node {node} is connected to this server", details={"retryAfterSeconds": 1}
            )
        return connection.request(node, method, params)


def _error(close: Any) -> ApiError | None:
    if not close.code:
        return None
    return ApiError(close.message, code=close.code, reason=close.reason or "InternalError")
