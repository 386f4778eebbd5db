"""Phase `kubeconfig`: a file for the administrator and one for each component.

The administrator's holds the certificate, because it is copied to other hosts. A component's names the files of its
own, which it reads again when they are renewed.
"""

from __future__ import annotations

from collections.abc import Callable

from machinery.client import kubeconfig
from machinery.pki.tls import TlsFiles
from pilothouse.entry import KubeConfigEntry
from pilothouse.init import certs
from pilothouse.init.settings import InitError, InitSettings, bracketed

USERS = {"admin": "kubernetes-admin", "controller-manager": "system:kube-controller-manager",
         "scheduler": "system:kube-scheduler"}  # fmt: skip


def run(settings: InitSettings, *, say: Callable[[str], None]) -> None:
    """Write `admin.conf`, `controller-manager.conf` and `scheduler.conf`. Raises InitError before phase `certs`."""
    for name in USERS:
        path = settings.kubeconfig(name)
        document = entry(settings, name).document()
        if path.exists() and kubeconfig.load(path).merged() == {**kubeconfig.EMPTY, **document}:
            continue
        kubeconfig.write(path, document)
        say(f'Wrote "{path.name}" kubeconfig file')


def entry(settings: InitSettings, name: str) -> KubeConfigEntry:
    """The kubeconfig entry of one of USERS. Raises InitError when its certificate is missing."""
    pair, authority = certs.load(settings, name), certs.load(settings, "ca")
    if pair is None or authority is None:
        raise InitError(f"{settings.pki}: the certificates of {name} are missing: run 'pilot init phase certs' first")
    host = bracketed(settings.address)
    return KubeConfigEntry(
        name=settings.cluster_name,
        server=settings.server,
        grpc=f"{host}:{settings.grpc_port}",
        grpc_tokens=f"{host}:{settings.grpc_token_port}",
        ca=authority.certificate,
        user=pair if name == "admin" else TlsFiles(settings.pki / f"{name}.crt", settings.pki / f"{name}.key"),
        user_name=USERS[name],
        units=f"{host}:{settings.units_port}",
    )
