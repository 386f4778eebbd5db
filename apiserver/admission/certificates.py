"""CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may have which certificate signed.

Approving and signing need the verbs `approve` and `sign` on the request's signer, beside the right to write the
subresource. Nobody becomes a cluster administrator by a client certificate. Rules and texts: kube-apiserver
`plugin/pkg/admission/certificates`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from apiserver.admission.api import AdmissionRequest, Plugin
from apiserver.auth.api import MASTERS, Attributes, Authorizer
from machinery.errors import forbidden
from machinery.objects import meta

Object = dict[str, Any]

_RESOURCE = "certificatesigningrequests.certificates.k8s.io"
_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateApproval(Plugin):
    """approve: for writes to `approval`."""

    name = "CertificateApproval"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation == "UPDATE" and request.resource == f"{_RESOURCE}/approval"

    async def validate(self, request: AdmissionRequest) -> None:
        _check(self._authorizer, request, "approve", "user not permitted to approve requests with signerName")


class CertificateSigning(Plugin):
    """sign: for writes to `status` that bring a certificate or a failure."""

    name = "CertificateSigning"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation == "UPDATE" and request.resource == f"{_RESOURCE}/status"

    async def validate(self, request: AdmissionRequest) -> None:
        new, old = request.obj or {}, request.old or {}
        if (new.get("status") or {}) == (old.get("status") or {}):
            return
        _check(self._authorizer, request, "sign", "user not permitted to sign requests with signerName")


class CertificateSubjectRestriction(Plugin):
    """No client certificate for the group system:masters."""

    name = "CertificateSubjectRestriction"

    def wants(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource == _RESOURCE

    async def validate(self, request: AdmissionRequest) -> None:
        csr = request.obj or {}
        spec = csr.get("spec") or {}
        if spec.get("signerName") != _CLIENT_SIGNER or MASTERS not in _organizations(spec.get("request", "")):
            return
        why = f"use of {_CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
        raise forbidden(request.spec.gvr, meta.name(csr), why)


def _check(authorizer: Authorizer, request: AdmissionRequest, verb: str, refusal: str) -> None:
    signer = ((request.old or {}).get("spec") or {}).get("signerName", "")
    domain = signer.partition("/")[0]
    for name in (signer, f"{domain}/*"):
        attributes = Attributes(
            user=request.context.user,
            verb=verb,
            group="certificates.k8s.io",
            version="*",
            resource="signers",
            name=name,
        )
        if authorizer.authorize(attributes).allowed:
            return
    raise forbidden(request.spec.gvr, request.context.name, f'{refusal} "{signer}"')


def _organizations(request: str) -> list[str]:
    """The groups that a certificate request asks for; none of one that does not parse, which validation refuses."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        csr = x509.load_pem_x509_csr(base64.b64decode(request))
    except (ValueError, binascii.Error):
        return []
    return [str(each.value) for each in csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
