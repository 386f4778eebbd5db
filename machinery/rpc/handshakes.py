"""TLS on a connection that was accepted, before anybody is known: what may be had for nothing is to cost little.

A handshake has HANDSHAKE_SECONDS. How many are under way is not limited here: who opens connections and says nothing
would keep the others out for that long. Each costs what a connection does, some 60 KiB, and a file descriptor, of which
the process has as many as it was given. Failures are told of in the log, and a flood of them in one line a second.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from actors import Clock
from machinery.rpc.http2.head import address_of

HANDSHAKE_SECONDS = 10.0
"""Longest TLS handshake."""
BUFFER = 32 * 1024
"""Bytes that one read from a secure connection may take: two of TLS's records."""
TELL_EVERY = 1.0
"""Seconds between two lines about failed handshakes."""

log = logging.getLogger(__name__)


class Accepted(asyncio.Protocol):
    """A connection that has yet to become a secure one; nothing is read before. begin: starts the handshake."""

    def __init__(self, begin: Callable[[asyncio.Transport], None]) -> None:
        self._begin = begin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._begin(transport)


class Handshakes:
    """Makes connections secure, and tells of those that failed."""

    def __init__(self, credentials: ssl.SSLContext, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._told = -TELL_EVERY
        self._untold = 0

    async def secure(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> asyncio.Transport | None:
        """The transport for `protocol`, which is not told of it yet; None when there is none, and the peer is gone."""
        peer = address_of(transport.get_extra_info("peername"))
        loop = asyncio.get_running_loop()
        loop.call_soon(_slim, transport)
        try:
            secured = await loop.start_tls(
                transport, protocol, self._credentials, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError as error:  # an SSLError, or a peer that left or did not go on
            # asyncio's frames, which the traceback holds, hold the future that holds the error, and the buffers.
            self._failed(peer, cause(error.with_traceback(None)))
            transport.abort()
            return None
        except asyncio.CancelledError:
            transport.abort()
            raise
        if secured is None:
            self._failed(peer, "the client left")
        return secured

    def _failed(self, peer: str, reason: str) -> None:
        now = self._clock.monotonic()
        if now - self._told < TELL_EVERY:
            self._untold += 1
            return
        if self._untold:
            log.info("handshake failed peer=%s cause=%s others=%d", peer, reason, self._untold)
        else:
            log.info("handshake failed peer=%s cause=%s", peer, reason)
        self._told, self._untold = now, 0


def cause(error: OSError) -> str:
    """Why a handshake failed, in words."""
    if isinstance(error, ssl.SSLEOFError):
        return "the client left"
    if isinstance(error, ssl.SSLError):  # OpenSSL's own have attributes; what our policy raises has a text alone
        message = getattr(error, "verify_message", None)
        if message:
            return f"the client's certificate: {message}"
        reason = getattr(error, "reason", None)
        return reason.lower().replace("_", " ") if reason else str(error)
    if isinstance(error, ConnectionAbortedError):
        return f"not done within {HANDSHAKE_SECONDS:g} seconds"
    if isinstance(error, ConnectionError):
        return "the client left"
    return error.strerror or str(error)


def _slim(transport: asyncio.Transport) -> None:
    """Give what reads the connection a small buffer, in place of asyncio's of 256 KiB.

    asyncio has no option for it, and makes it before anything is known of the peer. Run once the transport has its new
    protocol and before that reads. Another loop's protocol, which has no such buffer, is left as it is."""
    protocol: Any = transport.get_protocol()
    if isinstance(getattr(protocol, "_ssl_buffer", None), bytearray) and hasattr(protocol, "_ssl_buffer_view"):
        protocol.max_size = BUFFER
        protocol._ssl_buffer = bytearray(BUFFER)
        protocol._ssl_buffer_view = memoryview(protocol._ssl_buffer)
