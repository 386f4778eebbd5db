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
        """Those in `directory`; what is missing there is made and written. Raises OSError."""
        authority_pair = _pair(directory, "ca")
        authority = Authority(authority_pair) if authority_pair else Authority.create("kubernetes", now=now)
        if authority_pair is None:
            authority.pair.save(directory, "ca")

        def issued(name: str, make: KeyPair | None, common_name: str, **options: object) -> KeyPair:
            if make is not None and make.fits() and not pki.renewal_due(make.certificate, now=now):
                return make
            pair = authority.issue(common_name, now=now, **options)  # type: ignore[arg-type]  # passed on as they came
            pair.save(directory, name)
            return pair

        serving_names = [*SERVICE_NAMES, *names]
        serving = issued("apiserver", _pair(directory, "apiserver"), "kube-apiserver", names=serving_names, server=True)
        admin = issued("admin", _pair(directory, "admin"), ADMIN, organizations=[ADMIN_GROUP], client=True)
        key = directory / "sa.key"
        if not key.exists():
            private, public = pki.service_account_key()
            write_file(key, private, secret=True)
            write_file(directory / "sa.pub", public)
        return cls(authority, serving, admin, key.read_bytes())


def _pair(directory: pathlib.Path, name: str) -> KeyPair | None:
    try:
        return KeyPair.load(directory, name)
    except FileNotFoundError:
        return None
