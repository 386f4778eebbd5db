"""`--request-timeout`: the whole of a request, and what is said when it took longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cli.errors import CliError
from cli.limit import LimitedChannel
from machinery.rpc.api import Code, RpcError
from machinery.rpc.stub import Stub
from protos.pool import messages

OVER = "the server did not answer within --request-timeout=50ms: context deadline exceeded"


class Server:
    """A channel that waits before each reply, or fails with an error."""

    def __init__(self, wait: float = 0.0, error: RpcError | None = None) -> None:
        self.wait = wait
        self.error = error
        self.timeout: float | None = None
        self.ended = False

    async def unary(self, method: Any, request: Any, *, timeout: float | None, metadata: Any) -> Any:
        self.timeout = timeout
        await asyncio.sleep(self.wait)
        if self.error is not None:
            raise self.error
        return "reply"

    async def stream(self, method: Any, request: Any, *, metadata: Any) -> AsyncIterator[Any]:
        try:
            yield "first"
            await asyncio.sleep(self.wait)
            yield "second"
        finally:
            self.ended = True

    async def close(self) -> None:
        return None


def api(server: Server) -> Any:
    return Stub(LimitedChannel(server, 0.05), "pilot.v1.API")


PB = messages("pilot.v1")


async def test_a_request_in_time_is_answered_and_the_server_knows_the_limit() -> None:
    server = Server()
    assert await api(server).Get(PB.GetRequest()) == "reply"
    assert server.timeout == 0.05
    assert await api(server).Get(PB.GetRequest(), timeout=0.01) == "reply"
    assert server.timeout == 0.01


@pytest.mark.parametrize("server", [Server(wait=60.0), Server(error=RpcError(Code.DEADLINE_EXCEEDED, "Deadline"))])
async def test_a_request_that_takes_longer_says_whose_limit_it_was(server: Server) -> None:
    with pytest.raises(CliError) as over:
        await api(server).Get(PB.GetRequest())
    assert over.value.message == OVER


async def test_the_servers_own_errors_are_left_as_they_are() -> None:
    own = RpcError(Code.DEADLINE_EXCEEDED, "etcd", trailers={"kubernetes-status-bin": b"{}"})
    with pytest.raises(RpcError) as raised:
        await api(Server(error=own)).Get(PB.GetRequest())
    assert raised.value is own


async def test_a_watch_ends_and_other_streams_fail() -> None:
    watched = Server(wait=60.0)
    assert [reply async for reply in api(watched).Watch(PB.WatchRequest())] == ["first"]
    assert watched.ended
    followed = Server(wait=60.0)
    lines = api(followed).Logs(PB.LogsRequest())
    assert await anext(lines) == "first"
    with pytest.raises(CliError) as over:
        await anext(lines)
    assert over.value.message == OVER and followed.ended
    assert [reply async for reply in api(Server()).Logs(PB.LogsRequest())] == ["first", "second"]
