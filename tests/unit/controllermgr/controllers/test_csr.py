"""Certificate requests: which are a node's, what is signed, when they go."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controllermgr.controllers import csr_rules as rules
from controllermgr.controllers.csrcleaner import useless_at
from controllermgr.controllers.csrsigning import Authority

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CLIENT_USAGES = ("digital signature", "client auth")


def name(common: str, *organizations: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def csr(
    common: str = "system:node:n1",
    organizations: tuple[str, ...] = ("system:nodes",),
    *,
    signer: str = rules.KUBELET_CLIENT,
    usages: tuple[str, ...] = CLIENT_USAGES,
    names: tuple[x509.GeneralName, ...] = (),
    username: str = "system:bootstrap:abcdef",
) -> dict[str, Any]:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common, *organizations))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )
    return {
        "metadata": {"name": "c", "creationTimestamp": "2026-01-01T12:00:00Z"},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": signer,
            "usages": list(usages),
            "username": username,
        },
        "status": {},
    }


@pytest.mark.parametrize(
    ("request_", "recognized"),
    [
        pytest.param(csr(), True, id="a node's"),
        pytest.param(csr(usages=(*CLIENT_USAGES, "key encipherment")), True, id="with RSA's usage"),
        pytest.param(csr("system:nodeling"), False, id="another user"),
        pytest.param(csr("system:node:"), False, id="a node without a name"),
        pytest.param(csr(organizations=("system:nodes", "system:masters")), False, id="one group too many"),
        pytest.param(csr(organizations=()), False, id="no group"),
        pytest.param(csr(names=(x509.DNSName("n1"),)), False, id="with names"),
        pytest.param(csr(usages=("digital signature", "server auth")), False, id="for serving"),
        pytest.param(csr(usages=("client auth",)), False, id="without signatures"),
        pytest.param(csr(signer=rules.CLIENT), False, id="another signer"),
        pytest.param({"spec": {"request": "bm8=", "signerName": rules.KUBELET_CLIENT}}, False, id="no request"),
    ],
)
def test_which_requests_are_a_nodes(request_: dict[str, Any], recognized: bool) -> None:
    assert rules.is_node_client(request_) is recognized


def test_a_renewal_is_asked_for_by_the_node_itself() -> None:
    assert rules.is_own_renewal(csr(username="system:node:n1"))
    assert not rules.is_own_renewal(csr(username="system:node:n2"))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        pytest.param(
            csr(signer=rules.KUBELET_SERVING, usages=("digital signature", "server auth")), "at least one DNS"
        ),
        pytest.param(csr(signer=rules.CLIENT, usages=("server auth",)), "contain 'client auth'"),
    ],
)
def test_signers_refuse_what_is_not_theirs(request_: dict[str, Any], why: str) -> None:
    with pytest.raises(rules.BadRequestInside, match=why):
        rules.check(request_, rules.parse(request_))


def authority() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    cert = (
        x509.CertificateBuilder()
        .subject_name(name("ca"))
        .issuer_name(name("ca"))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return (
        cert.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


@pytest.mark.parametrize(
    ("seconds", "days"),
    [pytest.param(86400.0, 1, id="as asked"), pytest.param(86400.0 * 999, 365, id="not past the CA")],
)
def test_a_signed_certificate_is_what_was_asked_for(seconds: float, days: int) -> None:
    ca, key = authority()
    asked = csr()
    pem = Authority(ca, key).sign(asked, rules.parse(asked), seconds=seconds, now=NOW)
    cert = x509.load_pem_x509_certificate(pem)
    cert.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.encode()))
    assert cert.subject == name("system:node:n1", "system:nodes")
    assert cert.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert cert.not_valid_after_utc == NOW + timedelta(days=days)
    assert cert.public_key() == rules.parse(asked).public_key()
    purposes = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)
    assert cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_no_usage_of_the_key_is_no_extension() -> None:
    ca, key = authority()
    asked = csr()
    asked["spec"]["usages"] = ["client auth"]
    pem = Authority(ca, key).sign(asked, rules.parse(asked), seconds=3600, now=NOW)
    extensions = x509.load_pem_x509_certificate(pem).extensions
    assert x509.KeyUsage not in [type(each.value) for each in extensions]


def test_when_requests_go() -> None:
    pending = csr()
    assert useless_at(pending) == NOW + timedelta(hours=24)
    approved = {**pending, "status": {"conditions": [{"type": "Approved", "lastUpdateTime": "2026-01-01T12:30:00Z"}]}}
    assert useless_at(approved) == NOW + timedelta(minutes=90)
