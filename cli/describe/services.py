"""Services, where they lead, and what leads to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describe import basics
from cli.describe.seen import SERVICE_NAME, Seen
from cli.describe.text import NONE, UNSET, Text, joined, labels, shown

Object = Mapping[str, Any]

MOST_ENDPOINTS = 3


def service(text: Text, obj: Object, seen: Seen) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    basics.metadata(text, obj)
    text.field("Selector", labels(spec.get("selector")))
    text.field("Type", spec.get("type", ""))
    text.given("IP Family Policy", spec.get("ipFamilyPolicy"))
    text.field("IP Families", joined(spec.get("ipFamilies")))
    text.field("IP", spec.get("clusterIP", ""))
    text.field("IPs", joined(spec.get("clusterIPs")))
    text.given("External IPs", ",".join(spec.get("externalIPs") or ()))
    text.given("Desired LoadBalancer IP", spec.get("loadBalancerIP"))
    text.given("External Name", spec.get("externalName"))
    given = (status.get("loadBalancer") or {}).get("ingress") or ()
    text.given("LoadBalancer Ingress", ", ".join(map(_balancer, given)))
    for port in spec.get("ports") or ():
        _port(text, port, seen.slices)
    text.field("Session Affinity", spec.get("sessionAffinity", ""))
    text.given("External Traffic Policy", spec.get("externalTrafficPolicy"))
    text.given("Internal Traffic Policy", spec.get("internalTrafficPolicy"))
    text.given("HealthCheck NodePort", spec.get("healthCheckNodePort"))
    text.given("LoadBalancer Source Ranges", ",".join(spec.get("loadBalancerSourceRanges") or ()))
    text.given("Traffic Distribution", spec.get("trafficDistribution"))


def _balancer(each: Object) -> str:
    mode = f" ({each['ipMode']})" if each.get("ipMode") else ""
    return f"{each['ip']}{mode}" if each.get("ip") else each.get("hostname", "")


def _port(text: Text, port: Object, slices: Sequence[Object]) -> None:
    name, protocol = port.get("name") or UNSET, port.get("protocol", "TCP")
    text.line(f"Port:\t{name}\t{port['port']}/{protocol}")
    text.field("TargetPort", f"{port.get('targetPort')}/{protocol}")
    text.given("AppProtocol", port.get("appProtocol"))
    if port.get("nodePort"):
        text.line(f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
    text.field("Endpoints", reached(slices, port.get("name", "")))


def reached(slices: Sequence[Object], port_name: str) -> str:
    """The first addresses that are ready behind a port, and how many more there are."""
    if not slices:
        return NONE
    found = []
    for each in slices:
        ports = each.get("ports") or ()
        numbers = [f":{port['port']}" for port in ports if (port.get("name") or "") == port_name] if ports else [""]
        for number in numbers:
            found += [_bracketed(end["addresses"][0], number) for end in each.get("endpoints") or () if _ready(end)]
    more = f" + {len(found) - MOST_ENDPOINTS} more..." if len(found) > MOST_ENDPOINTS else ""
    return ",".join(found[:MOST_ENDPOINTS]) + more


def _bracketed(address: str, port: str) -> str:
    return f"[{address}]{port}" if port and ":" in address else f"{address}{port}"


def _ready(endpoint: Object) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is not False


def endpoints(text: Text, obj: Object, seen: Seen) -> None:
    basics.metadata(text, obj)
    text.head("Subsets")
    for subset in obj.get("subsets") or ():
        for label, key in (("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")):
            text.field(label, joined(each["ip"] for each in subset.get(key) or ()), level=1)
        if subset.get("ports"):
            text.head("Ports", level=1)
            _ports(text, subset["ports"], level=2)
        text.line()


def _ports(text: Text, listed: Sequence[Object], *, level: int) -> None:
    rows = [(each.get("name") or UNSET, each.get("port", UNSET), each.get("protocol", "TCP")) for each in listed]
    text.table(["Name", "Port", "Protocol"], rows, level=level)


def endpoint_slice(text: Text, obj: Object, seen: Seen) -> None:
    basics.metadata(text, obj)
    text.field("AddressType", obj["addressType"])
    if obj.get("ports"):
        text.head("Ports")
        _ports(text, obj["ports"], level=1)
    else:
        text.line(f"Ports: {UNSET}")
    if not obj.get("endpoints"):
        text.line(f"Endpoints: {NONE}")
        return
    text.head("Endpoints")
    for each in obj["endpoints"]:
        ready, target = (each.get("conditions") or {}).get("ready"), each.get("targetRef")
        text.field("- Addresses", joined(each.get("addresses"), ", "), level=1)
        text.head("Conditions", level=2)
        text.field("Ready", UNSET if ready is None else shown(ready), level=3)
        text.field("Hostname", each.get("hostname", UNSET), level=2)
        if target:
            text.field("TargetRef", f"{target.get('kind', '')}/{target.get('name', '')}", level=2)
        text.field("NodeName", each.get("nodeName", UNSET), level=2)
        text.field("Zone", each.get("zone", UNSET), level=2)


def ingress(text: Text, obj: Object, seen: Seen) -> None:
    spec = obj["spec"]
    given = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    default = _backend(spec["defaultBackend"], seen) if spec.get("defaultBackend") else "<default>"
    text.field("Name", obj["metadata"]["name"])
    text.pairs("Labels", obj["metadata"].get("labels"))
    text.field("Namespace", obj["metadata"]["namespace"])
    text.field("Address", ",".join(sorted({each.get("ip") or each.get("hostname", "") for each in given} - {""})))
    text.field("Ingress Class", spec.get("ingressClassName", NONE))
    text.field("Default backend", default)
    if spec.get("tls"):
        text.head("TLS")
    for each in spec.get("tls") or ():
        how = f"{each['secretName']} terminates" if each.get("secretName") else "SNI routes"
        text.line(f"{how} {','.join(each.get('hosts') or ())}", level=1)
    text.head("Rules")
    rules = [rule for rule in spec.get("rules") or () if rule.get("http")]
    text.table(["Host", "Path", "Backends"], () if rules else [("*", "*", default)])
    for rule in rules:
        text.line(f"{rule.get('host') or '*'}\t", level=1)
        for path in rule["http"].get("paths") or ():
            text.line(f"\t{path.get('path', '')} \t{_backend(path['backend'], seen)}", level=2)
    text.annotations("Annotations", obj["metadata"].get("annotations"))


def _backend(backend: Object, seen: Seen) -> str:
    if backend.get("resource"):
        ref = backend["resource"]
        return f"APIGroup: {ref.get('apiGroup', NONE)}, Kind: {ref['kind']}, Name: {ref['name']}"
    name, port = backend["service"]["name"], backend["service"].get("port") or {}
    said = f"{name}:{port.get('number') or port.get('name', '')}"
    behind = next((each for each in seen.services if each["metadata"]["name"] == name), None)
    if behind is None:
        return f'{said} (<error: services "{name}" not found>)'
    chosen = [
        each.get("name", "")
        for each in behind["spec"].get("ports") or ()
        if (port.get("number") and port["number"] == each["port"])
        or (port.get("name") and port["name"] == each.get("name"))
    ]
    slices = [each for each in seen.slices if (each["metadata"].get("labels") or {}).get(SERVICE_NAME) == name]
    return f"{said} ({reached(slices, chosen[-1] if chosen else '')})"


def ingress_class(text: Text, obj: Object, seen: Seen) -> None:
    spec = obj.get("spec") or {}
    basics.metadata(text, obj)
    text.field("Controller", spec.get("controller", ""))
    if spec.get("parameters"):
        text.head("Parameters")
        for label, key in (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name")):
            text.given(label, spec["parameters"].get(key), level=1)


def service_cidr(text: Text, obj: Object, seen: Seen) -> None:
    basics.metadata(text, obj)
    text.field("CIDRs", ", ".join(obj["spec"].get("cidrs") or ()))
    status = obj.get("status") or {}
    if status.get("conditions"):
        text.head("Status")
        basics.conditions(text, status, "LastTransitionTime", "Reason", "Message")


def ip_address(text: Text, obj: Object, seen: Seen) -> None:
    basics.metadata(text, obj)
    parent = obj["spec"].get("parentRef")
    if parent:
        text.head("Parent Reference")
        for key in ("group", "resource", "namespace", "name"):
            text.field(key.capitalize(), parent.get(key, ""), level=1)
