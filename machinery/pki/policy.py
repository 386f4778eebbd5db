"""What a server demands of TLS beyond a certificate: versions, cipher suites, and which clients' certificates count.

Python's ``ssl`` has no hook for a client's certificate on a server. What it verified is looked at once the handshake
is over, before a byte of the client is read; a certificate that does not count ends the connection there.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from machinery.pki.errors import TlsError

_VERSIONS = {"TLS1.2": ssl.TLSVersion.TLSv1_2, "TLS1.3": ssl.TLSVersion.TLSv1_3}
_SUITES = {
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
"""Go's names of the suites of TLS 1.2, with OpenSSL's."""
_SUITES_13 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""Those of TLS 1.3, which are always on: it has no weak ones."""


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """min_version, max_version: "TLS1.2" or "TLS1.3", "" for what there is. cipher_suites: by the names that Go and
    etcd use, () for OpenSSL's choice; they bind TLS 1.2 alone. allowed_names: hosts (names or IP addresses), for one of
    which a client's certificate must be. Raises TlsError for what is unknown or contradicts itself."""

    min_version: str = "TLS1.2"
    max_version: str = ""
    cipher_suites: tuple[str, ...] = ()
    allowed_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, version in (("tls-min-version", self.min_version), ("tls-max-version", self.max_version)):
            if version and version not in _VERSIONS:
                raise TlsError(f"{name}: {version!r} is neither TLS1.2 nor TLS1.3")
        if self.max_version and self.max_version < self.min_version:
            raise TlsError(f"tls-min-version {self.min_version} is above tls-max-version {self.max_version}")
        for suite in self.cipher_suites:
            if suite not in _SUITES and suite not in _SUITES_13:
                raise TlsError(f"cipher-suites: {suite!r} is not known; known are {', '.join((*_SUITES, *_SUITES_13))}")
        if self.cipher_suites and self.min_version == "TLS1.3":
            raise TlsError("cipher-suites: TLS 1.3 has no choice of them; leave them out or lower tls-min-version")

    def apply(self, context: ssl.SSLContext, *, revoked: bytes = b"") -> None:
        """Make a server's context so. revoked: a list of revoked certificates (PEM), b"" for none. Raises TlsError."""
        context.minimum_version = _VERSIONS[self.min_version or "TLS1.2"]
        if self.max_version:
            context.maximum_version = _VERSIONS[self.max_version]
        older = [_SUITES[suite] for suite in self.cipher_suites if suite in _SUITES]
        if older:
            context.set_ciphers(":".join(dict.fromkeys(older)))
        elif self.cipher_suites:
            context.minimum_version = ssl.TLSVersion.TLSv1_3  # of TLS 1.2 there is none left
        serials = _serials(revoked) if revoked else frozenset()
        if serials or self.allowed_names:
            context.sslobject_class = _checking(lambda certificate: self._problem(certificate, serials))

    def _problem(self, certificate: Mapping[str, Any], serials: frozenset[int]) -> str:
        if int(certificate.get("serialNumber", "0"), 16) in serials:
            return "the client's certificate is revoked"
        if self.allowed_names and not any(is_for(certificate, name) for name in self.allowed_names):
            return "the client's certificate is for another host than is allowed"
        return ""


def is_for(certificate: Mapping[str, Any], host: str) -> bool:
    """True when a certificate (as `getpeercert` tells it) is for a host: a name, with a `*` for its first label, or an
    IP address. The common name does not count."""
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "IP Address" and _same_address(value, host):
            return True
        if kind == "DNS" and (value.lower() == host.lower() or _matches(value.lower(), host.lower())):
            return True
    return False


def _matches(pattern: str, host: str) -> bool:
    return pattern.startswith("*.") and pattern[1:] == host[host.find(".") :] and "." in host


def _same_address(one: str, other: str) -> bool:
    try:
        return ip_address(one.strip()) == ip_address(other.strip("[]"))
    except ValueError:
        return False


def _serials(revoked: bytes) -> frozenset[int]:
    from cryptography import x509

    try:
        return frozenset(entry.serial_number for entry in x509.load_pem_x509_crl(revoked))
    except ValueError as error:
        raise TlsError(f"the list of revoked certificates is not PEM: {error}") from error


def _checking(problem_of: Callable[[Mapping[str, Any]], str]) -> type[ssl.SSLObject]:
    class Checking(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            problem = problem_of(self.getpeercert() or {})
            if problem:
                raise ssl.SSLCertVerificationError(problem)

    return Checking
