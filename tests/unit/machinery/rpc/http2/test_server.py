"""The gRPC server before gRPC's own client, and before clients that keep no rule."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from actors import ChildSpec, System, SystemClock
from machinery.rpc import RpcError, Stub
from machinery.rpc.api import Call, Code, Encoded
from machinery.rpc.grpc_channel import GrpcChannel
from machinery.rpc.http2 import frames
from machinery.rpc.http2.connection import Connection
from machinery.rpc.http2.hpack import literal
from machinery.rpc.server import GrpcServer
from protos.pool import messages

pb = messages("etcdserverpb")
TEN = 10.0
"""Seconds that nothing here needs."""


class KV:
    """Puts are echoed, and what is ranged over says what to do."""

    def __init__(self) -> None:
        self.call = Call()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.go = asyncio.Event()

    async def Put(self, request: Any, call: Call) -> Any:
        self.call = call
        return Encoded(
            pb.PutResponse, pb.PutResponse(prev_kv={"key": request.key, "value": request.value}).SerializeToString()
        )

    async def Range(self, request: Any, call: Call) -> Any:
        if request.key == b"error":
            raise RpcError(Code.DATA_LOSS, "lost: 100 % – all", trailers={"why": "because", "detail-bin": b"\0\xff"})
        if request.key == b"surprise":
            raise KeyError("secret")
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return pb.RangeResponse(count=7)


class Watch:
    """Answers each creation with as many messages as its start_revision says, and counts what it handed over."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = asyncio.Event()

    async def Watch(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        try:
            async for request in requests:
                for number in range(request.create_request.start_revision):
                    self.sent += 1
                    yield pb.WatchResponse(watch_id=number, cancel_reason="x" * 10_000)
        finally:
            self.ended.set()


class Served:
    def __init__(self, address: str, kv: KV, watch: Watch) -> None:
        self.address, self.kv, self.watch = address, kv, watch
        self.channel = GrpcChannel(address)
        self.calls: Any = Stub(self.channel, "etcdserverpb.KV")
        self.watches: Any = Stub(self.channel, "etcdserverpb.Watch")


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    addresses: list[str] = []
    kv, watch = KV(), Watch()
    services = {"etcdserverpb.KV": kv, "etcdserverpb.Watch": watch}
    spec = ChildSpec("server", lambda: GrpcServer(services, ["127.0.0.1:0"], bound=addresses.extend))
    async with System(spec, clock=SystemClock()):
        served = Served(addresses[0], kv, watch)
        try:
            yield served
        finally:
            kv.go.set()
            await served.channel.close()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_384, 65_535, 1_100_000, 5_000_000])
async def test_messages_of_every_size_pass_both_ways(served: Served, size: int) -> None:
    value = random.Random(size).randbytes(size)
    reply = await served.calls.Put(pb.PutRequest(key=b"k", value=value))
    assert reply.prev_kv.value == value


async def test_many_calls_at_once_on_one_connection(served: Served) -> None:
    replies = await asyncio.gather(
        *(served.calls.Put(pb.PutRequest(key=b"%d" % n, value=bytes(n))) for n in range(500))
    )
    assert [(reply.prev_kv.key, len(reply.prev_kv.value)) for reply in replies] == [(b"%d" % n, n) for n in range(500)]


async def test_metadata_reaches_the_service(served: Served) -> None:
    metadata = {"token": "t", "trace-bin": b"\x00\xffabc"}
    for _ in range(3):  # the second and third time the fields are known already
        await served.calls.Put(pb.PutRequest(key=b"k"), metadata=metadata)
        call = served.kv.call
        assert {name: call.metadata[name] for name in metadata} == metadata
        assert "content-type" not in call.metadata
        assert call.peer is None
        assert call.address.startswith("ipv4:127.0.0.1:")


async def test_errors_carry_code_text_and_trailers(served: Served) -> None:
    with pytest.raises(RpcError) as caught:
        await served.calls.Range(pb.RangeRequest(key=b"error"))
    assert (caught.value.code, caught.value.message) == (Code.DATA_LOSS, "lost: 100 % – all")
    assert {**caught.value.trailers} == {"why": "because", "detail-bin": b"\0\xff"}


async def test_a_surprise_is_internal_and_keeps_its_secret(served: Served) -> None:
    with pytest.raises(RpcError, match="INTERNAL") as caught:
        await served.calls.Range(pb.RangeRequest(key=b"surprise"))
    assert "secret" not in caught.value.message


