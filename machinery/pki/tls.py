"""Certificates, keys and authorities as what grpc and ssl want: the one place that loads them.

``TlsFiles`` names files on disk; ``Identity`` holds their bytes. Servers that must go on while certificates are
renewed use ``reloading_server_credentials`` (which looks at every handshake) and ``load_chain`` (an ``ssl.SSLContext``
takes the new pair for the connections that follow); clients use ``machinery.rpc.renewing``.

TLS 1.2 is the floor, as for the components of Kubernetes. Python's ``ssl`` reads a chain from a path only; here it goes
through an anonymous file in memory, so that no private key of a kubeconfig is ever written to disk.
"""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from machinery.pki.errors import TlsError as TlsError  # part of what this module offers
from machinery.pki.policy import ServerPolicy

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM bytes, b"" for what there is not. ``cert`` may be a chain, leaf first; ``ca`` a bundle; ``crl`` lists revoked
    certificates. An anonymous client has only ``ca``. Raises TlsError for a certificate without a key and the other way
    round."""

    cert: bytes = b""
    key: bytes = field(default=b"", repr=False)
    ca: bytes = b""
    crl: bytes = b""

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise TlsError("a certificate needs its key, and a key its certificate")

    def checked(self) -> Identity:
        """Itself. Raises TlsError when the certificate and the key are no pair: one of two files was replaced."""
        if self.cert:
            _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.cert, self.key)
        return self


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the PEM files are; None for what is not used. One file may hold a certificate and its key."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    crl: Path | None = None

    def read(self) -> Identity:
        """Raises ``TlsError`` naming the file that cannot be read."""
        return Identity(cert=_read(self.cert), key=_read(self.key), ca=_read(self.ca), crl=_read(self.crl))

    def version(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Changes whenever a file does (modification time, size and inode)."""
        return tuple(_stamp(path) for path in (self.cert, self.key, self.ca, self.crl))


class Source(Protocol):
    """Where a server's identity comes from while it runs."""

    def read(self) -> Identity:
        """What to show now. Raises TlsError."""
        ...

    def version(self) -> object:
        """Something else than before once `read` has something new; cheap."""
        ...


class Held:
    """A source in memory: set `identity` to renew it."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def read(self) -> Identity:
        return self.identity

    def version(self) -> object:
        return self.identity


def client_context(
    *, ca: bytes = b"", certificate: bytes = b"", key: bytes = b"", verify: bool = True
) -> ssl.SSLContext:
    """The context of a client.

    ca: PEM of the authorities that may have signed the server's certificate; b"" trusts the system's.
    certificate, key: what the client shows; both or neither.
    verify: False takes any server (kubeconfig's insecure-skip-tls-verify).
    Raises TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca:
        _trust(context, ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if certificate or key:
        load_chain(context, certificate=certificate, key=key)
    return context


def server_context(*, certificate: bytes, key: bytes, client_ca: bytes = b"") -> ssl.SSLContext:
    """The context of a server. A client may show a certificate; one that `client_ca` did not sign ends the handshake.

    Raises TlsError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_chain(context, certificate=certificate, key=key)
    if client_ca:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def load_chain(context: ssl.SSLContext, *, certificate: bytes, key: bytes) -> None:
    """Show this certificate from the next connection on; on a serving context that is how it is renewed.

    Raises TlsError when the two are not a pair; the context shows what it showed before."""
    if not certificate or not key:
        raise TlsError("a certificate needs its key, and a key its certificate")
    Identity(certificate, key).checked()  # OpenSSL forgets the old key before it refuses the new one
    _load(context, certificate, key)


def channel_credentials(identity: Identity) -> Any:
    """For gRPC clients; without ``ca`` gRPC's own authorities count."""
    import grpc

    return grpc.ssl_channel_credentials(
        root_certificates=identity.ca or None,
        private_key=identity.key or None,
        certificate_chain=identity.cert or None,
    )


def reloading_server_credentials(
    source: Source,
    *,
    require_client: bool = False,
    protocols: Sequence[str] = ("h2",),
    policy: ServerPolicy | None = None,
) -> ssl.SSLContext:
    """For gRPC servers: the source is read again for the first handshake after it changed.

    require_client: demand a certificate signed by ``ca``; otherwise none is asked for. protocols: what is spoken,
    by the names of ALPN. policy: what else is demanded. Raises TlsError."""
    return _Reloading(source, require_client=require_client, protocols=protocols, policy=policy or ServerPolicy())


class _Reloading(ssl.SSLContext):
    """A context that hands every new connection to one made from what its source holds then."""

    _source: Source
    _require_client: bool
    _protocols: Sequence[str]
    _policy: ServerPolicy
    _seen: object
    _refused: object
    _current: ssl.SSLContext

    def __new__(
        cls, source: Source, *, require_client: bool, protocols: Sequence[str], policy: ServerPolicy
    ) -> _Reloading:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._source = source
        self._require_client = require_client
        self._protocols = protocols
        self._policy = policy
        self._seen = self._refused = source.version()
        self._current = self._made()
        return self

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        version = self._source.version()
        if version != self._seen:
            self._renew(version)
        return self._current.wrap_bio(*arguments, **named)

    def _renew(self, version: object) -> None:
        try:
            self._current = self._made()
        except TlsError as error:
            # Half-written, or wrong: the next handshake looks again, and what is in use stays in use.
            if version != self._refused:
                self._refused = version
                log.warning("renewed certificate not taken error=%s", error)
        else:
            self._seen = version
            log.info("server certificate renewed")

    def _made(self) -> ssl.SSLContext:
        identity = self._source.read()
        if not identity.cert:
            raise TlsError("a server needs a certificate and a key")
        if self._require_client and not identity.ca:
            raise TlsError("client certificates cannot be checked without a certificate authority")
        authorities = identity.ca if self._require_client else b""
        context = server_context(certificate=identity.cert, key=identity.key, client_ca=authorities)
        if self._require_client:
            context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(self._protocols)
        self._policy.apply(context, revoked=identity.crl)
        return context


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    try:
        with _memory_file() as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name if isinstance(file.name, str) else f"/proc/self/fd/{file.name}")
    except (ssl.SSLError, OSError) as error:
        raise TlsError(f"the certificate and key do not go together or are not PEM: {error}") from error


def _trust(context: ssl.SSLContext, ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise TlsError(f"the certificate authority is not PEM: {error}") from error


def _memory_file() -> Any:
    """A file that OpenSSL can open by path; on Linux it is in memory alone."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("pilothouse-tls", os.MFD_CLOEXEC), "wb")
    return tempfile.NamedTemporaryFile(prefix="pilothouse-")


def _read(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from error


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
