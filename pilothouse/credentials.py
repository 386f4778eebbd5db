"""Everything secret that one cluster is made of: its authority, the certificates it issued, the token signing key.

In memory for an embedded cluster, in files (laid out as kubeadm does its pki directory) for one that must come back
after a restart. `load_or_create` is the whole life: what is there is read, what is missing is made.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from machinery.pki.files import write_file
from pilothouse import pki
from pilothouse.pki import Authority, KeyPair

ADMIN = "kubernetes-admin"
ADMIN_GROUP = "system:masters"
SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


class CredentialsError(Exception):
    """A file that holds no certificate or key. The text names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """authority: signs everything. serving: the API server's certificate, REST and gRPC. admin: a client certificate in
    system:masters. service_account_key: PEM private key that signs tokens."""

    authority: Authority
    serving: KeyPair
    admin: KeyPair
    service_account_key: bytes

    @property
    def ca(self) -> bytes:
        """The authority's certificate, PEM: what clients trust."""
        return self.authority.pair.certificate

    @classmethod
    def create(cls, *, names: Sequence[str], now: datetime) -> Credentials:
        """New ones. names: DNS names and addresses that clients reach the API server by."""
        authority = Authority.create("kubernetes", now=now)
        private, _ = pki.service_account_key()
        return cls(
            authority=authority,
            serving=authority.issue("kube-apiserver", names=[*SERVICE_NAMES, *names], server=True, now=now),
            admin=authority.issue(ADMIN, organizations=[ADMIN_GROUP], client=True, now=now),
            service_account_key=private,
        )

    @classmethod
    def load_or_create(cls, directory: pathlib.Path, *, names: Sequence[str], now: datetime) -> Credentials:
        """Those in `directory`; what is missing there is made and written. Raises OSError, CredentialsError."""
        authority_pair = _pair(directory, "ca")
        if authority_pair is not None:
            _check_authority(authority_pair, directory)
        authority = Authority(authority_pair) if authority_pair else Authority.create("kubernetes", now=now)
        if authority_pair is None:
            authority.pair.save(directory, "ca")

        def issued(name: str, common_name: str, *, names: Sequence[str] = (), **options: object) -> KeyPair:
            pair = _pair(directory, name)
            if pair is not None and _usable(pair, authority, names=names, now=now):
                return pair
            pair = authority.issue(common_name, names=names, now=now, **options)  # type: ignore[arg-type]  # passed on as they came
            pair.save(directory, name)
            return pair

        serving = issued("apiserver", "kube-apiserver", names=[*SERVICE_NAMES, *names], server=True)
        admin = issued("admin", ADMIN, organizations=[ADMIN_GROUP], client=True)
        key = directory / "sa.key"
        if not key.exists():
            private, public = pki.service_account_key()
            write_file(key, private, secret=True)
            write_file(directory / "sa.pub", public)
        signing = key.read_bytes()
        if not pki.is_key(signing):
            raise CredentialsError(
                f"{key}: holds no private key; remove it for a new one: tokens given out end with it"
            )
        return cls(authority, serving, admin, signing)


def _pair(directory: pathlib.Path, name: str) -> KeyPair | None:
    try:
        return KeyPair.load(directory, name)
    except FileNotFoundError:
        return None


def _check_authority(pair: KeyPair, directory: pathlib.Path) -> None:
    """Raise CredentialsError for files that are no authority: nobody but their owner can say what becomes of them."""
    remedy = f"restore it, or remove {directory} for a new authority"
    if not pki.is_certificate(pair.certificate):
        raise CredentialsError(f"{directory / 'ca.crt'}: holds no certificate; {remedy}")
    if not pki.is_key(pair.key):
        raise CredentialsError(f"{directory / 'ca.key'}: holds no private key; {remedy}")
    if not pair.fits():
        raise CredentialsError(f"{directory / 'ca.key'}: is not the key of {directory / 'ca.crt'}; {remedy}")


def _usable(pair: KeyPair, authority: Authority, *, names: Sequence[str], now: datetime) -> bool:
    """Whether an issued pair can go on: one that cannot is made anew, for it says nothing that we do not know."""
    return (
        pki.is_certificate(pair.certificate)
        and pki.is_key(pair.key)
        and pair.fits()
        and authority.issued(pair.certificate)
        and {pki.canonical(name) for name in names} <= pki.names_of(pair.certificate)
        and not pki.renewal_due(pair.certificate, now=now)
    )
