"""Who may begin while a client has too much to take."""

from __future__ import annotations

import asyncio

from machinery.rpc.http2 import connection as connection_module
from machinery.rpc.http2 import frames
from machinery.rpc.http2.turns import Turns
from tests.unit.machinery.rpc.http2.test_server import TEN, Raw, Served, head, message, pb, put_frames, served, window

__all__ = ["served"]


async def test_calls_begin_in_order_and_only_while_there_is_room() -> None:
    room = [0]
    begun: list[int] = []
    told: list[bool] = []

    async def call(number: int) -> None:
        await turns.mine()
        room[0] -= 1
        begun.append(number)

    turns = Turns(full=lambda: room[0] <= 0, begun=lambda: told.append(bool(turns)))
    calls = [asyncio.ensure_future(call(number)) for number in range(6)]
    await asyncio.sleep(0)
    assert (begun, bool(turns)) == ([], True)
    calls[1].cancel()  # gives its turn up
    room[0] = 2
    turns.admit()
    await asyncio.wait(calls[:3])
    await asyncio.sleep(0)
    assert (begun, bool(turns)) == ([0, 2], True)
    room[0] = 10
    turns.admit()
    await asyncio.gather(*calls[3:])
    assert (begun, bool(turns), told[-1]) == ([0, 2, 3, 4, 5], False, False)
    await turns.mine()  # at once


def large_put(stream: int) -> bytes:
    request = message(pb.PutRequest(key=b"k", value=bytes(16_000)).SerializeToString())
    fields = head(b"/etcdserverpb.KV/Put")
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, fields) + frames.frame(
        frames.DATA, frames.END_STREAM, stream, request
    )


async def test_requests_that_wait_are_bounded_by_the_window(served: Served) -> None:
    """Nobody takes the answers, so the requests are not taken either; who sends on regardless is left."""
    client = await Raw.connect(served.address, frames.PREFACE + frames.settings({4: 0}))
    count = connection_module.MAX_UNSENT // 16_000 + connection_module.CONNECTION_WINDOW // 16_000 + 100
    for number in range(count):
        client.write(large_put(2 * number + 1))
        if not number % 100:
            await client.writer.drain()
    _, _, payload = await client.until(frames.GOAWAY)
    assert int.from_bytes(payload[4:8], "big") == frames.Reason.FLOW_CONTROL_ERROR
    client.close()


async def test_calls_that_are_given_up_make_room_for_others(served: Served) -> None:
    client = await Raw.connect(served.address, frames.PREFACE + frames.settings({4: 0}))
    waiting = connection_module.MAX_UNSENT // 16_000 + connection_module.CONNECTION_WINDOW // 16_000 - 100
    for number in range(waiting):
        client.write(large_put(2 * number + 1))
    for number in range(waiting):
        client.write(frames.frame(frames.RST_STREAM, 0, 2 * number + 1, frames.number(8)))
    last = 2 * waiting + 1
    client.write(put_frames(last), window(last, 1000))
    async with asyncio.timeout(TEN):
        async for kind, flags, stream, _ in client.frames():
            if stream == last and kind == frames.HEADERS and flags & frames.END_STREAM:
                break
        else:
            raise AssertionError("no answer")
    client.close()
