"""The certificates.k8s.io group."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from apiserver.resources.validation.checks import Errors, indexed, one_of
from machinery.errors import FieldError
from machinery.objects.names import is_dns_subdomain

Object = dict[str, Any]

_SHORTEST = 600
_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip


def csr(obj: Object) -> Errors:
    """A new CertificateSigningRequest."""
    spec = obj.get("spec") or {}
    errors: Errors = []
    if not _pem(spec.get("request")).startswith(_REQUEST):
        errors.append(
            FieldError.invalid("spec.request", spec.get("request") or "", "PEM block type must be CERTIFICATE REQUEST")
        )
    usages = spec.get("usages") or []
    if not usages:
        errors.append(FieldError.required("spec.usages"))
    for at, usage in indexed("spec.usages", usages):
        if usage not in _USAGES:
            errors.append(FieldError.not_supported(at, usage, _USAGES))
        elif usage in usages[: usages.index(usage)]:
            errors.append(FieldError.duplicate(at, usage))
    errors += _signer(spec.get("signerName") or "")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        errors.append(
            FieldError.invalid(
                "spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"
            )
        )
    return errors


def csr_status(obj: Object, old: Object) -> Errors:
    """What a signer writes: a certificate once, and only for a request that was approved."""
    status, before = obj.get("status") or {}, old.get("status") or {}
    errors = _conditions(status)
    certificate = status.get("certificate")
    if certificate and not before.get("certificate") and not _pem(certificate).startswith(_CERTIFICATE):
        errors.append(FieldError.invalid("status.certificate", certificate, "must contain one or more PEM blocks"))
    if before.get("certificate") and certificate != before["certificate"]:
        errors.append(
            FieldError.forbidden(
                "status.certificate",
                "updates may not modify existing certificate content or set existing certificate to empty",
            )
        )
    return errors


def csr_approval(obj: Object, old: Object) -> Errors:
    """What an approver writes: Approved or Denied, never both, and for good."""
    errors = _conditions(obj.get("status") or {})
    now = {each.get("type") for each in (obj.get("status") or {}).get("conditions") or []}
    for each in (old.get("status") or {}).get("conditions") or []:
        if each.get("type") not in now:
            errors.append(
                FieldError.forbidden(
                    "status.conditions", f'updates may not remove a condition of type "{each.get("type")}"'
                )
            )
    return errors


def _conditions(status: Object) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for at, condition in indexed("status.conditions", status.get("conditions")):
        kind = condition.get("type") or ""
        if not kind:
            errors.append(FieldError.required(f"{at}.type"))
        allowed = ("True",) if kind in ("Approved", "Denied", "Failed") else ("False", "True", "Unknown")
        errors += one_of(f"{at}.status", condition.get("status"), allowed)
        if kind in seen:
            errors.append(FieldError.duplicate(f"{at}.type", kind))
        if {kind, *seen} >= {"Approved", "Denied"}:
            errors.append(
                FieldError.invalid(f"{at}.type", kind, "Approved and Denied conditions are mutually exclusive")
            )
        seen.add(kind)
    return errors


def _signer(name: str) -> Errors:
    at = "spec.signerName"
    if not name:
        return [FieldError.required(at)]
    domain, slash, path = name.partition("/")
    if not slash or not path or "/" in path:
        return [
            FieldError.invalid(
                at, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'"
            )
        ]
    errors = [FieldError.invalid(at, domain, problem) for problem in is_dns_subdomain(domain)]
    return errors + [FieldError.invalid(at, path, problem) for problem in is_dns_subdomain(path)]


def _pem(encoded: str | None) -> bytes:
    """What base64 text holds; empty when it is no base64."""
    try:
        return base64.b64decode(encoded or "", validate=True).lstrip()
    except (binascii.Error, ValueError):
        return b""
