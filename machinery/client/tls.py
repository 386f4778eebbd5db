"""TLS contexts from PEM that is in memory as well as in files.

Python's `ssl` reads a certificate chain from a path only; here it goes through an anonymous file in memory, so that no
private key of a kubeconfig is ever written to disk.
"""

from __future__ import annotations

import os
import ssl
import tempfile


class TlsError(ValueError):
    """A certificate or key that cannot be used; the message says which."""


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

    Raises TlsError when the two are not a pair."""
    if not certificate or not key:
        raise TlsError("a client certificate needs its key, and a key its certificate")
    try:
        if hasattr(os, "memfd_create"):
            _load_from_memory(context, certificate + b"\n" + key)
        else:
            with tempfile.NamedTemporaryFile(prefix="pilothouse-") as file:
                file.write(certificate + b"\n" + key)
                file.flush()
                context.load_cert_chain(file.name)
    except (ssl.SSLError, OSError) as error:
        raise TlsError(f"the certificate and key do not go together or are not PEM: {error}") from error


def _load_from_memory(context: ssl.SSLContext, pem: bytes) -> None:
    descriptor = os.memfd_create("pilothouse-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _trust(context: ssl.SSLContext, ca: bytes) -> None:
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise TlsError(f"the certificate authority is not PEM: {error}") from error
