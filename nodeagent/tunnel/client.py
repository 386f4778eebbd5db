"""The agent's end of the tunnel: one stream to the apiserver, dialled out, on which users' questions come back.

Each question is a channel with a background task of its own; all answers share one bounded queue, so a reader that is
slow slows the answers down and fills no memory. When the stream breaks, every channel ends and the agent dials again.
When the agent's certificate was renewed, a second stream is dialled with it; the first one ends with its last answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from actors import Actor
from machinery.rpc import Channel, RpcError, Stub
from machinery.rpc.renewing import LOOK_SECONDS
from nodeagent.errors import LogError
from nodeagent.tunnel.logs import Logs
from protos.pool import messages

FIRST_RETRY, LAST_RETRY = 0.2, 10.0
QUEUE = 64
"""Pieces of answers that may wait to be sent."""
LINGER_SECONDS = 5.0
"""How long a stream that was replaced is kept for what the apiserver had sent on it by then."""

_REASONS = {400: "BadRequest", 404: "NotFound", 500: "InternalError", 501: "NotImplemented"}


@dataclass(frozen=True, slots=True)
class CertificateRenewed:
    """The agent has a new client certificate: the stream should be one that showed it."""


class _Line:
    """A succession of streams, each dialled when the one before it broke, and the questions on the present one."""

    def __init__(self, before: _Line | None = None) -> None:
        self.before = before
        """What this one replaces, once it is known to the apiserver."""
        self.retired = False
        self.outgoing: asyncio.Queue[Any] = asyncio.Queue(QUEUE)
        self.channels: dict[int, asyncio.Task[Any]] = {}

    def hang_up(self) -> None:
        for task in self.channels.values():
            task.cancel()
        self.channels.clear()


class TunnelClient(Actor):
    """Keeps the stream up. Takes CertificateRenewed."""

    def __init__(self, channel: Channel, nodes: Sequence[str], logs: Logs) -> None:
        self._stub = Stub(channel, "pilot.v1.Tunnel")
        self._nodes = nodes
        self._logs = logs
        self._m = messages("pilot.v1")
        self._line = _Line()

    async def setup(self) -> None:
        self.spawn(self._keep_connected(self._line), name="connect")

    async def handle(self, message: CertificateRenewed) -> None:
        self._line = _Line(before=self._line)
        self.spawn(self._keep_connected(self._line, after=LOOK_SECONDS), name="connect")

    async def _keep_connected(self, line: _Line, *, after: float = 0.0) -> None:
        if after:
            await self.clock.sleep(after)
        delay = FIRST_RETRY
        while True:
            began = self.clock.monotonic()
            try:
                await self._connect(line)
                self.log.info("tunnel closed")
            except RpcError as error:
                self.log.info("tunnel down error=%s", error)
            line.hang_up()
            if line.retired:
                return
            if self.clock.monotonic() - began > LAST_RETRY:
                delay = FIRST_RETRY
            await self.clock.sleep(delay)
            delay = min(2 * delay, LAST_RETRY)

    async def _connect(self, line: _Line) -> None:
        outgoing: asyncio.Queue[Any] = asyncio.Queue(QUEUE)
        line.outgoing = outgoing
        hello = self._m.Hello(node_names=list(self._nodes))
        outgoing.put_nowait(self._m.FromNode(channel=0, hello=hello))
        replies = self._stub.Connect(_drain(outgoing))
        async with contextlib.aclosing(replies):
            async for message in replies:
                match message.WhichOneof("message"):
                    case "open":
                        task = self.spawn(
                            self._serve(message.channel, message.open, line), name=f"channel {message.channel}"
                        )
                        line.channels[message.channel] = task
                    case "close":
                        if (closed := line.channels.pop(message.channel, None)) is not None:
                            closed.cancel()
                            self._end_if_idle(line)
                    case None if line.before is not None:  # the apiserver knows this stream: nothing new on the old one
                        self.spawn(self._retire(line.before), name="retire")
                        line.before = None

    async def _retire(self, line: _Line) -> None:
        """Let a line end when its last question is answered, those that are on their way included."""
        await self.clock.sleep(LINGER_SECONDS)
        line.retired = True
        self._end_if_idle(line)

    def _end_if_idle(self, line: _Line) -> None:
        if line.retired and not line.channels:
            self.spawn(line.outgoing.put(None), name="end")

    async def _serve(self, channel: int, opened: Any, line: _Line) -> None:
        """Answer one question, and say how it ended."""
        outgoing = line.outgoing
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
        line.channels.pop(channel, None)
        self._end_if_idle(line)

    def _close(self, code: int, message: str) -> Any:
        return self._m.Close(code=code, reason=_REASONS.get(code, "InternalError"), message=message)


async def _drain(outgoing: asyncio.Queue[Any]) -> AsyncIterator[Any]:
    while (message := await outgoing.get()) is not None:
        yield message
