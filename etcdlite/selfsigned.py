"""The certificate of `--auto-tls`, which signs itself: encryption without a proof of who serves.

Source: etcd's `client/pkg/transport/listener.go` (SelfCert): the same files, so that a directory of either serves.
"""

from __future__ import annotations

import datetime
import ipaddress
import logging
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from machinery.pki.files import write_file
from machinery.pki.tls import TlsError

log = logging.getLogger(__name__)


def ensure(directory: pathlib.Path, hosts: Iterable[str], *, years: int) -> tuple[pathlib.Path, pathlib.Path]:
    """The certificate and its key in this directory, made for these hosts when one of the two is missing; they stay
    when the hosts change. years: how long a new one is good for. Raises TlsError when they cannot be written."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    if not (cert.exists() and key.exists()):
        made = _make(list(dict.fromkeys(hosts)), years)
        try:
            write_file(key, made[1], secret=True)
            write_file(cert, made[0])
        except OSError as error:
            raise TlsError(f"cannot write {error.filename}: {error.strerror}") from None
        log.warning("certificate made that signs itself path=%s years=%d", cert, years)
    return cert, key


def _make(hosts: Sequence[str], years: int) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    private = ec.generate_private_key(ec.SECP521R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "etcd")])
    # A certificate is read by clients whose time is the world's, whatever clock this process runs on.
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    names = [_general_name(host) for host in hosts if host]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(private, hashes.SHA256())
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )


def _general_name(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