async def test_what_is_not_served_is_unimplemented(served: Served) -> None:
    with pytest.raises(RpcError, match=r"unknown method Compact for service etcdserverpb\.KV"):
        await served.calls.Compact(pb.CompactionRequest(revision=1))
    with pytest.raises(RpcError, match=r"unknown service etcdserverpb\.Lease"):
        await Stub(served.channel, "etcdserverpb.Lease").LeaseGrant(pb.LeaseGrantRequest())
    assert await served.calls.Put(pb.PutRequest(key=b"k"))


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_requests(served: Served, compression: grpc.Compression) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        put = channel.unary_unary("/etcdserverpb.KV/Put")
        request = pb.PutRequest(key=b"k", value=bytes(100_000)).SerializeToString()
        reply = pb.PutResponse.FromString(await put(request, compression=compression))
    assert reply.prev_kv.value == bytes(100_000)


async def test_bytes_that_are_no_request(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.address) as channel:
        call = channel.unary_unary("/etcdserverpb.KV/Put")(b"\xff\xff")
        assert await call.code() is grpc.StatusCode.INTERNAL
        assert (await call.details()).startswith("grpc: failed to unmarshal the received message")


async def test_a_call_that_the_client_gives_up_is_cancelled(served: Served) -> None:
    call = asyncio.ensure_future(served.calls.Range(pb.RangeRequest(key=b"wait")))
    await served.kv.begun.wait()
    call.cancel()
    async with asyncio.timeout(TEN):
        await served.kv.cancelled.wait()


async def test_a_deadline_ends_the_call(served: Served) -> None:
    with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
        await served.calls.Range(pb.RangeRequest(key=b"wait"), timeout=0.05)
    async with asyncio.timeout(TEN):
        await served.kv.cancelled.wait()


async def creations(*counts: int) -> AsyncIterator[Any]:
    for count in counts:
        yield pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"k", start_revision=count))


async def test_a_stream_both_ways(served: Served) -> None:
    got = [reply.watch_id async for reply in served.watches.Watch(creations(3, 0, 2))]
    assert got == [0, 1, 2, 0, 1]


async def test_a_reader_that_waits_holds_the_service_up_and_loses_nothing(served: Served) -> None:
    """The service is asked for 200 MB and stops where the client's windows and the kernels' buffers end."""
    total = 20_000
    client = await Raw.connect(served.address)
    request = creation_frames(1, total)
    client.write(request)
    async with asyncio.timeout(TEN):
        while True:  # until nothing more is taken
            before = served.watch.sent
            await asyncio.sleep(0.05)
            if served.watch.sent == before > 0:
                break
    assert served.watch.sent < 20
    client.write(window(0, 2**30), window(1, 2**30))
    received = 0
    async with asyncio.timeout(60):
        async for kind, _, _, payload in client.frames():
            received += len(payload) if kind == frames.DATA else 0
            if kind == frames.DATA and received >= total * 10_000:
                break
    assert served.watch.sent == total
    client.close()
    await served.watch.ended.wait()


async def test_a_stop_lets_calls_end_and_ends_streams() -> None:
    async with serving() as served:
        call = asyncio.ensure_future(served.calls.Range(pb.RangeRequest(key=b"wait")))
        stop = asyncio.Event()

        async def requests() -> AsyncIterator[Any]:
            async for request in creations(1):
                yield request
            await stop.wait()

        stream = served.watches.Watch(requests())
        await anext(stream)
        await served.kv.begun.wait()
        asyncio.get_running_loop().call_later(0.05, served.kv.go.set)
        channel, served.channel = served.channel, GrpcChannel(served.address)
    assert (await call).count == 7
    with pytest.raises(RpcError, match="UNAVAILABLE"):
        await anext(stream)
    await channel.close()


