"""Which pods stand behind a Service, and how it reaches them: what both kinds of endpoints have in common. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from machinery.client.api import Object
from machinery.client.resources import SERVICES
from machinery.informer import Change, Informers
from machinery.objects import meta, pod, workload

HEADLESS_LABEL = "service.kubernetes.io/headless"


def services_of(change: Change, informers: Informers) -> Iterable[str]:
    """Mapper: the Services that a pod's change concerns; none when nothing changed that they show."""
    old, new = change.old, change.new
    if old is not None and new is not None and _shown(old) == _shown(new):
        return ()
    keys: list[str] = []
    labels = [meta.labels(each).items() for each in (old, new) if each is not None]
    for service in informers.store(SERVICES).in_namespace(meta.namespace(change.object)):
        wanted = selector(service)
        if wanted and any(wanted.items() <= each for each in labels):
            keys.append(meta.key(service))
    return keys


def _shown(each: Object) -> tuple[object, ...]:
    spec = pod.spec(each)
    return (
        meta.labels(each),
        meta.is_deleting(each),
        pod.is_terminal(each),
        pod.is_ready(each),
        pod.ips(each),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )


def selector(service: Object) -> Mapping[str, str]:
    """`spec.selector`; {} for a Service whose endpoints somebody else keeps, and for ExternalName."""
    spec = workload.spec(service)
    return {} if spec.get("type") == "ExternalName" else spec.get("selector") or {}


def matching(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The pods that the Service selects, by name, so that the result is the same each time."""
    wanted = selector(service).items()
    return sorted((each for each in pods if wanted <= meta.labels(each).items()), key=meta.name)


def reachable(each: Object, *, terminating: bool) -> bool:
    """Whether a pod can be an endpoint: not at its end and with an address; being deleted only if `terminating`."""
    return not pod.is_terminal(each) and bool(pod.ips(each)) and (terminating or not meta.is_deleting(each))


def is_headless(service: Object) -> bool:
    """Whether the Service has no address of its own."""
    return workload.spec(service).get("clusterIP") in ("None", None, "")


def families(service: Object) -> Sequence[str]:
    """IPv4, IPv6 or both."""
    found = workload.spec(service).get("ipFamilies")
    if found:
        return list(found)
    address = workload.spec(service).get("clusterIP") or ""
    return ["IPv6"] if ":" in address else ["IPv4"]


def address_of(each: Object, family: str) -> str:
    """The pod's address of that family, "" without one."""
    version = 6 if family == "IPv6" else 4
    return next((ip for ip in pod.ips(each) if ipaddress.ip_address(ip).version == version), "")


def hostname_of(each: Object, service: Object) -> str:
    """The pod's own DNS name under the Service: its hostname, if it names this Service as its subdomain."""
    spec = pod.spec(each)
    if spec.get("hostname") and spec.get("subdomain") == meta.name(service):
        return str(spec["hostname"])
    return ""


def target_port(each: Object, port: Object) -> int | None:
    """The number that a Service's port has in this pod; None when the pod has no port of that name."""
    target = port.get("targetPort", port.get("port"))
    if isinstance(target, int):
        return target or int(port["port"])
    protocol = port.get("protocol") or "TCP"
    sidecars = [container for container in pod.init_containers(each) if pod.is_sidecar(container)]
    for container in (*pod.containers(each), *sidecars):
        for own in container.get("ports") or ():
            if own.get("name") == target and (own.get("protocol") or "TCP") == protocol:
                return int(own["containerPort"])
    return None


def ports_in(each: Object, service: Object) -> list[Object]:
    """The Service's ports as this pod serves them: name, port, protocol and appProtocol."""
    found: list[Object] = []
    for port in workload.spec(service).get("ports") or ():
        number = target_port(each, port)
        if number is None:
            continue
        shown: Object = {"name": port.get("name") or "", "port": number, "protocol": port.get("protocol") or "TCP"}
        if port.get("appProtocol"):
            shown["appProtocol"] = port["appProtocol"]
        found.append(shown)
    return found


def target_ref(each: Object) -> Object:
    """The reference from an endpoint to its pod."""
    return {"kind": "Pod", "namespace": meta.namespace(each), "name": meta.name(each), "uid": meta.uid(each)}
