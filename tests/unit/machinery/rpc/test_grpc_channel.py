"""What a channel over a socket leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import ChildSpec, System, SystemClock
from machinery.rpc import Code, RpcError, Stub
from machinery.rpc.api import Call
from machinery.rpc.grpc_channel import GrpcChannel
from machinery.rpc.server import GrpcServer
from protos.pool import messages

pb = messages("etcdserverpb")


class Ending:
    """A watch that ends after its first answer."""

    async def Watch(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        async for _ in requests:
            yield pb.WatchResponse(created=True)
            raise RpcError(Code.UNAVAILABLE, "that was all")


async def test_who_makes_the_requests_of_a_stream_is_told_that_it_ended() -> None:
    bound: list[str] = []
    told = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        try:
            yield pb.WatchRequest()
            await asyncio.Event().wait()
        finally:
            told.set()

    server = ChildSpec(
        "server", lambda: GrpcServer({"etcdserverpb.Watch": Ending()}, ["127.0.0.1:0"], bound=bound.extend)
    )
    async with System(server, clock=SystemClock()):
        channel = GrpcChannel(bound[0])
        replies = Stub(channel, "etcdserverpb.Watch").Watch(requests())
        with pytest.raises(RpcError, match="that was all"):
            [reply async for reply in replies]
        await asyncio.wait_for(told.wait(), 10)
        await channel.close()
