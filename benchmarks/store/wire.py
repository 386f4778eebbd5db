"""A gRPC client of frames and nothing else, for load: a call costs it a tenth of what it costs grpc.aio.

It takes everything at once (its windows are as large as they can be), and knows no errors but those that end the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from machinery.rpc.http2 import frames
from machinery.rpc.http2.hpack import Decoder, literal

_WINDOW_GIVEN_AT = 1 << 28


class Wire(asyncio.Protocol):
    """One connection. `call` answers with the reply's bytes; `stream` hands every message of a stream to a function."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._input = b""
        self._decoder = Decoder()
        self._next = 1
        self._replies: dict[int, Callable[[bytes], None]] = {}
        self._bodies: dict[int, bytes] = {}
        self._streams: dict[int, Callable[[bytes], None]] = {}
        self._received = 0
        self._output: list[bytes] = []
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def connect(cls, address: str) -> Wire:
        host, _, port = address.rpartition(":")
        _, wire = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        await wire._ready
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(
            frames.PREFACE
            + frames.settings(
                {frames.SETTINGS_INITIAL_WINDOW_SIZE: frames.MAX_WINDOW, frames.SETTINGS_MAX_FRAME_SIZE: 1 << 20}
            )
            + frames.frame(frames.WINDOW_UPDATE, 0, 0, frames.number(frames.MAX_WINDOW - frames.DEFAULT_WINDOW))
        )

    def connection_lost(self, error: Exception | None) -> None:
        if self._replies:
            raise RuntimeError(f"the server left {len(self._replies)} calls") from error

    def close(self) -> None:
        self._replies.clear()
        self._transport.close()

    def call(self, path: bytes, request: bytes, done: Callable[[bytes], None]) -> None:
        """One unary call; `done` gets the reply."""
        stream = self._begin(path, request, frames.END_STREAM)
        self._replies[stream] = done

    def ask(self, path: bytes, request: bytes) -> asyncio.Future[bytes]:
        """The same, to await."""
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.call(path, request, reply.set_result)
        return reply

    def stream(self, path: bytes, requests: list[bytes], heard: Callable[[bytes], None]) -> None:
        """A call both ways that stays open; `heard` gets the payload of each of its DATA frames."""
        stream = self._begin(path, requests[0], 0)
        self._streams[stream] = heard
        for request in requests[1:]:
            self._write(frames.frame(frames.DATA, 0, stream, b"\0" + frames.number(len(request)) + request))

    def _begin(self, path: bytes, request: bytes, flags: int) -> int:
        stream, self._next = self._next, self._next + 2
        head = _head(path)
        size = len(request) + 5
        self._write(
            b"".join(
                (
                    frames.HEADER.pack(len(head) << 8 | frames.HEADERS, frames.END_HEADERS, stream),
                    head,
                    frames.HEADER.pack(size << 8, flags, stream),
                    b"\0",
                    frames.number(size - 5),
                    request,
                )
            )
        )
        return stream

    def _write(self, data: bytes) -> None:
        if not self._output:
            asyncio.get_running_loop().call_soon(self._flush)
        self._output.append(data)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._output))
        self._output.clear()

    def data_received(self, data: bytes) -> None:
        data = self._input + data
        at, end = 0, len(data)
        while end - at >= 9:
            word, flags, stream = frames.HEADER.unpack_from(data, at)
            stop = at + 9 + (word >> 8)
            if stop > end:
                break
            self._frame(word & 0xFF, flags, stream, data[at + 9 : stop])
            at = stop
        self._input = data[at:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == frames.DATA:
            self._received += len(payload)
            if self._received > _WINDOW_GIVEN_AT:
                self._write(frames.frame(frames.WINDOW_UPDATE, 0, 0, frames.number(self._received)))
                self._received = 0
            heard = self._streams.get(stream)
            if heard is not None:
                heard(payload)
            else:
                self._bodies[stream] = self._bodies.get(stream, b"") + payload
        elif kind == frames.HEADERS:
            fields = dict(self._decoder.decode(payload))
            if flags & frames.END_STREAM:
                if fields.get(b"grpc-status") != b"0":
                    raise RuntimeError(f"a call failed: {fields}")
                self._replies.pop(stream)(self._bodies.pop(stream)[5:])
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self._write(frames.frame(frames.SETTINGS, frames.ACK, 0))
            if not self._ready.done():
                self._ready.set_result(None)
        elif kind == frames.PING and not flags & frames.ACK:
            self._write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif kind == frames.GOAWAY:
            raise RuntimeError(f"the server turned us away: {payload!r}")


def _head(path: bytes) -> bytes:
    fields = ((b":path", path), (b":authority", b"store"), (b"content-type", b"application/grpc"), (b"te", b"trailers"))
    return b"\x83\x86" + b"".join(literal(name, value) for name, value in fields)
