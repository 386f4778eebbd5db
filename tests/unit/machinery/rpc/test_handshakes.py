"""Connections before anybody is known: what they cost, how long they last, what the log says of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from actors import ChildSpec, System, SystemClock
from machinery.rpc import handshakes
from machinery.rpc.http2 import frames
from machinery.rpc.server import GrpcServer
from tests.support.authority import Authority
from tests.support.memory import held, traced

PARTIAL = b"\x16\x03\x01\x02"
"""The begin of a greeting."""


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """(port, what a client needs)."""
    authority = Authority()
    certificate, key = authority.write(directory, "server", "server", ["127.0.0.1"])
    credentials = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    credentials.load_cert_chain(certificate, key)
    credentials.set_alpn_protocols(["h2"])
    client = ssl.create_default_context(cadata=authority.pem.decode())
    client.set_alpn_protocols(["h2"])
    addresses: list[str] = []
    spec = ChildSpec("server", lambda: GrpcServer({}, ["127.0.0.1:0"], credentials=credentials, bound=addresses.extend))
    async with System(spec, clock=SystemClock()):
        yield int(addresses[0].rpartition(":")[2]), client


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # looked at from outside: there is no event to wait for
            await asyncio.sleep(0.01)


async def test_a_stalled_handshake_costs_little_ends_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handshakes, "HANDSHAKE_SECONDS", 1.0)
    caplog.set_level(logging.INFO, "machinery.rpc.handshakes")
    count = 50
    async with serving(tmp_path) as (port, _):
        with traced():
            before = held()
            clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
            for _, writer in clients:
                writer.write(PARTIAL)
            await until(lambda: sum(type(each).__name__ == "SSLProtocol" for each in gc.get_objects()) >= count)
            assert held() - before < count * 100_000
            async with asyncio.timeout(10):
                assert not any(await asyncio.gather(*(reader.read() for reader, _ in clients)))
            for _, writer in clients:
                writer.close()
            del clients, writer
            await until(lambda: held() - before < count * 10_000)
    assert "cause=not done within 1 seconds" in caplog.text
    assert "peer=ipv4:127.0.0.1:" in caplog.text


async def test_a_secure_connection_costs_little_and_serves(tmp_path: Path) -> None:
    count = 30
    async with serving(tmp_path) as (port, client):
        with traced():
            before = held()
            connections = [await asyncio.open_connection("127.0.0.1", port, ssl=client) for _ in range(count)]
            for reader, writer in connections:
                writer.write(frames.PREFACE + frames.settings({}))
                assert await reader.readexactly(frames.HEADER_BYTES)
            # this process holds the client's side as well, with a buffer of asyncio's own size
            assert held() - before < count * (256 * 1024 + 100_000)
            for _, writer in connections:
                writer.close()
            del connections, reader, writer
            await until(lambda: held() - before < count * 20_000)


async def test_the_log_names_the_peer_and_the_cause_and_is_not_flooded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "machinery.rpc.handshakes")
    async with serving(tmp_path) as (port, _):
        for noise in [b"GET / HTTP/1.1\r\n\r\n"] * 30:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(noise)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
    lines = [record.getMessage() for record in caplog.records]
    assert 1 <= len(lines) < 10
    assert lines[0].startswith("handshake failed peer=ipv4:127.0.0.1:")
    assert lines[0].endswith("cause=http request")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ssl.SSLEOFError(8, "EOF occurred"), "the client left"),
        (ssl.SSLCertVerificationError("not for this host"), "not for this host"),
        (ssl.SSLError("no"), "no"),
        (ConnectionResetError(), "the client left"),
        (ConnectionAbortedError("SSL handshake is taking longer"), "not done within 10 seconds"),
        (OSError(113, "No route to host"), "No route to host"),
    ],
    ids=["end", "policy", "tls", "reset", "time", "other"],
)
def test_causes(error: OSError, words: str) -> None:
    assert words in handshakes.cause(error)
