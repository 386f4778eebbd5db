"""Which certificate signing requests are what they say, and what a signer may put into a certificate. Pure.

The rules are those of the built-in signers, as in Kubernetes' documentation of certificate signing requests.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from machinery.client.api import Object
from machinery.objects import conditions, workload

if TYPE_CHECKING:
    from cryptography import x509

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"
SIGNERS = (CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN)

NODES_GROUP = "system:nodes"
NODE_USER_PREFIX = "system:node:"

_CLIENT_USAGES = {"key encipherment", "digital signature", "client auth"}
_SERVING_USAGES = {"key encipherment", "digital signature", "server auth"}


class BadRequestInside(ValueError):
    """The PKCS#10 request is not what its signer takes; the message says why."""


def is_approved(csr: Object) -> bool:
    """Approved, and neither denied nor failed."""
    return conditions.is_true(csr, "Approved") and not is_decided_against(csr)


def is_decided_against(csr: Object) -> bool:
    """Denied or failed."""
    return conditions.is_true(csr, "Denied") or conditions.is_true(csr, "Failed")


def is_signed(csr: Object) -> bool:
    return bool(workload.status(csr).get("certificate"))


def parse(csr: Object) -> x509.CertificateSigningRequest:
    """The PKCS#10 request in `spec.request`. Raises BadRequestInside."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_csr(base64.b64decode(workload.spec(csr).get("request") or ""))
    except ValueError as error:
        raise BadRequestInside(f"unable to parse csr: {error}") from error
    if not found.is_signature_valid:
        raise BadRequestInside("the request is not signed by its own key")
    return found


def subject(request: x509.CertificateSigningRequest) -> tuple[str, tuple[str, ...]]:
    """(common name, organizations)."""
    from cryptography.x509.oid import NameOID

    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return (str(names[0].value) if names else "", tuple(str(each.value) for each in organizations))


def alternative_names(request: x509.CertificateSigningRequest) -> Sequence[Any]:
    """The subject alternative names, of all kinds."""
    from cryptography import x509

    try:
        extension = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    except ValueError as error:
        raise BadRequestInside(f"malformed extension: {error}") from error
    return list(extension.value)


def check(csr: Object, request: x509.CertificateSigningRequest) -> None:
    """Raise BadRequestInside unless the request is one that its signer takes."""
    signer = str(workload.spec(csr).get("signerName") or "")
    usages = set(workload.spec(csr).get("usages") or ())
    if signer == KUBELET_CLIENT:
        _check_node(request)
        if alternative_names(request):
            raise BadRequestInside("DNS, IP, email and URI subjectAltNames are not allowed")
        _check_usages(usages, _CLIENT_USAGES, "client auth")
    elif signer == KUBELET_SERVING:
        from cryptography import x509

        _check_node(request)
        names = alternative_names(request)
        if not any(isinstance(each, x509.DNSName | x509.IPAddress) for each in names):
            raise BadRequestInside("at least one DNS or IP subjectAltName is required")
        if any(isinstance(each, x509.RFC822Name | x509.UniformResourceIdentifier) for each in names):
            raise BadRequestInside("email and URI subjectAltNames are not allowed")
        _check_usages(usages, _SERVING_USAGES, "server auth")
    elif signer == CLIENT and ("client auth" not in usages or not usages <= _CLIENT_USAGES):
        raise BadRequestInside(f"usages must be of {sorted(_CLIENT_USAGES)} and contain 'client auth'")


def is_node_client(csr: Object) -> bool:
    """Whether it asks for what a node agent uses towards the API."""
    if workload.spec(csr).get("signerName") != KUBELET_CLIENT:
        return False
    try:
        check(csr, parse(csr))
    except BadRequestInside:
        return False
    return True


def is_own_renewal(csr: Object) -> bool:
    """Whether who asks is the node that the certificate would name."""
    return is_node_client(csr) and workload.spec(csr).get("username") == subject(parse(csr))[0]


def _check_node(request: x509.CertificateSigningRequest) -> None:
    name, organizations = subject(request)
    if organizations != (NODES_GROUP,):
        raise BadRequestInside(f"subject organization is not {NODES_GROUP}")
    if not name.startswith(NODE_USER_PREFIX) or name == NODE_USER_PREFIX:
        raise BadRequestInside(f"subject common name does not begin with {NODE_USER_PREFIX}")


def _check_usages(usages: set[str], allowed: set[str], purpose: str) -> None:
    if not {"digital signature", purpose} <= usages <= allowed:
        raise BadRequestInside(f"usages did not match {sorted(allowed)}")
