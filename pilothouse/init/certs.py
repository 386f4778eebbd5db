"""Phase `certs`: the authorities, the serving and client certificates, and the key that signs tokens.

The files are kubeadm's: https://kubernetes.io/docs/setup/best-practices/certificates/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from machinery.pki.files import write_file
from pilothouse import pki
from pilothouse.credentials import ADMIN, ADMIN_GROUP, SERVICE_NAMES
from pilothouse.init.settings import InitError, InitSettings
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
    """Make what is missing below `pki/`, and anew each leaf that is due for renewal or does not name all that it must.

    Raises OSError, InitError for an authority without its key."""
    authorities = {name: _authority(settings, name, common_name, now, say) for name, common_name in AUTHORITIES.items()}
    for leaf in leaves(settings):
        pair = load(settings, leaf.name)
        if pair is not None and _good(pair, leaf, now):
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
        say(f'{"Renewed" if pair else "Generated"} "{leaf.name}" certificate and key')
    key = settings.pki / "sa.key"
    if not key.exists():
        private, public = pki.service_account_key()
        write_file(settings.pki / "sa.pub", public)
        write_file(key, private, secret=True)
        say('Generated "sa" key and public key')


def _good(pair: KeyPair, leaf: Leaf, now: datetime) -> bool:
    return (
        pair.fits()
        and not pki.renewal_due(pair.certificate, now=now)
        and {pki.canonical(name) for name in leaf.names} <= pki.names_of(pair.certificate)
    )


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
        if not pair.fits():
            raise InitError(f"{settings.pki / name}.crt and .key do not go together: put the right ones there")
        return Authority(pair)
    if (settings.pki / f"{name}.crt").exists():
        raise InitError(f"{settings.pki / name}.crt is there without its .key: put that beside it, or remove the first")
    authority = Authority.create(common_name, now=now)
    authority.pair.save(settings.pki, name)
    say(f'Generated "{name}" certificate and key')
    return authority
