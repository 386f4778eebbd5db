"""A certificate authority for tests: certificates of servers and clients, and lists of revoked ones, as PEM files."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_BEGINS = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
_ENDS = _BEGINS + datetime.timedelta(days=1)


class Authority:
    """Signs what it is asked to."""

    def __init__(self, name: str = "test-ca") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, hosts: Sequence[str] = ()) -> tuple[bytes, bytes]:
        """(certificate, key) of somebody."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
        builder = _builder(subject, self._name, key.public_key())
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=not name)
        certificate = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM), private

    def write(self, directory: Path, file: str, name: str, hosts: Sequence[str] = ()) -> tuple[str, str]:
        """Issue into FILE.pem and FILE.key; their paths."""
        certificate, key = self.issue(name, hosts)
        paths = directory / f"{file}.pem", directory / f"{file}.key"
        for path, content in zip(paths, (certificate, key), strict=True):
            path.write_bytes(content)
        return str(paths[0]), str(paths[1])

    def revoke(self, *certificates: bytes) -> bytes:
        """The list of these certificates."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name).last_update(_BEGINS)
        builder = builder.next_update(_ENDS)
        for certificate in certificates:
            serial = x509.load_pem_x509_certificate(certificate).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_BEGINS).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(subject: x509.Name, issuer: x509.Name, key: Any) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(_BEGINS).not_valid_after(_ENDS)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
