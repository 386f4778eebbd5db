"""What every cluster begins with: the system's namespaces and priority classes, and the `kubernetes` service."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from apiserver.config import Config

Object = dict[str, Any]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_PRIORITIES = {
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}
SERVICE = "kubernetes"


def system_objects(config: Config) -> list[Object]:
    """Freshly made; to be created where they are missing."""
    return [
        *(_namespace(name) for name in NAMESPACES),
        *(_priority(name, value, text) for name, (value, text) in _PRIORITIES.items()),
        _service(config),
    ]


def endpoints(config: Config, port: int) -> list[Object]:
    """Where the `kubernetes` service leads: Endpoints and an EndpointSlice; none while no address is known.

    port: that REST is served on."""
    address = advertised(config)
    if not address:
        return []
    return [
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": SERVICE,
                "namespace": "default",
                "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
            },
            "subsets": [
                {"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}
            ],
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": SERVICE,
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": SERVICE},
            },
            "addressType": f"IPv{ip_address(address).version}",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
    ]


def advertised(config: Config) -> str:
    """The address that nodes reach this server's REST listener by; "" when it is not known."""
    if config.advertise_address or not config.bind_address:
        return config.advertise_address
    try:
        address = ip_address(config.bind_address)
    except ValueError:
        return ""
    return "" if address.is_loopback or address.is_unspecified else str(address)


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _priority(name: str, value: int, text: str) -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "description": text,
    }


def _service(config: Config) -> Object:
    network = ip_network(config.service_cluster_ip_range)
    address = str(network[1])
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": [f"IPv{network.version}"],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": config.secure_port or 6443}],
        },
    }
