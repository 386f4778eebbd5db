"""The agent's end of the tunnel: one stream to the apiserver, dialled out, on which users' questions come back.

Each question is a channel with a background task of its own; all answers share one bounded queue, so a reader that is
slow slows the answers down and fills no memory. When the stream breaks, every channel ends and the agent dials again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from actors import Actor
from machinery.rpc import Channel, RpcError, Stub
from nodeagent.errors import LogError
from nodeagent.tunnel.logs import Logs
from protos.pool import messages

FIRST_RETRY, LAST_RETRY = 0.2, 10.0
QUEUE = 64
"""Pieces of answers that may wait to be sent."""

_REASONS = {400: "BadRequest", 404: "NotFound", 500: "InternalError", 501: "NotImplemented"}


class TunnelClient(Actor):
    """Keeps the stream up. Takes no messages."""

    def __init__(self, channel: Channel, nodes: Sequence[str], logs: Logs) -> None:
        self._stub = Stub(channel, "pilot.v1.Tunnel")
        self._nodes = nodes
        self._logs = logs
        self._m = messages("pilot.v1")
        self._channels: dict[int, asyncio.Task[Any]] = {}

    async def setup(self) -> None:
        self.spawn(self._keep_connected(), name="connect")

    async def _keep_connected(self) -> None:
        delay = FIRST_RETRY
        while True:
            began = self.clock.monotonic()
            try:
                await self._connect()
                self.log.info("tunnel closed by the apiserver")
            except RpcError as error:
                self.log.info("tunnel down error=%s", error)
            for task in self._channels.values():
                task.cancel()
            self._channels.clear()
            if self.clock.monotonic() - began > LAST_RETRY:
                delay = FIRST_RETRY
            await self.clock.sleep(delay)
            delay = min(2 * delay, LAST_RETRY)

    async def _connect(self) -> None:
        outgoing: asyncio.Queue[Any] = asyncio.Queue(QUEUE)
        hello = self._m.Hello(node_names=list(self._nodes))
        outgoing.put_nowait(self._m.FromNode(channel=0, hello=hello))
        replies = self._stub.Connect(_drain(outgoing))
        async with contextlib.aclosing(replies):
            async for message in replies:
                match message.WhichOneof("message"):
                    case "open":
                        task = self.spawn(
                            self._serve(message.channel, message.open, outgoing), name=f"channel {message.channel}"
                        )
                        self._channels[message.channel] = task
                    case "close":
                        if (closed := self._channels.pop(message.channel, None)) is not None:
                            closed.cancel()

    async def _serve(self, channel: int, opened: Any, outgoing: asyncio.Queue[Any]) -> None:
        """Answer one question, and say how it ended."""
        close = self._m.Close()
        try:
            if opened.method != "logs":
                raise LogError(501, f"the node agent does not serve {opened.method}")
            async with contextlib.aclosing(self._logs.read(opened.node, orjson.loads(opened.params))) as pieces:
                async for piece in pieces:
                    await outgoing.put(self._m.FromNode(channel=channel, data=piece))
        except LogError as error:
            close = self._close(error.code, str(error))
        except ValueError as error:
            close = self._close(400, str(error))
        except OSError as error:
            close = self._close(500, f"failed to read the log: {error}")
        await outgoing.put(self._m.FromNode(channel=channel, close=close))
        self._channels.pop(channel, None)

    def _close(self, code: int, message: str) -> Any:
        return self._m.Close(code=code, reason=_REASONS.get(code, "InternalError"), message=message)


async def _drain(outgoing: asyncio.Queue[Any]) -> AsyncIterator[Any]:
    while True:
        yield await outgoing.get()
