"""Phase `certs`: the authorities, the serving and client certificates, and the key that signs tokens.

The files are kubeadm's: https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse import pki
from pilothouse.credentials import ADMIN, ADMIN_GROUP, SERVICE_NAMES
from pilothouse.init.settings import InitSettings
from pilothouse.pki import Authority, KeyPair


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate: its file's name, the authority that issues it, and what it says."""

    name: str
    authority: str
    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    server: bool = False
    client: bool = False


AUTHORITIES = {"ca": "kubernetes-ca", "etcd/ca": "etcd-ca"}


def leaves(settings: InitSettings) -> Sequence[Leaf]:
    """Every certificate of a control plane."""
    first = str(next(ipaddress.ip_network(settings.service_cidr).hosts()))
    own = (settings.address, "127.0.0.1", "::1", "localhost")
    serving = (*SERVICE_NAMES, first, *own, *settings.cert_names)
    return (
        Leaf("apiserver", "ca", "kube-apiserver", names=serving, server=True),
        Leaf("admin", "ca", ADMIN, organizations=(ADMIN_GROUP,), client=True),
        Leaf("controller-manager", "ca", "system:kube-controller-manager", client=True),
        Leaf("scheduler", "ca", "system:kube-scheduler", client=True),
        Leaf("etcd/server", "etcd/ca", "etcdlite", names=own, server=True, client=True),
        Leaf("apiserver-etcd-client", "etcd/ca", "kube-apiserver-etcd-client", client=True),
    )


def run(settings: InitSettings, *, now: datetime, say: Callable[[str], None]) -> None:
    """Make what is missing below `pki/`; a leaf that has run out is issued anew. Raises OSError."""
    authorities = {name: _authority(settings, name, common_name, now, say) for name, common_name in AUTHORITIES.items()}
    for leaf in leaves(settings):
        pair = load(settings, leaf.name)
        if pair is not None and pki.expires(pair.certificate) > now:
            continue
        issued = authorities[leaf.authority].issue(
            leaf.common_name,
            now=now,
            organizations=leaf.organizations,
            names=leaf.names,
            server=leaf.server,
            client=leaf.client,
        )
        issued.save(settings.pki, leaf.name)
        say(f'Generated "{leaf.name}" certificate and key')
    key = settings.pki / "sa.key"
    if not key.exists():
        private, public = pki.service_account_key()
        pki.write_file(settings.pki / "sa.pub", public)
        pki.write_file(key, private, secret=True)
        say('Generated "sa" key and public key')


def load(settings: InitSettings, name: str) -> KeyPair | None:
    """A certificate and its key; None when one of them is not there."""
    try:
        return KeyPair.load(settings.pki, name)
    except FileNotFoundError:
        return None


def _authority(
    settings: InitSettings, name: str, common_name: str, now: datetime, say: Callable[[str], None]
) -> Authority:
    pair = load(settings, name)
    if pair is not None:
        return Authority(pair)
    authority = Authority.create(common_name, now=now)
    authority.pair.save(settings.pki, name)
    say(f'Generated "{name}" certificate and key')
    return authority
