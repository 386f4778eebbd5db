"""What may be a name, generated names, template hashes."""

from __future__ import annotations

import random

import pytest

from machinery.objects import names

UPPER = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("web-1", []), ("1", []), ("a.b", ["must not contain dots"]), ("a" * 63, []),
        ("a" * 64, ["must be no more than 63 characters"]),
        ("A", [UPPER]),
    ],
)  # fmt: skip
def test_dns_labels(value: str, messages: list[str]) -> None:
    assert names.is_dns_label(value) == messages


@pytest.mark.parametrize("value", ["a", "a.b", "a-b.c-d", "1.2"])
def test_good_subdomains(value: str) -> None:
    assert names.is_dns_subdomain(value) == []


@pytest.mark.parametrize("value", ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a" * 254])
def test_bad_subdomains(value: str) -> None:
    assert names.is_dns_subdomain(value)


@pytest.mark.parametrize("value", ["a", "example.com/My_Name.x", "A" * 63, "kubernetes.io/hostname"])
def test_good_label_keys(value: str) -> None:
    assert names.is_label_key(value) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "name part must be non-empty"), ("/a", "prefix part must be non-empty"),
        ("a/b/c", "a valid label key must"),
        ("A/b", "prefix part a lowercase RFC 1123 subdomain"), ("a" * 64, "name part must be no more than 63 bytes"),
        ("a b", "name part must consist of alphanumeric"),
    ],
)  # fmt: skip
def test_bad_label_keys(value: str, message: str) -> None:
    assert names.is_label_key(value)[0].startswith(message)


def test_service_names_start_with_a_letter() -> None:
    assert names.is_dns_1035_label("a1") == []
    assert names.is_dns_1035_label("1a")[0].startswith("a DNS-1035 label must")


def test_port_names() -> None:
    assert names.is_port_name("http-1") == []
    assert names.is_port_name("1") == ["must contain at least one letter (a-z)"]
    assert names.is_port_name("a--b") == ["must not contain consecutive hyphens"]
    assert names.is_port_name("a" * 16) == ["must be no more than 15 characters"]


def test_generated_names_fit_and_differ() -> None:
    randomness = random.Random(1)
    first, second = names.generate("web-", randomness), names.generate("web-", randomness)
    assert first != second
    assert first.startswith("web-") and len(first) == 9
    long = names.generate("a" * 100, randomness)
    assert len(long) == 63 and names.is_dns_label(long) == []


def test_prefix_check_lets_a_dash_end_it() -> None:
    assert names.as_prefix(names.is_dns_label)("web-") == []
    assert names.as_prefix(names.is_dns_label)("Web-")


def test_template_hash_depends_on_content_only() -> None:
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert names.template_hash(one) == names.template_hash(other)
    assert names.template_hash(one) != names.template_hash({**one, "a": 2})
    assert names.template_hash(one) != names.template_hash(one, 1) != names.template_hash(one, 2)
    assert names.is_label_value(names.template_hash(one)) == []
