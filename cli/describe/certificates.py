"""Certificate signing requests, and what is asked for in them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.describe import basics
from cli.describe.seen import Seen
from cli.describe.text import Text, labels
from machinery.objects import timefmt

if TYPE_CHECKING:
    from cryptography.x509 import CertificateSigningRequest

Object = Mapping[str, Any]


def signing_request(text: Text, obj: Object, seen: Seen) -> None:
    from cryptography.x509 import load_pem_x509_csr

    about, spec = obj["metadata"], obj["spec"]
    text.field("Name", about["name"])
    text.field("Labels", labels(about.get("labels")))
    text.field("Annotations", labels(about.get("annotations")))
    basics.created(text, obj)
    text.field("Requesting User", spec.get("username", ""))
    text.given("Signer", spec.get("signerName"))
    if spec.get("expirationSeconds") is not None:
        text.field("Requested Duration", timefmt.human_duration(spec["expirationSeconds"]))
    text.field("Status", _status(obj.get("status") or {}))
    request = load_pem_x509_csr(base64.b64decode(spec["request"]))
    _subject(text, request)
    _names(text, request)


def _status(status: Object) -> str:
    held = {each["type"] for each in status.get("conditions") or ()}
    decided = "Denied" if "Denied" in held else "Approved" if "Approved" in held else "Pending"
    return f"{decided}{',Failed' if 'Failed' in held else ''}{',Issued' if status.get('certificate') else ''}"


def _subject(text: Text, request: CertificateSigningRequest) -> None:
    from cryptography.x509.oid import NameOID

    def values(oid: Any) -> list[str]:
        return [str(each.value) for each in request.subject.get_attributes_for_oid(oid)]

    text.head("Subject")
    text.line(f"\tCommon Name:\t{''.join(values(NameOID.COMMON_NAME)[-1:])}")
    text.line(f"\tSerial Number:\t{''.join(values(NameOID.SERIAL_NUMBER)[-1:])}")
    for label, oid in (
        ("Organization", NameOID.ORGANIZATION_NAME),
        ("Organizational Unit", NameOID.ORGANIZATIONAL_UNIT_NAME),
        ("Country", NameOID.COUNTRY_NAME),
        ("Locality", NameOID.LOCALITY_NAME),
        ("Province", NameOID.STATE_OR_PROVINCE_NAME),
        ("StreetAddress", NameOID.STREET_ADDRESS),
        ("PostalCode", NameOID.POSTAL_CODE),
    ):
        _listed(text, label, values(oid))


def _names(text: Text, request: CertificateSigningRequest) -> None:
    from cryptography import x509

    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    text.head("Subject Alternative Names")
    for label, kind in (
        ("DNS Names", x509.DNSName),
        ("Email Addresses", x509.RFC822Name),
        ("URIs", x509.UniformResourceIdentifier),
        ("IP Addresses", x509.IPAddress),
    ):
        _listed(text, label, [str(value) for value in names.get_values_for_type(kind)])


def _listed(text: Text, label: str, values: list[str]) -> None:
    for index, value in enumerate(values):
        text.line(f"\t{'' if index else label + ':'}\t{value}")
