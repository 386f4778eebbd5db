"""One call on a connection: the request's messages as they come, the replies as the peer's windows let them go.

The peer may send a window's worth of messages beyond what the service has taken; the service may send until the peer's
windows are full and then waits in `room`. So neither side's pace costs more than that of memory.
"""

from __future__ import annotations

import asyncio
import base64
import struct
import time
import zlib
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from machinery.rpc.api import Code, Encoded, EncodedMany, RpcError
from machinery.rpc.http2 import frames
from machinery.rpc.http2.hpack import literal
from machinery.rpc.local import surprise

if TYPE_CHECKING:
    from machinery.rpc.http2.connection import Connection
    from machinery.rpc.http2.head import Handler, Head

WINDOW = 1024 * 1024
"""Bytes that a peer may send on one call before the service takes some."""
FAIR_EVERY = 64
"""Replies of a stream after which everybody else has a turn."""

_MESSAGE = struct.Struct("!IBIBI")
"""A DATA frame's header and a message's: length << 8 | DATA, flags, stream, compressed, length of the message."""
_PREFIX = 5
_HELD = 64
"""Bytes that a waiting message costs beside its own."""
_ANSWER = b"\x88" + literal(b"content-type", b"application/grpc")
_OK = literal(b"grpc-status", b"0")
_ENCODINGS = literal(b"grpc-accept-encoding", b"identity,deflate,gzip")
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if code != ord("%"))
_STOPPED = RpcError(Code.UNAVAILABLE, "the server ended the call")


