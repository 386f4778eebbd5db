"""Phase `config`: a configuration file per component, and the command that runs it.

The files hold the components' own flags, so `python -m apiserver --config apiserver.yaml` is all there is to know, and
an administrator may edit them: what is there is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from machinery import manifest
from machinery.pki.files import write_file
from pilothouse.init.processes import Program
from pilothouse.init.settings import InitSettings, bracketed

# in the order of their start
COMPONENTS = ("etcdlite", "apiserver", "controllermgr", "scheduler")
CONFIG = {"etcdlite": "--config-file"}
"""The flag for a component's configuration file where it is not `--config`: etcd calls it so."""


def run(settings: InitSettings, *, say: Callable[[str], None]) -> None:
    """Write the configuration files that are missing. Raises OSError."""
    for name, flags in configurations(settings).items():
        path = settings.config_file(name)
        if not path.exists():
            write_file(path, manifest.dump(dict(flags)).encode(), secret=True)
            say(f'Wrote "{path.name}" component configuration')


def configurations(settings: InitSettings) -> Mapping[str, Mapping[str, Any]]:
    """component -> its flags. Without etcdlite when another etcd is named."""
    pki = settings.pki
    any_host = bracketed(settings.any_address)
    etcd = {
        "name": settings.cluster_name,
        "data-dir": str(settings.data_dir / "etcd"),
        "listen-client-urls": f"https://127.0.0.1:{settings.etcd_port}",
        "advertise-client-urls": f"https://127.0.0.1:{settings.etcd_port}",
        "cert-file": str(pki / "etcd" / "server.crt"),
        "key-file": str(pki / "etcd" / "server.key"),
        "trusted-ca-file": str(pki / "etcd" / "ca.crt"),
        "client-cert-auth": True,
    }
    apiserver: dict[str, Any] = {
        "bind-address": settings.any_address,
        "secure-port": settings.bind_port,
        "grpc-address": f"{any_host}:{settings.grpc_port}",
        "grpc-token-address": f"{any_host}:{settings.grpc_token_port}",
        "advertise-address": settings.address,
        "tls-cert-file": str(pki / "apiserver.crt"),
        "tls-private-key-file": str(pki / "apiserver.key"),
        "client-ca-file": str(pki / "ca.crt"),
        "service-account-signing-key-file": str(pki / "sa.key"),
        "service-cluster-ip-range": settings.service_cidr,
        "etcd-servers": settings.etcd_servers or f"https://127.0.0.1:{settings.etcd_port}",
    }
    if settings.etcd_servers:
        apiserver["etcd-prefix"] = settings.etcd_prefix
        files = {"cafile": settings.etcd_cafile, "certfile": settings.etcd_certfile, "keyfile": settings.etcd_keyfile}
        apiserver |= {f"etcd-{name}": path for name, path in files.items() if path}
    else:
        apiserver |= {
            "etcd-cafile": str(pki / "etcd" / "ca.crt"),
            "etcd-certfile": str(pki / "apiserver-etcd-client.crt"),
            "etcd-keyfile": str(pki / "apiserver-etcd-client.key"),
        }
    # One name for all its lives: a process that is started after a crash takes its own Lease at once.
    leading = {"leader-elect": True, "identity": f"{settings.cluster_name}_{settings.address}"}
    controllermgr = {
        "kubeconfig": str(settings.kubeconfig("controller-manager")),
        **leading,
        "root-ca-file": str(pki / "ca.crt"),
        "cluster-signing-cert-file": str(pki / "ca.crt"),
        "cluster-signing-key-file": str(pki / "ca.key"),
        "cluster-cidr": settings.pod_network_cidr,
        "grpc-address": f"{any_host}:{settings.units_port}",
        "tls-cert-file": str(pki / "apiserver.crt"),
        "tls-private-key-file": str(pki / "apiserver.key"),
        "client-ca-file": str(pki / "ca.crt"),
    }
    scheduler = {"kubeconfig": str(settings.kubeconfig("scheduler")), **leading}
    own_store = {} if settings.etcd_servers else {"etcdlite": etcd}
    return {**own_store, "apiserver": apiserver, "controllermgr": controllermgr, "scheduler": scheduler}


def programs(settings: InitSettings) -> list[Program]:
    """The processes of a control plane, in the order of their start: those that have a configuration file."""
    return [
        Program(
            name=name,
            command=(sys.executable, "-m", name, CONFIG.get(name, "--config"), str(settings.config_file(name))),
            ready=f"{name} ready",
            log=settings.data_dir / "log" / f"{name}.log",
        )
        for name in COMPONENTS
        if settings.config_file(name).exists()
    ]
