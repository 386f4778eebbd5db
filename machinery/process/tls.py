"""Certificates, keys and authorities as what grpc and ssl want.

``TlsFiles`` names files on disk; ``Identity`` holds their bytes. Servers that must go on while certificates are
renewed use ``reloading_server_credentials`` (gRPC asks for every handshake) and ``refresh`` (an ``ssl.SSLContext``
takes the new pair for the connections that follow).

TLS 1.2 is the floor, as for the components of Kubernetes.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class TlsError(ValueError):
    """A certificate, key or authority is missing, unreadable or does not fit; says which file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """PEM bytes. ``cert`` may be a chain, leaf first; ``ca`` a bundle. An anonymous client has only ``ca``."""

    cert: bytes | None = None
    key: bytes | None = None
    ca: bytes | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise TlsError("a certificate needs its key, and a key its certificate")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the PEM files are; None for what is not used."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def read(self) -> Identity:
        """Raises ``TlsError`` naming the file that cannot be read."""
        return Identity(cert=_read(self.cert), key=_read(self.key), ca=_read(self.ca))

    def version(self) -> tuple[tuple[int, int] | None, ...]:
        """Changes whenever a file does (modification time and size)."""
        return tuple(_stamp(path) for path in (self.cert, self.key, self.ca))


def server_context(identity: Identity, *, client_certificates: ssl.VerifyMode = ssl.CERT_OPTIONAL) -> ssl.SSLContext:
    """For an HTTPS server. With ``ca`` client certificates are asked for, and demanded under ``CERT_REQUIRED``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    refresh(context, identity)
    if identity.ca is not None:
        context.verify_mode = client_certificates
    return context


def client_context(identity: Identity, *, verify: bool = True) -> ssl.SSLContext:
    """For an HTTPS client; without ``ca`` the system's authorities count. ``verify=False`` trusts anybody."""
    context = ssl.create_default_context() if identity.ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    refresh(context, identity)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def refresh(context: ssl.SSLContext, identity: Identity) -> None:
    """Load the pair and the authorities into a context, which may be in use: new connections get them."""
    if identity.cert is not None and identity.key is not None:
        with _readable(identity.cert) as cert, _readable(identity.key) as key:
            try:
                context.load_cert_chain(cert, key)
            except ssl.SSLError as error:
                raise TlsError(f"certificate and key do not load: {error}") from error
    if identity.ca is not None:
        try:
            context.load_verify_locations(cadata=identity.ca.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise TlsError(f"certificate authority does not load: {error}") from error


def server_credentials(identity: Identity, *, require_client: bool = False) -> Any:
    """For ``grpc.aio`` servers; ``require_client`` demands a certificate signed by ``ca``."""
    import grpc

    cert, key = _pair(identity)
    if require_client and identity.ca is None:
        raise TlsError("client certificates cannot be checked without a certificate authority")
    return grpc.ssl_server_credentials([(key, cert)], root_certificates=identity.ca, require_client_auth=require_client)


def reloading_server_credentials(files: TlsFiles, *, require_client: bool = False) -> Any:
    """As ``server_credentials``, reading the files again for the first handshake after they changed."""
    import grpc

    if require_client and files.ca is None:
        raise TlsError("client certificates cannot be checked without a certificate authority")
    seen = files.version()

    def configuration() -> Any:
        identity = files.read()
        cert, key = _pair(identity)
        return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=identity.ca)

    def fetch() -> Any:
        nonlocal seen
        version = files.version()
        if version == seen:
            return None  # keep what is in use
        try:
            fresh = configuration()
        except TlsError:
            return None  # half-written: the next handshake looks again
        seen = version
        return fresh

    return grpc.dynamic_ssl_server_credentials(configuration(), fetch, require_client_authentication=require_client)


def channel_credentials(identity: Identity) -> Any:
    """For gRPC clients; without ``ca`` gRPC's own authorities count."""
    import grpc

    return grpc.ssl_channel_credentials(
        root_certificates=identity.ca, private_key=identity.key, certificate_chain=identity.cert
    )


def _pair(identity: Identity) -> tuple[bytes, bytes]:
    if identity.cert is None or identity.key is None:
        raise TlsError("a server needs a certificate and a key")
    return identity.cert, identity.key


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from error


def _stamp(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[str]:
    """A path under which OpenSSL can read the bytes: ``ssl`` takes pairs from files only, and keys stay off disks."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
