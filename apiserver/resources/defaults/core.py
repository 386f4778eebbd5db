"""The core group, pods apart."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import canonical, fill, items, quantities, section
from apiserver.resources.defaults.pods import claim_spec, pod_spec, template

Object = dict[str, Any]

CLIENT_IP_SECONDS = 10800
"""How long a client stays with an endpoint under session affinity ClientIP: three hours."""


def secret(obj: Object) -> None:
    fill(obj, "type", "Opaque")


def namespace(obj: Object) -> None:
    """The label by which network policies and webhooks select a namespace by its name."""
    metadata = obj["metadata"]
    if name := metadata.get("name"):
        section(metadata, "labels")["kubernetes.io/metadata.name"] = name
    fill(section(obj, "status"), "phase", "Active")


def node(obj: Object) -> None:
    status = section(obj, "status")
    quantities(status, "capacity", "allocatable")
    if status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])
    section(obj, "spec")


def service(obj: Object) -> None:
    spec = section(obj, "spec")
    fill(spec, "sessionAffinity", "None")
    fill(spec, "type", "ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = section(section(spec, "sessionAffinityConfig"), "clientIP")
        fill(client, "timeoutSeconds", CLIENT_IP_SECONDS)
    for port in items(spec, "ports"):
        fill(port, "protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    kind = spec["type"]
    if kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs")):
        fill(spec, "externalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer", "ClusterIP"):
        fill(spec, "internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        fill(spec, "allocateLoadBalancerNodePorts", True)
        for ingress in items((obj.get("status") or {}).get("loadBalancer") or {}, "ingress"):
            if ingress.get("ip"):
                fill(ingress, "ipMode", "VIP")


def endpoints(obj: Object) -> None:
    for subset in items(obj, "subsets"):
        for port in items(subset, "ports"):
            fill(port, "protocol", "TCP")


def replication_controller(obj: Object) -> None:
    spec = section(obj, "spec")
    fill(spec, "replicas", 1)
    template(spec)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)


def pod_template(obj: Object) -> None:
    pod_spec(section(section(obj, "template"), "spec"))


def persistent_volume(obj: Object) -> None:
    spec = section(obj, "spec")
    fill(spec, "persistentVolumeReclaimPolicy", "Retain")
    fill(spec, "volumeMode", "Filesystem")
    quantities(spec, "capacity")
    if (host := spec.get("hostPath")) is not None:
        fill(host, "type", "")
    fill(section(obj, "status"), "phase", "Pending")


def persistent_volume_claim(obj: Object) -> None:
    claim_spec(section(obj, "spec"))
    status = section(obj, "status")
    fill(status, "phase", "Pending")
    quantities(status, "capacity", "allocatedResources")


def resource_quota(obj: Object) -> None:
    quantities(section(obj, "spec"), "hard")
    quantities(section(obj, "status"), "hard", "used")


def limit_range(obj: Object) -> None:
    """Of a container's limits: what is not said follows from what is, from max over default to the default request."""
    for limit in items(section(obj, "spec"), "limits"):
        quantities(limit, "max", "min", "default", "defaultRequest")
        for resource, ratio in (limit.get("maxLimitRequestRatio") or {}).items():
            limit["maxLimitRequestRatio"][resource] = canonical(ratio)
        if limit.get("type") == "Container":
            default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
            request = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
            for key, amounts in (("default", default), ("defaultRequest", request)):
                if amounts:
                    limit[key] = amounts
