"""What clients that do not read cost, over a socket, and what is left of it when they are gone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import ChildSpec, System, SystemClock
from etcdlite.app import EtcdLite
from machinery.rpc.http2 import connection as connection_module
from machinery.rpc.http2 import frames
from machinery.rpc.http2.connection import Connection
from machinery.rpc.http2.exchange import Exchange
from machinery.rpc.server import GrpcServer
from tests.support.etcd import EtcdClient, pb
from tests.support.memory import held, traced
from tests.unit.etcdlite.test_app import running, until
from tests.unit.machinery.rpc.http2.test_server import Raw, head, message, window

MB = 1_000_000
STREAMS = 20
SIZE = 200_000


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[EtcdClient, EtcdLite, str]]:
    async with running() as (store, app):
        addresses: list[str] = []
        spec = ChildSpec("server", lambda: GrpcServer(app.services(), ["127.0.0.1:0"], bound=addresses.extend))
        async with System(spec, clock=SystemClock()):
            yield store, app, addresses[0]


def served() -> int:
    """Connections and calls that are in memory."""
    return sum(type(each) in (Connection, Exchange) for each in gc.get_objects())


def watch_frames(stream: int) -> bytes:
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"big"))
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, head(b"/etcdserverpb.Watch/Watch")) + frames.frame(
        frames.DATA, 0, stream, message(create.SerializeToString())
    )


@pytest.mark.parametrize("settings", [{}, {frames.SETTINGS_INITIAL_WINDOW_SIZE: 100}], ids=["connection", "stream"])
async def test_what_a_dead_client_held_is_free_at_once(settings: dict[int, int]) -> None:
    """Not when the garbage collector next looks at everything, which it seldom does for a few large things."""
    async with serving() as (store, app, address):
        await store.put(b"big", bytes(SIZE))
        with traced():
            before = held()
            client: Any = await Raw.connect(address, frames.PREFACE + frames.settings(settings))
            for number in range(STREAMS):
                client.write(watch_frames(2 * number + 1))
            streams = app._parts.watches
            await until(lambda: len(streams) == STREAMS and all(stream.load[0] for stream in streams))
            await store.put(b"big", bytes(SIZE))
            await until(lambda: held() - before > STREAMS * SIZE)
            assert held() - before < 1.5 * STREAMS * SIZE + MB, "each holds it once"
            await store.put(b"big", bytes(SIZE))
            assert served() == STREAMS + 1
            client.close()
            await until(lambda: not streams and not served())
            del client
            await until(lambda: held() - before < 2 * SIZE + MB)


def range_frames(stream: int) -> bytes:
    request = pb.RangeRequest(key=b"big").SerializeToString()
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, head(b"/etcdserverpb.KV/Range")) + frames.frame(
        frames.DATA, frames.END_STREAM, stream, message(request)
    )


@pytest.mark.parametrize("size", [0, 2**31 - 1], ids=["window", "kernel"])
async def test_who_does_not_read_answers_gets_no_more_of_them(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Whether it is its windows that are full or its kernel's buffers; and it gets all of them when it reads."""
    monkeypatch.setattr(connection_module, "MAX_UNSENT", 10 * MB)
    calls = 100
    async with serving() as (store, _, address):
        await store.put(b"big", bytes(MB))
        with traced():
            before = held()
            settings = {frames.SETTINGS_INITIAL_WINDOW_SIZE: size, frames.SETTINGS_MAX_FRAME_SIZE: 2**24 - 1}
            client = await Raw.connect(address, frames.PREFACE + frames.settings(settings))
            client.write(window(0, 2**31 - 2**16 if size else MB))
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.write(*(range_frames(2 * number + 1) for number in range(calls)))
            await until(lambda: held() - before > 10 * MB)
            await store.put(b"other", b"")  # the others go on
            for _ in range(100):
                await store.get(b"other")
            assert held() - before < 15 * MB
            if not size:
                client.write(window(0, 2**30), frames.settings({frames.SETTINGS_INITIAL_WINDOW_SIZE: 2**30}))
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            ended = received = 0
            async with asyncio.timeout(30):
                async for kind, flags, _, payload in client.frames():
                    received += len(payload) if kind == frames.DATA else 0
                    ended += bool(kind == frames.HEADERS and flags & frames.END_STREAM)
                    if ended == calls:
                        break
            assert received > calls * MB
            client.close()
