"""The admissionregistration.k8s.io group: webhooks and policies that admission consults."""

from __future__ import annotations

from apiserver.resources.rows import EXTENSIONS, STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.spec import ResourceSpec, SubresourceSpec

_V1 = "admissionregistration.k8s.io/v1"


def _row(kind: str, resource: str, *subresources: SubresourceSpec) -> ResourceSpec:
    return built_in(
        _V1,
        kind,
        resource,
        namespaced=False,
        categories=EXTENSIONS,
        subresources=subresources,
        strategy=Rules(status=bool(subresources), unconditional=False),
    )


ROWS = (
    _row("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
    _row("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
    _row("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    _row("ValidatingAdmissionPolicy", "validatingadmissionpolicies", STATUS),
    _row("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    _row("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
)
