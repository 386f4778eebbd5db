"""The small groups: rbac, policy, coordination, scheduling, certificates, node, admissionregistration."""

from __future__ import annotations

from typing import Any

from apiserver.resources.columns.build import AGE, CREATED_AT, NAME, NONE, UNSET, at, count, number, text, truth, wide
from machinery.objects import conditions, timefmt

Object = dict[str, Any]

PLAIN = (NAME, CREATED_AT)
"""Kinds that upstream's printers do not know."""


def _role(binding: Object) -> str:
    reference = binding.get("roleRef") or {}
    return f"{reference.get('kind')}/{reference.get('name')}"


def _subjects(kind: str) -> Any:
    def cell(binding: Object) -> str:
        listed = [each for each in binding.get("subjects") or [] if each.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{each.get('namespace') or ''}/{each['name']}" for each in listed)
        return ", ".join(each["name"] for each in listed)

    return cell


def _csr_condition(csr: Object) -> str:
    denied, approved = (conditions.get(csr, kind) is not None for kind in ("Denied", "Approved"))
    words = ["Denied" if denied else "Approved" if approved else "Pending"]
    if conditions.get(csr, "Failed") is not None:
        words.append("Failed")
    if (csr.get("status") or {}).get("certificate"):
        words.append("Issued")
    return ",".join(words)


def _requested(csr: Object) -> str:
    seconds = (csr.get("spec") or {}).get("expirationSeconds")
    return NONE if seconds is None else timefmt.human_duration(seconds)


def _int_or_na(*path: str) -> Any:
    return lambda o: str(at(*path, default="N/A")(o))


def _param_kind(policy: Object) -> str:
    kind = (policy.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else UNSET


def _param_ref(binding: Object) -> str:
    reference = (binding.get("spec") or {}).get("paramRef")
    if not reference:
        return UNSET
    named = reference.get("name") or "*"
    return f"{reference['namespace']}/{named}" if reference.get("namespace") else named


def _certificate_state(request: Object) -> str:
    for kind in ("Denied", "Failed", "Issued"):
        if conditions.is_true(request, kind):
            return kind
    return "Pending"


BINDING = (
    NAME,
    text("Role", "The role that is given.", _role),
    AGE,
    wide("Users", "Users in the roleBinding", _subjects("User")),
    wide("Groups", "Groups in the roleBinding", _subjects("Group")),
    wide("ServiceAccounts", "ServiceAccounts in the roleBinding", _subjects("ServiceAccount")),
)
DISRUPTION_BUDGET = (
    NAME,
    text("Min Available", "The minimum number of pods that must be available.", _int_or_na("spec", "minAvailable")),
    text(
        "Max Unavailable", "The maximum number of pods that may be unavailable.", _int_or_na("spec", "maxUnavailable")
    ),
    number(
        "Allowed Disruptions",
        "Calculated number of pods that may be disrupted at this time.",
        at("status", "disruptionsAllowed", default=0),
    ),
    AGE,
)
LEASE = (NAME, text("Holder", "Who holds the lease.", at("spec", "holderIdentity")), AGE)
PRIORITY_CLASS = (
    NAME,
    number("Value", "How urgent its pods are.", at("value", default=0)),
    truth("Global-Default", "Whether pods without a class get this one.", at("globalDefault", default=False)),
    AGE,
    text("PreemptionPolicy", "Whether its pods displace others.", at("preemptionPolicy")),
)
CSR = (
    NAME,
    AGE,
    text("SignerName", "Who is to sign.", at("spec", "signerName")),
    text("Requestor", "Who asked.", at("spec", "username")),
    text("RequestedDuration", "How long the certificate is to be good.", _requested),
    text("Condition", "Whether it is approved and signed.", _csr_condition),
)
TRUST_BUNDLE = (NAME, text("SignerName", "Whose certificates the bundle trusts.", at("spec", "signerName")))
POD_CERTIFICATE = (
    NAME,
    text("PodName", "The pod that the certificate is for.", at("spec", "podName")),
    text("ServiceAccountName", "The pod's service account.", at("spec", "serviceAccountName")),
    text("NodeName", "The pod's node.", at("spec", "nodeName")),
    text("SignerName", "Who is to sign.", at("spec", "signerName")),
    text("State", "Whether the certificate was issued.", _certificate_state),
)
RUNTIME_CLASS = (NAME, text("Handler", "What the runtime calls it.", at("handler")), AGE)
WEBHOOKS = (NAME, number("Webhooks", "How many webhooks there are.", count("webhooks")), AGE)
VALIDATING_POLICY = (
    NAME,
    number("Validations", "How many expressions there are.", count("spec", "validations")),
    text("ParamKind", "The kind of the policy's parameters.", _param_kind),
    AGE,
)
MUTATING_POLICY = (
    NAME,
    number("Mutations", "How many mutations there are.", count("spec", "mutations")),
    text("ParamKind", "The kind of the policy's parameters.", _param_kind),
    AGE,
)
POLICY_BINDING = (
    NAME,
    text("PolicyName", "The policy that is bound.", at("spec", "policyName")),
    text("ParamRef", "The policy's parameters.", _param_ref),
    AGE,
)
