"""A client certificate of a node from the cluster's own signer, through a CertificateSigningRequest.

The key is made here and never leaves; who asks with a bootstrap token gets a node's first certificate, a node gets a
renewal of its own. Rules: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from actors import Clock
from machinery.client.api import Client, Object
from machinery.client.resources import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from machinery.client.watch import states
from machinery.objects import conditions, meta

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
GROUP = "system:nodes"
_USER_PREFIX = "system:node:"


class RequestError(Exception):
    """No certificate: the request was denied, failed, or was not answered in time. The message says which."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def user_name(node: str) -> str:
    """Who a node is to the API."""
    return f"{_USER_PREFIX}{node}"


def node_of(certificate: bytes) -> str:
    """The node whose client certificate (PEM) this is; "" when it is somebody else's."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = x509.load_pem_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    return name.removeprefix(_USER_PREFIX) if name.startswith(_USER_PREFIX) else ""


def validity(certificate: bytes) -> tuple[datetime, datetime]:
    """When a certificate (PEM) begins and ends (aware, UTC)."""
    from cryptography import x509

    loaded = x509.load_pem_x509_certificate(certificate)
    return loaded.not_valid_before_utc, loaded.not_valid_after_utc


def signing_request(common_name: str, organizations: Sequence[str]) -> tuple[bytes, bytes]:
    """(CSR, private key), both PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject(common_name, organizations))
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private_pem(key)


async def obtain(client: Client, node: str, *, clock: Clock, timeout: float, prefix: str = "csr-") -> Issued:
    """Ask for a client certificate of `node` and wait until it is issued, `timeout` seconds at most.

    prefix: of the request's name. Raises RequestError, ApiError."""
    request, key = signing_request(user_name(node), [GROUP])
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": prefix},
        "spec": {
            "request": base64.b64encode(request).decode(),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
        },
    }
    name = meta.name(await client.create(REQUESTS, body))
    try:
        async with clock.timeout(timeout):
            return Issued(await _issued(client, name, clock), key)
    except TimeoutError:
        raise RequestError(
            f"certificate signing request {name} was not answered within {timeout:g} s: approve it with "
            f"'kubectl certificate approve {name}', and try again"
        ) from None


def subject(common_name: str, organizations: Sequence[str]) -> x509.Name:
    """A certificate's subject: user and groups."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM (PKCS #8), not encrypted."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


async def _issued(client: Client, name: str, clock: Clock) -> bytes:
    selector = f"metadata.name={name}"
    async with contextlib.aclosing(states(client, REQUESTS, clock=clock, field_selector=selector)) as requests:
        async for request in requests:
            certificate = _certificate(request, name)
            if certificate:
                return certificate
    raise AssertionError("following a resource never ends")


def _certificate(request: Object, name: str) -> bytes:
    for condition in conditions.all_of(request):
        if condition["type"] in ("Denied", "Failed"):
            raise RequestError(
                f"certificate signing request {name}: {condition['type']}: {condition.get('message', '')}"
            )
    return base64.b64decode((request.get("status") or {}).get("certificate") or "")