class Raw:
    """A client of frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, address: str, greeting: bytes = frames.PREFACE + frames.settings({})) -> Raw:
        host, port = address.rsplit(":", 1)
        client = cls(*await asyncio.open_connection(host, int(port)))
        client.write(greeting)
        return client

    def write(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def frames(self) -> AsyncIterator[tuple[int, int, int, bytes]]:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                word, flags, stream = frames.HEADER.unpack(await self.reader.readexactly(9))
                yield word & 0xFF, flags, stream, await self.reader.readexactly(word >> 8)

    async def until(self, wanted: int) -> tuple[int, int, bytes]:
        """(flags, stream, payload) of the next frame of a kind."""
        async with asyncio.timeout(TEN):
            async for kind, flags, stream, payload in self.frames():
                if kind == wanted:
                    return flags, stream, payload
        raise AssertionError("the connection ended")

    def close(self) -> None:
        self.writer.close()


def window(stream: int, more: int) -> bytes:
    return frames.frame(frames.WINDOW_UPDATE, 0, stream, frames.number(more))


def head(path: bytes, *, method: bytes = b"POST", kind: bytes = b"application/grpc") -> bytes:
    return b"".join(
        literal(name, value)
        for name, value in (
            (b":method", method),
            (b":scheme", b"http"),
            (b":path", path),
            (b"content-type", kind),
            (b"te", b"trailers"),
        )
    )


PUT = head(b"/etcdserverpb.KV/Put")


def message(data: bytes) -> bytes:
    return b"\0" + frames.number(len(data)) + data


def creation_frames(stream: int, count: int) -> bytes:
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"k", start_revision=count))
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, head(b"/etcdserverpb.Watch/Watch")) + frames.frame(
        frames.DATA, 0, stream, message(create.SerializeToString())
    )


def put_frames(stream: int) -> bytes:
    request = message(pb.PutRequest(key=b"k").SerializeToString())
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, PUT) + frames.frame(
        frames.DATA, frames.END_STREAM, stream, request
    )


async def test_frames_may_come_byte_by_byte_padded_and_in_parts(served: Served) -> None:
    client = await Raw.connect(served.address, b"")
    request = message(pb.PutRequest(key=b"k").SerializeToString())
    sent = frames.PREFACE + frames.settings({})
    sent += frames.frame(
        frames.HEADERS, frames.PADDED | frames.HAS_PRIORITY, 1, b"\x02" + bytes(5) + PUT[:10] + b"\0\0"
    )
    sent += frames.frame(frames.CONTINUATION, 0, 1, PUT[10:11])
    sent += frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, PUT[11:])
    sent += frames.frame(frames.DATA, frames.PADDED, 1, b"\x03" + request[:3] + bytes(3))
    sent += frames.frame(frames.DATA, 0, 1, b"")
    sent += frames.frame(frames.DATA, frames.END_STREAM, 1, request[3:])
    for at in range(len(sent)):
        client.write(sent[at : at + 1])
        await asyncio.sleep(0)
    _, stream, payload = await client.until(frames.DATA)
    assert (stream, pb.PutResponse.FromString(payload[5:]).prev_kv.key) == (1, b"k")
    client.close()


async def test_a_ping_is_answered(served: Served) -> None:
    client = await Raw.connect(served.address)
    client.write(frames.frame(frames.PING, 0, 0, b"12345678"))
    assert await client.until(frames.PING) == (frames.ACK, 0, b"12345678")
    client.close()


@pytest.mark.parametrize(
    ("fields", "status"),
    [(head(b"/", method=b"GET"), b"405"), (head(b"/", kind=b"text/html"), b"415")],
    ids=["a page", "a form"],
)
async def test_what_is_no_grpc_has_an_http_status(served: Served, fields: bytes, status: bytes) -> None:
    client = await Raw.connect(served.address)
    client.write(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, fields))
    assert await client.until(frames.HEADERS) == (
        frames.END_HEADERS | frames.END_STREAM,
        1,
        literal(b":status", status),
    )
    client.close()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(frames.HEADER.pack(20_000 << 8, 0, 1), frames.Reason.FRAME_SIZE_ERROR, id="a frame too large"),
        pytest.param(frames.frame(frames.DATA, 0, 1, b"x"), frames.Reason.PROTOCOL_ERROR, id="data of no call"),
        pytest.param(frames.frame(frames.HEADERS, 4, 2, PUT), frames.Reason.PROTOCOL_ERROR, id="an even stream"),
        pytest.param(frames.frame(frames.HEADERS, 4, 1, b"\xff"), frames.Reason.COMPRESSION_ERROR, id="no block"),
        pytest.param(
            frames.frame(frames.HEADERS, 0, 1, PUT) + frames.frame(frames.PING, 0, 0, bytes(8)),
            frames.Reason.PROTOCOL_ERROR,
            id="a block not continued",
        ),
        pytest.param(
            frames.frame(frames.HEADERS, 0, 1, b"") + frames.frame(frames.CONTINUATION, 0, 1, bytes(16_000)) * 5,
            frames.Reason.ENHANCE_YOUR_CALM,
            id="a block without end",
        ),
        pytest.param(window(0, 0), frames.Reason.FLOW_CONTROL_ERROR, id="a window of nothing"),
        pytest.param(window(0, 2**31 - 1), frames.Reason.FLOW_CONTROL_ERROR, id="a window too large"),
        pytest.param(window(5, 1), frames.Reason.PROTOCOL_ERROR, id="a window of no call"),
        pytest.param(frames.settings({4: 2**31}), frames.Reason.FLOW_CONTROL_ERROR, id="windows too large"),
        pytest.param(frames.frame(frames.SETTINGS, 0, 0, b"x"), frames.Reason.FRAME_SIZE_ERROR, id="odd settings"),
        pytest.param(frames.frame(frames.PUSH_PROMISE, 4, 1), frames.Reason.PROTOCOL_ERROR, id="a push"),
        pytest.param(frames.frame(frames.PING, 0, 0, b"x"), frames.Reason.FRAME_SIZE_ERROR, id="a short ping"),
    ],
)
async def test_who_breaks_the_protocol_is_told_and_left(served: Served, sent: bytes, reason: int) -> None:
    client = await Raw.connect(served.address)
    client.write(sent)
    _, _, payload = await client.until(frames.GOAWAY)
    assert int.from_bytes(payload[4:8], "big") == reason
    async with asyncio.timeout(TEN):
        assert [frame async for frame in client.frames()] == []
    client.close()
    assert await served.calls.Put(pb.PutRequest(key=b"k"))


async def test_a_call_that_sends_past_its_window_is_reset(served: Served) -> None:
    client = await Raw.connect(served.address)
    client.write(frames.frame(frames.HEADERS, frames.END_HEADERS, 1, head(b"/etcdserverpb.Watch/Watch")))
    request = message(pb.WatchRequest(progress_request={}).SerializeToString()) * 2000
    client.write(creation_frames(3, 10_000))  # whose answers nobody takes, so that its requests stay
    for at in range(0, 300 * 14_000, 14_000):
        client.write(frames.frame(frames.DATA, 0, 3, request[at % len(request) // 7 * 7 :][:14_000]))
    _, stream, payload = await client.until(frames.RST_STREAM)
    assert (stream, int.from_bytes(payload, "big")) == (3, frames.Reason.FLOW_CONTROL_ERROR)
    client.close()


async def test_answers_do_not_wait_for_acknowledgements(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[socket.socket] = []
    made = Connection.connection_made

    def watched(self: Connection, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        sockets.append(transport.get_extra_info("socket"))

    monkeypatch.setattr(Connection, "connection_made", watched)
    async with serving() as served:
        await served.calls.Put(pb.PutRequest(key=b"k"))
        assert [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets] == [1]


async def test_another_protocol_is_hung_up_on(served: Served) -> None:
    client = await Raw.connect(served.address, b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(TEN):
        frames_before_the_end = [frame async for frame in client.frames()]
    assert {kind for kind, *_ in frames_before_the_end} <= {frames.SETTINGS, frames.WINDOW_UPDATE}
    client.close()


@pytest.mark.parametrize("seed", range(20))
async def test_noise_hurts_nobody_else(served: Served, seed: int) -> None:
    """Frames of every kind with random flags, streams and payloads, and good calls cut and mixed among them."""
    noise = random.Random(seed)
    client = await Raw.connect(served.address)
    for turn in range(1, 60, 2):
        if noise.random() < 0.4:
            sent = bytearray(put_frames(turn))
            if noise.random() < 0.5:
                sent[noise.randrange(len(sent))] ^= 1 << noise.randrange(8)
        else:
            payload = noise.randbytes(noise.choice((0, 4, 5, 8, 40)))
            sent = bytearray(frames.frame(noise.randrange(11), noise.getrandbits(8), noise.randrange(60), payload))
        client.write(bytes(sent))
        await asyncio.sleep(0)
    client.close()
    assert (await served.calls.Put(pb.PutRequest(key=b"k"))).prev_kv.key == b"k"
