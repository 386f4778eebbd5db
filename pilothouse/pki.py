"""Certificates of a cluster: an authority, what it issues, and the files kubeadm users know (`pki/ca.crt`, …).

Keys are ECDSA P-256: made in a fraction of a millisecond, accepted by every TLS client of Kubernetes. Times come from
the caller's clock. File layout and subjects follow kubeadm: https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3650)
CERTIFICATE_LIFETIME = timedelta(days=365)
# Clocks of hosts that join differ; a certificate that starts a little in the past is valid on all of them.
BACKDATED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def save(self, directory: pathlib.Path, name: str) -> None:
        """Write `name.crt` and, readable by the owner alone, `name.key`."""
        write_file(directory / f"{name}.crt", self.certificate)
        write_file(directory / f"{name}.key", self.key, secret=True)

    @classmethod
    def load(cls, directory: pathlib.Path, name: str) -> KeyPair:
        """Raises FileNotFoundError when either file is missing."""
        return cls((directory / f"{name}.crt").read_bytes(), (directory / f"{name}.key").read_bytes())


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: a key pair that issues others."""

    pair: KeyPair

    @classmethod
    def create(cls, common_name: str, *, now: datetime) -> Authority:
        """A new self-signed authority, valid for ten years from `now` (aware, UTC)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(KeyPair(_pem(certificate), private_pem(key)))

    def issue(
        self,
        common_name: str,
        *,
        now: datetime,
        organizations: Sequence[str] = (),
        names: Sequence[str] = (),
        server: bool = False,
        client: bool = False,
        lifetime: timedelta = CERTIFICATE_LIFETIME,
    ) -> KeyPair:
        """A key and a certificate for it.

        names: DNS names and IP addresses that a server certificate is valid for.
        """
        issuer = x509.load_pem_x509_certificate(self.pair.certificate)
        issuer_key = serialization.load_pem_private_key(self.pair.key, None)
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] * server + [ExtendedKeyUsageOID.CLIENT_AUTH] * client
        builder = (
            _builder(_subject(common_name, organizations), issuer.subject, key.public_key(), now, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),  # type: ignore[arg-type]  # ours is EC
                critical=False,
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alt(name) for name in names]), critical=False)
        return KeyPair(_pem(builder.sign(issuer_key, hashes.SHA256())), private_pem(key))  # type: ignore[arg-type]  # as above


def service_account_key() -> tuple[bytes, bytes]:
    """(private, public) PEM of a key that signs service-account tokens (ES256)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private_pem(key), public


def signing_request(common_name: str, organizations: Sequence[str]) -> tuple[bytes, bytes]:
    """(CSR, private key) PEM: what a joining node sends in a CertificateSigningRequest."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(_subject(common_name, organizations))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private_pem(key)


def public_key_hash(certificate: bytes) -> str:
    """`sha256:HEX` of a certificate's public key, as kubeadm's --discovery-token-ca-cert-hash has it."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    info = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def expires(certificate: bytes) -> datetime:
    """When a certificate ends (aware, UTC)."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_file(path: pathlib.Path, content: bytes, *, secret: bool = False) -> None:
    """Replace a file in one step, so that a reader (or a crash) never sees half of it. `secret`: mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _subject(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alt(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
