"""Certificates of a cluster: an authority, what it issues, and the files kubeadm users know (`pki/ca.crt`, …).

Keys are ECDSA P-256: made in a fraction of a millisecond, accepted by every TLS client of Kubernetes. Times come from
the caller's clock. File layout and subjects follow kubeadm: https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

import hashlib
import ipaddress
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from machinery.pki.files import write_file
from machinery.pki.request import private_pem, subject

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
        """Write `name.crt` and, readable by the owner alone, `name.key`.

        The key goes first: who dies in between leaves a pair that is incomplete, or does not fit, and is made anew."""
        write_file(directory / f"{name}.key", self.key, secret=True)
        write_file(directory / f"{name}.crt", self.certificate)

    def fits(self) -> bool:
        """Whether the key is the certificate's."""
        public = serialization.load_pem_private_key(self.key, None).public_key()
        return public == x509.load_pem_x509_certificate(self.certificate).public_key()

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

    def issued(self, certificate: bytes) -> bool:
        """Whether this authority signed a certificate (PEM)."""
        own = x509.load_pem_x509_certificate(self.pair.certificate)
        try:
            x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(own)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

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
            _builder(subject(common_name, organizations), issuer.subject, key.public_key(), now, lifetime)
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


def is_certificate(pem: bytes) -> bool:
    """Whether these bytes are a certificate."""
    try:
        x509.load_pem_x509_certificate(pem)
    except ValueError:
        return False
    return True


def is_key(pem: bytes) -> bool:
    """Whether these bytes are a private key without a password."""
    try:
        serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def service_account_key() -> tuple[bytes, bytes]:
    """(private, public) PEM of a key that signs service-account tokens (ES256)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private_pem(key), public


def public_key_hash(certificate: bytes) -> str:
    """`sha256:HEX` of a certificate's public key, as kubeadm's --discovery-token-ca-cert-hash has it."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    info = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def expires(certificate: bytes) -> datetime:
    """When a certificate ends (aware, UTC)."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def renewal_due(certificate: bytes, *, now: datetime) -> bool:
    """Whether less than a third of its life is left."""
    loaded = x509.load_pem_x509_certificate(certificate)
    return loaded.not_valid_after_utc - now < (loaded.not_valid_after_utc - loaded.not_valid_before_utc) / 3


def names_of(certificate: bytes) -> set[str]:
    """The DNS names and addresses that a certificate is valid for."""
    try:
        names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return set()
    return {str(each.value) for each in names.value}


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


def canonical(name: str) -> str:
    """A DNS name or an address as `names_of` has it."""
    return str(_alt(name).value)


def _alt(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
