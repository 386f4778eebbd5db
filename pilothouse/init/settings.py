"""What `pilot init` is told, and where it puts things."""

from __future__ import annotations

import ipaddress
import pathlib
import socket
from dataclasses import dataclass

CONFIG_DIR = "/etc/pilothouse"
DATA_DIR = "/var/lib/pilothouse"


class InitError(Exception):
    """Why a phase cannot do its work; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class InitSettings:
    """Settings of a control plane. Ports are those of kubeadm where it has one."""

    config_dir: pathlib.Path = pathlib.Path(CONFIG_DIR)
    """Certificates, kubeconfigs and the components' configuration files."""
    data_dir: pathlib.Path = pathlib.Path(DATA_DIR)
    """The store, and the components' logs."""
    advertise_address: str = ""
    """Address by which other hosts reach this one; "" is that of the default route."""
    bind_port: int = 6443
    """REST over TLS."""
    grpc_port: int = 6444
    """gRPC over mutual TLS."""
    grpc_token_port: int = 6445
    """gRPC over TLS for clients that have only a token."""
    etcd_port: int = 2379
    """The store, over mutual TLS, on the loopback address."""
    units_port: int = 10257
    """Where the controllers' units are steered over mutual TLS: kube-controller-manager's port."""
    etcd_servers: str = ""
    """Comma-separated URLs of an etcd cluster to use in place of our own store."""
    etcd_cafile: str = ""
    """Authority of its certificates."""
    etcd_certfile: str = ""
    """Certificate to show to it."""
    etcd_keyfile: str = ""
    """The certificate's private key."""
    etcd_prefix: str = "/registry"
    """What the cluster's keys begin with in it."""
    service_cidr: str = "10.96.0.0/16"
    """Addresses of services."""
    pod_network_cidr: str = "10.244.0.0/16"
    """Addresses of pods; each node gets a part of them."""
    cert_names: tuple[str, ...] = ()
    """Further names and addresses in the API server's certificate."""
    cluster_name: str = "kubernetes"
    """Name of the cluster in kubeconfigs."""
    token: str = ""
    """The bootstrap token to create; "" makes one."""
    token_ttl: float = 24 * 3600.0
    """Seconds that it is good for; 0 for ever."""

    @property
    def pki(self) -> pathlib.Path:
        return self.config_dir / "pki"

    @property
    def run_dir(self) -> pathlib.Path:
        """Sockets between the processes of this host."""
        return self.data_dir / "run"

    @property
    def address(self) -> str:
        """The advertised address. Raises InitError when none was given and the host has no route."""
        return self.advertise_address or own_address()

    @property
    def any_address(self) -> str:
        """What a listener for other hosts binds: every address of the advertised one's family."""
        return "::" if ":" in self.address else "0.0.0.0"

    @property
    def server(self) -> str:
        """URL of REST."""
        return f"https://{bracketed(self.address)}:{self.bind_port}"

    def config_file(self, component: str) -> pathlib.Path:
        """`etcdlite.yaml`, `apiserver.yaml`, ..."""
        return self.config_dir / f"{component}.yaml"

    def kubeconfig(self, name: str) -> pathlib.Path:
        """`admin.conf`, `controller-manager.conf`, `scheduler.conf`."""
        return self.config_dir / f"{name}.conf"


def own_address() -> str:
    """The address that this host's default route leaves from. No packet is sent. Raises InitError."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))  # TEST-NET-1: routed like any address, answered by nobody
        return str(probe.getsockname()[0])
    except OSError:
        raise InitError("this host has no default route: say --apiserver-advertise-address=ADDRESS") from None
    finally:
        probe.close()


def bracketed(host: str) -> str:
    """An IPv6 address as URLs have it; anything else as it is."""
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
