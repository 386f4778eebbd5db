"""The secrets of a cluster that comes back: kept, renewed in time, and whole after a crash between two files."""

from __future__ import annotations

import pathlib
from datetime import UTC, datetime, timedelta

from pilothouse import pki
from pilothouse.credentials import Credentials

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
