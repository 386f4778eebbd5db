"""What a server demands of TLS: what is refused, and which hosts a certificate is for."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from machinery.pki.errors import TlsError
from machinery.pki.policy import ServerPolicy, is_for

CERTIFICATE = {
    "subject": ((("commonName", "named.example.com"),),),
    "subjectAltName": (
        ("DNS", "App.example.com"),
        ("DNS", "*.wild.example.com"),
        ("IP Address", "10.0.0.1"),
        ("IP Address", "FD00:0:0:0:0:0:0:1"),
    ),
}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("app.example.com", True, id="whatever its case"),
        pytest.param("named.example.com", False, id="common names do not count"),
        pytest.param("a.wild.example.com", True, id="wildcard"),
        pytest.param("a.b.wild.example.com", False, id="a wildcard is one label"),
        pytest.param("wild.example.com", False, id="a wildcard is a label"),
        pytest.param("example.com", False, id="the domain above"),
        pytest.param("10.0.0.1", True, id="address"),
        pytest.param("10.0.0.10", False, id="another address"),
        pytest.param("fd00::1", True, id="IPv6"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_hosts_of_a_certificate(host: str, expected: bool) -> None:
    assert is_for(CERTIFICATE, host) is expected


def test_a_certificate_without_names_is_for_nobody() -> None:
    assert not is_for({}, "app.example.com")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        pytest.param({"min_version": "TLS1.1"}, "tls-min-version: 'TLS1.1'", id="version"),
        pytest.param({"max_version": "TLS9"}, "tls-max-version: 'TLS9'", id="highest version"),
        pytest.param({"min_version": "TLS1.3", "max_version": "TLS1.2"}, "is above", id="nothing in between"),
        pytest.param({"cipher_suites": ("TLS_RSA_WITH_RC4_128_SHA",)}, "is not known", id="suite"),
        pytest.param(
            {"cipher_suites": ("TLS_AES_128_GCM_SHA256",), "min_version": "TLS1.3"}, "has no choice", id="suites of 1.3"
        ),
    ],
)
def test_what_cannot_be(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(TlsError, match=text):
        ServerPolicy(**settings)


def test_suites_of_the_newer_version_alone_leave_nothing_of_the_older() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ServerPolicy(cipher_suites=("TLS_AES_128_GCM_SHA256",)).apply(context)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


def test_every_suite_is_one_that_openssl_knows() -> None:
    from machinery.pki.policy import _SUITES

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name in _SUITES:
        ServerPolicy(cipher_suites=(name,)).apply(context)


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(TlsError, match="revoked certificates"):
        ServerPolicy().apply(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), revoked=b"text")