class Exchange:
    """See the module. Iterated, it gives the request's messages.

    window: bytes that the peer takes on this call. ended: the peer will send no more.
    """

    __slots__ = (
        "_buffer",
        "_connection",
        "_due",
        "_error",
        "_gone",
        "_head",
        "_messages",
        "_queued",
        "_room",
        "_trailers",
        "_unsent",
        "_waiting",
        "answered",
        "ended",
        "handler",
        "id",
        "task",
        "window",
    )

    def __init__(self, connection: Connection, stream: int, head: Head, handler: Handler) -> None:
        self._connection = connection
        self._head = head
        self.handler = handler
        self.id = stream
        self.window = connection.peer_window
        self.task: asyncio.Task[None] | None = None
        self.ended = False
        self.answered = False
        self._gone = False
        self._buffer = bytearray()
        self._messages: deque[bytes] = deque()
        self._queued = 0
        self._due = 0
        self._error: tuple[Code, str] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._unsent: deque[memoryview] = deque()
        self._trailers = b""
        self._room: asyncio.Future[None] | None = None

    # ---- the request ------------------------------------------------------------------------------------------

    def feed(self, data: bytes, size: int) -> None:
        """A DATA frame's payload came; `size` of it counts for the window."""
        if self._error is not None:
            return
        self._due += size
        held: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            held = self._buffer
        at, end = 0, len(held)
        while end - at >= _PREFIX:
            length = int.from_bytes(held[at + 1 : at + _PREFIX], "big")
            if length > self._connection.max_message:
                self._refuse(
                    Code.RESOURCE_EXHAUSTED,
                    f"grpc: received message larger than max ({length} vs. {self._connection.max_message})",
                )
                return
            stop = at + _PREFIX + length
            if stop > end:
                break
            message = bytes(held[at + _PREFIX : stop])
            if held[at]:
                inflated = self._inflate(message)
                if inflated is None:
                    return
                message = inflated
            self._messages.append(message)
            self._queued += len(message) + _HELD
            at = stop
        if held is self._buffer:
            del self._buffer[:at]
        else:
            self._buffer += data[at:]
        self._replenish()
        self._wake()

    def end(self) -> None:
        """The peer has sent all of its request."""
        self.ended = True
        self._wake()

    def abandon(self, code: Code, text: str) -> None:
        """The peer gave the call up: whoever waits for the request is told, the service is cancelled.

        Nothing large is kept, and no task, whose cancellation's traceback leads back here: what a client held goes with
        it, and not when the garbage collector next looks at everything."""
        self._gone = True
        self._connection.waits(-sum(map(len, self._unsent)))
        self._unsent.clear()
        self._messages.clear()
        self._buffer.clear()
        self._fail(code, text)
        task, self.task = self.task, None
        if task is not None:
            task.cancel()

    def _fail(self, code: Code, text: str) -> None:
        """What is still to come of the request cannot come."""
        self._error = code, text
        self._wake()

    def _failure(self) -> RpcError:
        """A new one each time: one that is kept would keep the frames that it was raised through."""
        assert self._error is not None
        return RpcError(*self._error)

    def __aiter__(self) -> Exchange:
        return self

    async def __anext__(self) -> Any:
        while not self._messages:
            if self._error is not None:
                raise self._failure()
            if self.ended:
                raise StopAsyncIteration
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._take()

    def _take(self) -> Any:
        wire = self._messages.popleft()
        self._queued -= len(wire) + _HELD
        counts = self.handler.counts
        counts.received += 1
        counts.received_bytes += len(wire)
        self._replenish()
        try:
            return self.handler.method.request.FromString(wire)
        except Exception as error:  # of the protobuf runtime's own kind, which differs between its implementations
            raise RpcError(Code.INTERNAL, f"grpc: failed to unmarshal the received message: {error}") from None

    def _only(self) -> Any:
        if self._error is not None:
            raise self._failure()
        if len(self._messages) != 1:
            raise RpcError(Code.INTERNAL, f"the call takes one request, got {len(self._messages)}")
        return self._take()

    def _inflate(self, message: bytes) -> bytes | None:
        if self._head.encoding not in ("gzip", "deflate"):
            self._refuse(Code.UNIMPLEMENTED, f"grpc: compression {self._head.encoding!r} is not served")
            return None
        limit = self._connection.max_message
        try:
            inflated = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(message, limit + 1)
        except zlib.error as error:
            self._refuse(Code.INTERNAL, f"grpc: failed to decompress the message: {error}")
            return None
        if len(inflated) > limit:
            self._refuse(Code.RESOURCE_EXHAUSTED, f"grpc: received message after decompression larger than max {limit}")
            return None
        return inflated

    def _refuse(self, code: Code, text: str) -> None:
        self._buffer.clear()
        self._fail(code, text)
        self._connection.refused(self)

    def _replenish(self) -> None:
        if self._due > WINDOW // 2 and self._queued <= WINDOW and not self.ended:
            self._connection.write(frames.frame(frames.WINDOW_UPDATE, 0, self.id, frames.number(self._due)))
            self._due = 0

    @property
    def overrun(self) -> bool:
        """True when the peer sent more than it may."""
        return self._due > WINDOW

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # ---- the call ---------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Call the service, and answer with what it says."""
        handler = self.handler
        counts = handler.counts
        counts.started += 1
        began = time.perf_counter() if counts.observe is not None else 0.0
        code = Code.OK
        try:
            if self._connection.unsent or self._connection.congested:
                await self._connection.turns.mine()
            if not handler.method.client_streaming and not handler.method.server_streaming:
                reply = await handler.function(self._only(), self._head.call)
                self._send(_wire(reply), last=True)
            elif handler.method.server_streaming:
                await self._stream()
                self._finish(_OK)
            else:
                self._send(_wire(await handler.function(self, self._head.call)), last=True)
        except RpcError as error:
            code = error.code or Code.UNKNOWN
            self._finish(_status(error))
        except asyncio.CancelledError:
            code = Code.CANCELLED
            self._finish(_status(_STOPPED))
            raise
        except Exception as error:
            code = Code.INTERNAL
            self._finish(_status(surprise(handler.method, error)))
        finally:
            counts.ended(code)
            if counts.observe is not None:
                counts.observe(time.perf_counter() - began)

    async def _stream(self) -> None:
        request = self if self.handler.method.client_streaming else self._only()
        replies = self.handler.function(request, self._head.call)
        count = 0
        try:
            async for reply in replies:
                if type(reply) is EncodedMany:
                    self._send_many(reply.wires)
                else:
                    self._send(_wire(reply))
                del reply  # a large one would be kept twice while it waits
                count += 1
                if self._unsent or self._connection.congested:
                    await self._until_room()
                elif count % FAIR_EVERY == 0:
                    await asyncio.sleep(0)
        finally:
            await replies.aclose()

    # ---- the answer -------------------------------------------------------------------------------------------

    def _send(self, wire: bytes, *, last: bool = False) -> None:
        if self._gone:
            return
        counts = self.handler.counts
        counts.sent += 1
        counts.sent_bytes += len(wire)
        connection, size = self._connection, len(wire) + _PREFIX
        begin = b""
        if not self.answered:
            self.answered = True
            begin = frames.HEADER.pack(len(_ANSWER) << 8 | frames.HEADERS, frames.END_HEADERS, self.id) + _ANSWER
        if not self._unsent and size <= self.window and size <= connection.window and size <= connection.max_frame:
            self.window -= size
            connection.window -= size
            connection.write(begin, _MESSAGE.pack(size << 8 | frames.DATA, 0, self.id, 0, size - _PREFIX), wire)
        else:
            if begin:
                connection.write(begin)
            first = connection.max_frame - _PREFIX  # only the first frame's worth is copied
            self._unsent.append(memoryview(b"".join((b"\0", frames.number(size - _PREFIX), wire[:first]))))
            if len(wire) > first:
                self._unsent.append(memoryview(wire)[first:])
            connection.waits(size)
            self.pump()
        if last:
            self._finish(_OK)

    def _send_many(self, wires: Sequence[bytes]) -> None:
        """The messages of several replies, in as few frames as hold them."""
        if len(wires) == 1:
            self._send(wires[0])
        if self._gone or len(wires) < 2:
            return
        if not self.answered:
            self.answered = True
            self._connection.write(frames.frame(frames.HEADERS, frames.END_HEADERS, self.id, _ANSWER))
        counts = self.handler.counts
        counts.sent += len(wires)
        lengths = list(map(len, wires))
        counts.sent_bytes += sum(lengths)
        prefixes = {length: b"\0" + frames.number(length) for length in set(lengths)}
        if len(prefixes) == 1:  # as for watches that hear the same: in one go
            (prefix,) = prefixes.values()
            payload = prefix + prefix.join(wires)
        else:
            payload = b"".join([prefixes[length] + wire for length, wire in zip(lengths, wires, strict=True)])
        self._unsent.append(memoryview(payload))
        self._connection.waits(len(payload))
        self.pump()

    def _finish(self, trailers: bytes) -> None:
        if self._gone:
            return
        self._trailers = trailers if self.answered else _ANSWER + trailers
        self.answered = True
        if not self._unsent:
            self._close()

    def pump(self) -> None:
        """Send what the windows allow."""
        connection, unsent = self._connection, self._unsent
        sent = 0
        while unsent:
            room = min(self.window, connection.window, connection.max_frame)
            if room <= 0:
                if self.window > 0:
                    connection.blocked[self] = None
                connection.waits(-sent)
                return
            chunk = unsent.popleft()
            if len(chunk) > room:
                unsent.appendleft(chunk[room:])
                chunk = chunk[:room]
            self.window -= len(chunk)
            connection.window -= len(chunk)
            connection.write(frames.HEADER.pack(len(chunk) << 8 | frames.DATA, 0, self.id), chunk)
            sent += len(chunk)
        connection.waits(-sent)
        self.room()
        if self._trailers:
            self._close()

    def room(self) -> None:
        """There may be room for more: whoever waits looks again."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _until_room(self) -> None:
        while self._unsent or self._connection.congested:
            self._room = asyncio.get_running_loop().create_future()
            self._connection.waiting.add(self)
            try:
                await self._room
            finally:
                self._connection.waiting.discard(self)

    def _close(self) -> None:
        self.task = None
        self._connection.write(_end(self.id, self._trailers))
        self._connection.answered(self)


def refusal(stream: int, error: RpcError) -> bytes:
    """The whole answer to a call that does not begin."""
    return _end(stream, _ANSWER + _status(error))


def plain_status(stream: int, status: int) -> bytes:
    """The whole answer to a request that is no gRPC call: an HTTP status."""
    return _end(stream, literal(b":status", b"%d" % status))


def _end(stream: int, fields: bytes) -> bytes:
    return frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, fields)


def _wire(reply: Any) -> bytes:
    wire: bytes = reply.wire if type(reply) is Encoded else reply.SerializeToString()
    return wire


def _status(error: RpcError) -> bytes:
    """The trailers of an error. Text is percent-encoded, as gRPC has it."""
    code = Code.UNKNOWN if error.code is Code.OK else error.code
    fields = [
        literal(b"grpc-status", b"%d" % code),
        literal(b"grpc-message", quote(error.message, safe=_PLAIN).encode()),
    ]
    for name, value in error.trailers.items():
        fields.append(
            literal(name.encode(), base64.b64encode(value).rstrip(b"=") if isinstance(value, bytes) else value.encode())
        )
    if code is Code.UNIMPLEMENTED:
        fields.append(_ENCODINGS)
    return b"".join(fields)
