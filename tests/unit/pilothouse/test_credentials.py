"""The secrets of a cluster that comes back: kept, renewed in time, and whole after a crash between two files."""

from __future__ import annotations

import pathlib
from datetime import UTC, datetime, timedelta

import pytest

from pilothouse import pki
from pilothouse.credentials import Credentials, CredentialsError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_is_there_is_kept(tmp_path: pathlib.Path) -> None:
    first = Credentials.load_or_create(tmp_path, names=["localhost"], now=NOW)
    assert Credentials.load_or_create(tmp_path, names=["localhost"], now=NOW + timedelta(days=200)) == first


def test_leaves_are_renewed_when_a_third_of_their_life_is_left(tmp_path: pathlib.Path) -> None:
    first = Credentials.load_or_create(tmp_path, names=[], now=NOW)
    later = NOW + timedelta(days=250)
    again = Credentials.load_or_create(tmp_path, names=[], now=later)
    assert (again.authority, again.service_account_key) == (first.authority, first.service_account_key)
    for pair in (again.serving, again.admin):
        assert pki.expires(pair.certificate) > later + timedelta(days=360)


def test_a_key_that_is_not_the_certificates_is_replaced_with_it(tmp_path: pathlib.Path) -> None:
    first = Credentials.load_or_create(tmp_path, names=[], now=NOW)
    (tmp_path / "admin.key").write_bytes(first.serving.key)
    again = Credentials.load_or_create(tmp_path, names=[], now=NOW)
    assert again.admin.fits()
    assert again.admin != first.admin
    assert again.serving == first.serving


def test_a_certificate_that_lacks_a_name_or_is_none_or_of_another_authority_is_made_anew(
    tmp_path: pathlib.Path,
) -> None:
    first = Credentials.load_or_create(tmp_path, names=["10.0.0.1"], now=NOW)
    again = Credentials.load_or_create(tmp_path, names=["10.0.0.1", "fd00::1"], now=NOW)
    assert again.serving != first.serving and again.admin == first.admin
    assert "fd00::1" in pki.names_of(again.serving.certificate)
    (tmp_path / "admin.crt").write_text("no certificate")
    assert Credentials.load_or_create(tmp_path, names=[], now=NOW).admin.fits()
    other = Credentials.create(names=[], now=NOW)
    other.authority.pair.save(tmp_path, "ca")
    last = Credentials.load_or_create(tmp_path, names=[], now=NOW)
    assert last.authority.issued(last.admin.certificate) and last.authority.issued(last.serving.certificate)


def test_an_authority_is_never_made_anew(tmp_path: pathlib.Path) -> None:
    first = Credentials.load_or_create(tmp_path, names=[], now=NOW)
    (tmp_path / "ca.key").write_bytes(first.serving.key)
    with pytest.raises(CredentialsError, match=r"ca\.key: is not the key of .*/ca\.crt; restore it, or remove "):
        Credentials.load_or_create(tmp_path, names=[], now=NOW)
    assert (tmp_path / "ca.crt").read_bytes() == first.ca
