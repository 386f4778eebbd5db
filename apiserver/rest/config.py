"""The settings of the REST edge."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RestConfig:
    """Where and how REST is served."""

    host: str = "127.0.0.1"
    """Address to listen on; "0.0.0.0" for all."""

    port: int = 6443
    """TCP port; 0 lets the system choose (see `RestServer.port`)."""

    certificate: bytes = b""
    """PEM serving certificate with its chain. b"" serves plain HTTP, for tests behind a proxy of their own."""

    key: bytes = b""
    """PEM private key of the serving certificate."""

    client_ca: bytes = b""
    """PEM authorities whose client certificates are identities. b"": certificates are not asked for."""

    max_body_bytes: int = 3 * MIB
    """A larger request body is answered 413."""

    request_seconds: float = 60.0
    """The longest that a request other than a watch or a log may take, then 504."""

    idle_seconds: float = 180.0
    """A connection without a request is closed after this."""

    shutdown_seconds: float = 5.0
    """How long a stop waits for requests in progress. Watches are ended at once."""

    max_reads: int = 400
    """Reads served at the same time; more are answered 429. 0 is no limit."""

    max_writes: int = 200
    """Writes served at the same time; more are answered 429. 0 is no limit."""
