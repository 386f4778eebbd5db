"""One connection of a client: its frames into calls, the calls' answers into frames.

Everything happens in the event loop, in the order of the frames. What one turn of the loop has to say goes out in one
write. While the client does not take what was written, nothing more is read from it. While more than MAX_UNSENT of
answers wait for it, be it for its windows or its kernel, no further call begins, and of the requests of those that wait
no more is taken than CONNECTION_WINDOW: a client that asks and never listens stops itself, and nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from machinery.rpc.api import Code, Peer, RpcError
from machinery.rpc.http2 import frames
from machinery.rpc.http2.exchange import WINDOW, Exchange, plain_status, refusal
from machinery.rpc.http2.frames import ConnectionFault, Reason
from machinery.rpc.http2.head import Handler, Head, Malformed, NotGrpc, address_of, parse, peer_of
from machinery.rpc.http2.hpack import MAX_FIELDS_BYTES, Decoder, Field, FieldsTooLarge, HpackError
from machinery.rpc.http2.turns import Turns

log = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]

CONNECTION_WINDOW = 16 * 1024 * 1024
"""Bytes that a peer may send on all calls together before we look at them."""
UNFLUSHED = 256 * 1024
"""Bytes at which what is to be written does not wait for the turn's end."""
HIGH_WATER = 1024 * 1024
"""Bytes not taken by the peer's kernel at which we pause."""
MAX_UNSENT = 64 * 1024 * 1024
"""Bytes of answers that wait for the client, at which its further calls wait too."""
MAX_CALLS = 65_536
"""Calls at once. gRPC's clients keep what is beyond to themselves until others ended, for ever where those are watches;
etcd sets no limit, so this one is where only a client that means harm gets to."""
_REMEMBERED = 256
"""Header blocks whose meaning is kept, for one state of the compression's table."""
_STREAM = 0x7FFFFFFF


