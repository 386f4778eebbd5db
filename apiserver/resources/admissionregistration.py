"""The admissionregistration.k8s.io group: webhooks and policies that admission consults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apiserver.resources.columns import groups as columns
from apiserver.resources.defaults import admissionregistration as defaults
from apiserver.resources.rows import EXTENSIONS, STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.spec import Column, ResourceSpec, SubresourceSpec
from apiserver.resources.validation import admissionregistration as validation
from machinery.errors import FieldError

_V1 = "admissionregistration.k8s.io/v1"

Object = dict[str, Any]


def _row(
    kind: str,
    resource: str,
    default: Callable[[Object], None],
    validate: Callable[[Object], list[FieldError]],
    table: Sequence[Column],
    *subresources: SubresourceSpec,
) -> ResourceSpec:
    return built_in(
        _V1,
        kind,
        resource,
        namespaced=False,
        categories=EXTENSIONS,
        subresources=subresources,
        columns=table,
        strategy=Rules(
            status=bool(subresources),
            initial_status={} if subresources else None,
            unconditional=False,
            default=default,
            validate=validate,
        ),
    )


ROWS = (
    _row(
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        defaults.admission_policy,
        validation.mutating_policy,
        columns.MUTATING_POLICY,
    ),
    _row(
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        defaults.admission_policy_binding,
        validation.mutating_policy_binding,
        columns.POLICY_BINDING,
    ),
    _row(
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        defaults.mutating_webhooks,
        validation.mutating_webhooks,
        columns.WEBHOOKS,
    ),
    _row(
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        defaults.admission_policy,
        validation.admission_policy,
        columns.VALIDATING_POLICY,
        STATUS,
    ),
    _row(
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        defaults.admission_policy_binding,
        validation.admission_policy_binding,
        columns.POLICY_BINDING,
    ),
    _row(
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        defaults.validating_webhooks,
        validation.validating_webhooks,
        columns.WEBHOOKS,
    ),
)
