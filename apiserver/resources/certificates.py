"""The certificates.k8s.io group."""

from __future__ import annotations

from apiserver.resources.columns import groups as columns
from apiserver.resources.csr import CsrStrategy
from apiserver.resources.rows import STATUS, built_in, text
from apiserver.resources.rules import Rules
from apiserver.resources.spec import SubresourceSpec

_V1 = "certificates.k8s.io/v1"

ROWS = (
    built_in(
        _V1,
        "CertificateSigningRequest",
        "certificatesigningrequests",
        namespaced=False,
        short=("csr",),
        subresources=(STATUS, SubresourceSpec("approval")),
        columns=columns.CSR,
        strategy=CsrStrategy(),
        selectable={"spec.signerName": text("spec", "signerName")},
    ),
    built_in(
        _V1,
        "ClusterTrustBundle",
        "clustertrustbundles",
        namespaced=False,
        columns=columns.TRUST_BUNDLE,
        strategy=Rules(status=False, generation=False, unconditional=False),
        selectable={"spec.signerName": text("spec", "signerName")},
    ),
    built_in(
        _V1,
        "PodCertificateRequest",
        "podcertificaterequests",
        subresources=(STATUS,),
        columns=columns.POD_CERTIFICATE,
        strategy=Rules(generation=False, unconditional=False),
        selectable={
            "spec.signerName": text("spec", "signerName"),
            "spec.podName": text("spec", "podName"),
            "spec.nodeName": text("spec", "nodeName"),
        },
    ),
)