class Connection(asyncio.Protocol):
    """Serves one client.

    handlers: path -> RPC. start: runs a call as a task. lost: told when the connection is no more.
    peer_window, max_frame: what the client takes on a new call, and in one frame. window: what it takes on all calls.
    foreign: makes the protocol that serves a client which speaks another one than HTTP/2; such a client's connection is
    closed when there is none. closed: it is no more. blocked: the calls that wait for `window`. waiting: those whose
    service waits for room. unsent: bytes of answers that wait for windows.
    turns: for calls, while that is much.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        start: Start,
        lost: Callable[[Connection], None],
        *,
        max_message: int,
        foreign: Callable[[], asyncio.Protocol] | None = None,
    ) -> None:
        self._handlers = handlers
        self._start = start
        self._lost = lost
        self._foreign = foreign
        self._guest: asyncio.Protocol | None = None
        self.max_message = max_message
        self.peer_window = self.window = frames.DEFAULT_WINDOW
        self.max_frame = frames.MAX_FRAME
        self.exchanges: dict[int, Exchange] = {}
        self.blocked: dict[Exchange, None] = {}
        self.waiting: set[Exchange] = set()
        self.unsent = 0
        self.turns = Turns(full=self._full, begun=self._replenish)
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()
        self._peer: Peer | None = None
        self._address = ""
        self._input = b""
        self._greeted = False
        self._last = 0
        self._received = 0
        self._decoder = Decoder()
        self._heads: dict[bytes, Head] = {}
        self._heads_version = 0
        self._block: tuple[int, int, bytearray] | None = None
        self._output: list[bytes | memoryview] = []
        self._unflushed = 0
        self._flushing = False
        self._paused = False
        self._leaving = False
        self.closed = False

    # ---- the transport ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._peer = peer_of(transport.get_extra_info("peercert"))
        self._address = address_of(transport.get_extra_info("peername"))
        raw = transport.get_extra_info("socket")
        if raw is not None:
            if raw.family in (socket.AF_INET, socket.AF_INET6):
                # asyncio does this only for sockets that name their protocol, which accepted ones do not: without it a
                # second answer waits up to 40 ms for the client to acknowledge the first.
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a client that vanished is noticed at last
        if self._foreign is None:
            self._greet()
        if self._input:
            self.data_received(b"")  # a peer that goes on right after the handshake

    def _greet(self) -> None:
        """Say how we speak. Where there are other protocols, not before the client began with this one."""
        self.write(
            frames.settings(
                {
                    frames.SETTINGS_MAX_CONCURRENT_STREAMS: MAX_CALLS,
                    frames.SETTINGS_INITIAL_WINDOW_SIZE: WINDOW,
                    frames.SETTINGS_MAX_HEADER_LIST_SIZE: MAX_FIELDS_BYTES,
                }
            ),
            _window(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW),
        )

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._guest is not None:
            self._guest.connection_lost(error)
        self._output.clear()
        for exchange in tuple(self.exchanges.values()):
            self._drop(exchange, Code.CANCELLED, "the client is gone")
        self.turns.close()
        self._lost(self)

    def eof_received(self) -> bool | None:
        return None if self._guest is None else self._guest.eof_received()

    def pause_writing(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if not self.closed:
            self._transport.resume_reading()
        for exchange in tuple(self.waiting):
            exchange.room()
        self.turns.admit()

    @property
    def congested(self) -> bool:
        """True while the client's kernel takes no more."""
        return self._paused

    def waits(self, more: int) -> None:
        """So many more bytes wait for the client's windows; fewer, where it is negative."""
        self.unsent += more
        if more < 0 and self.turns:
            self.turns.admit()

    def _full(self) -> bool:
        buffered = self._transport.get_write_buffer_size() if self._paused else 0
        return bool(self.unsent + buffered > MAX_UNSENT)

    def write(self, *parts: bytes | memoryview) -> None:
        """Send, with everything else of this turn of the loop."""
        if self.closed:
            return
        self._output += parts
        for part in parts:
            self._unflushed += len(part)
        if self._unflushed > UNFLUSHED:
            self._flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self) -> None:
        if self._output and not self.closed:
            joined = b"".join(self._output)
            self._output.clear()
            self._unflushed = 0
            self._transport.write(joined)

    # ---- its end ----------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Tell the client to make new calls elsewhere. Calls in flight go on."""
        if not self._leaving and self._guest is None:
            self._leaving = True
            self._say_goodbye(Reason.NO_ERROR, b"")

    def close(self) -> None:
        """Close, after what was written is sent."""
        if not self.closed and self._transport is not None:
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever waits to be sent."""
        if not self.closed and self._transport is not None:
            self._transport.abort()

    def _fault(self, reason: Reason, text: str) -> None:
        log.info("connection ended address=%s reason=%s text=%s", self._address, reason.name, text)
        self._say_goodbye(reason, text.encode())
        self.close()

    def _say_goodbye(self, reason: Reason, text: bytes) -> None:
        self.write(frames.frame(frames.GOAWAY, 0, 0, frames.number(self._last) + frames.number(reason) + text))

    # ---- frames in --------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._guest is not None:
            self._guest.data_received(data)
            return
        data = self._input + data if self._input else data
        if self._transport is None:
            self._input = data
            return
        try:
            self._read(data)
        except ConnectionFault as fault:
            self._input = b""
            self._fault(fault.reason, fault.text)

    def _read(self, data: bytes) -> None:
        at, end = 0, len(data)
        if not self._greeted:
            if data[: len(frames.PREFACE)] != frames.PREFACE[:end]:
                self._hand_over(data)
                return
            if end < len(frames.PREFACE):
                self._input = data
                return
            self._greeted = True
            if self._foreign is not None:
                self._greet()
            at = len(frames.PREFACE)
        unpack = frames.HEADER.unpack_from
        while end - at >= frames.HEADER_BYTES and not self._transport.is_closing():
            word, flags, stream = unpack(data, at)
            length = word >> 8
            if length > frames.MAX_FRAME:
                raise ConnectionFault(Reason.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = at + frames.HEADER_BYTES
            if start + length > end:
                break
            at = start + length
            kind, stream = word & 0xFF, stream & _STREAM
            if self._block is not None and (kind != frames.CONTINUATION or stream != self._block[0]):
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "a header block that is not continued")
            payload = data[start:at]
            if kind == frames.DATA:
                self._data(flags, stream, payload)
            elif kind == frames.HEADERS:
                self._headers(flags, stream, payload)
            else:
                self._other(kind, flags, stream, payload)
        self._input = data[at:]

    def _hand_over(self, data: bytes) -> None:
        """The client speaks another protocol."""
        if self._foreign is None:
            self.close()
            return
        self._input = b""
        self._guest = self._foreign()
        self._guest.connection_made(self._transport)
        self._guest.data_received(data)

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        self._received += size
        _expect(self._received <= CONNECTION_WINDOW, Reason.FLOW_CONTROL_ERROR, "more than the connection's window")
        self._replenish()
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        exchange = self.exchanges.get(stream)
        if exchange is None:
            self._check_known(stream)
            return
        if exchange.ended:
            self._reset(exchange, Reason.STREAM_CLOSED)
            return
        exchange.feed(payload, size)
        if exchange.overrun:
            self._reset(exchange, Reason.FLOW_CONTROL_ERROR)
        elif flags & frames.END_STREAM:
            self._ended(exchange)

    def _replenish(self) -> None:
        """The client may send more. While calls wait for their turn their requests are not taken, so it may not."""
        if self._received > CONNECTION_WINDOW // 2 and not self.turns and not self.closed:
            self.write(_window(0, self._received))
            self._received = 0

    def _ended(self, exchange: Exchange) -> None:
        exchange.end()
        if exchange.id in self.exchanges and exchange.task is None:
            self._run(exchange)

    def _run(self, exchange: Exchange) -> None:
        exchange.task = self._start(exchange.serve(), exchange.handler.method.path)

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        if flags & frames.HAS_PRIORITY:
            payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._head(flags, stream, payload)
        else:
            self._block = (stream, flags, bytearray(payload))

    def _continuation(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, "CONTINUATION of nothing")
        stream, first, block = self._block
        block += payload
        if len(block) > MAX_FIELDS_BYTES:
            raise ConnectionFault(Reason.ENHANCE_YOUR_CALM, "a header block too large")
        if flags & frames.END_HEADERS:
            self._block = None
            self._head(first, stream, bytes(block))

    def _head(self, flags: int, stream: int, block: bytes) -> None:
        """A whole header block: a new call, or the end of a request."""
        if not stream & 1:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"HEADERS on stream {stream}")
        if stream <= self._last:
            self._trailers(flags, stream, block)
            return
        self._last = stream
        try:
            head = self._meaning(block)
        except NotGrpc as other:
            self.write(plain_status(stream, other.status))
        except Malformed:
            self.write(_reset(stream, Reason.PROTOCOL_ERROR))
        except FieldsTooLarge as error:
            self.write(refusal(stream, RpcError(Code.RESOURCE_EXHAUSTED, str(error))))
        else:
            if self._leaving or len(self.exchanges) >= MAX_CALLS:
                self.write(_reset(stream, Reason.REFUSED_STREAM))
            elif head.handler is None:
                self.write(refusal(stream, head.refusal or RpcError(Code.UNIMPLEMENTED, "")))
            else:
                self._begin(flags, stream, head, head.handler)

    def _begin(self, flags: int, stream: int, head: Head, handler: Handler) -> None:
        exchange = Exchange(self, stream, head, handler)
        self.exchanges[stream] = exchange
        if flags & frames.END_STREAM:
            self._ended(exchange)
        elif handler.method.client_streaming:
            self._run(exchange)

    def _meaning(self, block: bytes) -> Head:
        """What a request's header block says. A client's calls mostly begin with the same few bytes."""
        version = self._decoder.version
        if version != self._heads_version or len(self._heads) > _REMEMBERED:
            self._heads.clear()
            self._heads_version = version
        head = self._heads.get(block)
        if head is None:
            head = parse(self._decode(block), self._handlers, peer=self._peer, address=self._address)
            if self._decoder.version == version:
                self._heads[block] = head
        return head

    def _decode(self, block: bytes) -> list[Field]:
        try:
            return self._decoder.decode(block)
        except HpackError as error:
            raise ConnectionFault(Reason.COMPRESSION_ERROR, str(error)) from None

    def _trailers(self, flags: int, stream: int, block: bytes) -> None:
        with contextlib.suppress(FieldsTooLarge):
            self._decode(block)  # also of a call that has ended here: the table must follow
        exchange = self.exchanges.get(stream)
        if exchange is None:
            return
        if flags & frames.END_STREAM and not exchange.ended:
            self._ended(exchange)
        else:
            self._reset(exchange, Reason.PROTOCOL_ERROR)

    def _other(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        match kind:
            case frames.WINDOW_UPDATE:
                self._window_update(stream, payload)
            case frames.PING:
                _expect(len(payload) == 8, Reason.FRAME_SIZE_ERROR, "PING of a wrong size")
                if not flags & frames.ACK:
                    self.write(frames.frame(frames.PING, frames.ACK, 0, payload))
            case frames.SETTINGS:
                if not flags & frames.ACK:
                    self._settings(payload)
            case frames.RST_STREAM:
                _expect(len(payload) == 4, Reason.FRAME_SIZE_ERROR, "RST_STREAM of a wrong size")
                exchange = self.exchanges.get(stream)
                if exchange is not None:
                    self._drop(exchange, Code.CANCELLED, "the client cancelled the call")
                else:
                    self._check_known(stream)
            case frames.CONTINUATION:
                self._continuation(flags, payload)
            case frames.PUSH_PROMISE:
                raise ConnectionFault(Reason.PROTOCOL_ERROR, "a client that pushes")
            case _:
                pass  # priorities, the client's farewell, and what is not defined yet

    def _settings(self, payload: bytes) -> None:
        for name, value in frames.parse_settings(payload):
            if name == frames.SETTINGS_INITIAL_WINDOW_SIZE:
                _expect(value <= frames.MAX_WINDOW, Reason.FLOW_CONTROL_ERROR, "a window too large")
                difference, self.peer_window = value - self.peer_window, value
                for exchange in tuple(self.exchanges.values()):
                    exchange.window += difference
                    exchange.pump()
            elif name == frames.SETTINGS_MAX_FRAME_SIZE:
                _expect(value >= frames.MAX_FRAME, Reason.PROTOCOL_ERROR, "a frame size too small")
                self.max_frame = value
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _window_update(self, stream: int, payload: bytes) -> None:
        _expect(len(payload) == 4, Reason.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size")
        more = int.from_bytes(payload, "big") & _STREAM
        if not stream:
            self.window += more
            _expect(more > 0 and self.window <= frames.MAX_WINDOW, Reason.FLOW_CONTROL_ERROR, "a wrong window")
            blocked, self.blocked = self.blocked, {}
            for exchange in blocked:
                exchange.pump()
            return
        found = self.exchanges.get(stream)
        if found is None:
            self._check_known(stream)
            return
        found.window += more
        if not more or found.window > frames.MAX_WINDOW:
            self._reset(found, Reason.FLOW_CONTROL_ERROR)
        else:
            found.pump()

    def _check_known(self, stream: int) -> None:
        """A frame for a call that has ended here is late; for one that never began it is wrong."""
        if not stream or stream > self._last:
            raise ConnectionFault(Reason.PROTOCOL_ERROR, f"a frame on stream {stream}, which is not open")

    # ---- calls end --------------------------------------------------------------------------------------------

    def answered(self, exchange: Exchange) -> None:
        """The answer of a call was written, its end too."""
        self.exchanges.pop(exchange.id, None)
        self.blocked.pop(exchange, None)
        if not exchange.ended:
            self.write(_reset(exchange.id, Reason.NO_ERROR))  # what it still has to say interests nobody

    def refused(self, exchange: Exchange) -> None:
        """The request cannot be read; the call, if it has not begun, begins only to say so."""
        if exchange.task is None:
            self._run(exchange)

    def _reset(self, exchange: Exchange, reason: Reason) -> None:
        self.write(_reset(exchange.id, reason))
        self._drop(exchange, Code.INTERNAL, f"the call was reset: {reason.name}")

    def _drop(self, exchange: Exchange, code: Code, text: str) -> None:
        """Nobody waits for the answer of a call any more."""
        self.exchanges.pop(exchange.id, None)
        self.blocked.pop(exchange, None)
        exchange.abandon(code, text)


def _expect(good: bool, reason: Reason, text: str) -> None:
    if not good:
        raise ConnectionFault(reason, text)


def _reset(stream: int, reason: Reason) -> bytes:
    return frames.frame(frames.RST_STREAM, 0, stream, frames.number(reason))


def _window(stream: int, more: int) -> bytes:
    return frames.frame(frames.WINDOW_UPDATE, 0, stream, frames.number(more))
