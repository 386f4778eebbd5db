"""The strategy of services, and the choice of their cluster IPs and node ports.

A strategy is pure, but addresses are taken from what all services share. So the write path of a service is:
`prepare_*` (which restores what a client left out of an update), `allocate` with what other services hold (`Taken`),
then validation. Whoever calls `allocate` must make reading `Taken` and writing the service one step, by serializing
service writes or by a compare on a range object in the store. A service that is deleted just stops counting.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from apiserver.resources.defaults import core as defaults
from apiserver.resources.strategy import Strategy
from apiserver.resources.validation import services as validation
from machinery.errors import FieldError
from machinery.objects import meta
from machinery.objects.names import is_dns_1035_label

if TYPE_CHECKING:
    from apiserver.verbs.context import RequestContext

Object = dict[str, Any]

HEADLESS = "None"
_WITH_IP = ("ClusterIP", "NodePort", "LoadBalancer")
_WITH_PORTS = ("NodePort", "LoadBalancer")
_TRIES = 64


class ServiceStrategy(Strategy):
    """Services."""

    generation = False
    status_writes_metadata = True
    allow_create_on_update = True
    initial_status = {"loadBalancer": {}}  # noqa: RUF012 - read-only by the base's contract: it copies

    def name_problems(self, name: str) -> list[str]:
        return is_dns_1035_label(name)

    def default(self, obj: Object) -> None:
        defaults.service(obj)

    def prepare_create(self, context: RequestContext, obj: Object) -> None:
        super().prepare_create(context, obj)
        _normalize_ips(obj["spec"])

    def prepare_update(self, context: RequestContext, obj: Object, old: Object) -> None:
        super().prepare_update(context, obj, old)
        _keep_allocated(obj["spec"], old["spec"])
        _normalize_ips(obj["spec"])
        _drop_unneeded(obj["spec"], old["spec"])

    def validate_create(self, obj: Object) -> list[FieldError]:
        return validation.service(obj)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        return validation.service_status(obj)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        return validation.service_update(obj, old)


@dataclass(frozen=True, slots=True)
class ServiceRanges:
    """Where addresses come from.

    cluster_ips: the service network; its first address belongs to the `kubernetes` service.
    node_ports: the ports that every node opens for services, 30000 to 32767 by default.
    """

    cluster_ips: IPv4Network | IPv6Network = ip_network("10.96.0.0/16")  # noqa: RUF009 - immutable
    node_ports: range = range(30000, 32768)


@dataclass(frozen=True, slots=True)
class Taken:
    """What services other than the one being written hold.

    node_ports: (protocol, port): two services may share a port number under different protocols.
    """

    cluster_ips: Container[str]
    node_ports: Container[tuple[str, int]]


def taken(services: Iterable[Mapping[str, Any]], *, but: str = "") -> Taken:
    """What these services hold, apart from the one with the uid `but`."""
    ips: set[str] = set()
    ports: set[tuple[str, int]] = set()
    for service in services:
        if but and meta.uid(service) == but:
            continue
        spec = service.get("spec") or {}
        ips.update(ip for ip in cluster_ips(spec) if ip != HEADLESS)
        ports.update(
            (port.get("protocol", "TCP"), port["nodePort"]) for port in spec.get("ports") or [] if port.get("nodePort")
        )
        if check := spec.get("healthCheckNodePort"):
            ports.add(("TCP", check))
    return Taken(ips, ports)


def cluster_ips(spec: Mapping[str, Any]) -> list[str]:
    """The addresses of a service: several, one, `["None"]` when it is headless, none when it has none yet."""
    return spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])


def allocate(service: Object, *, ranges: ServiceRanges, held: Taken, randomness: random.Random) -> list[FieldError]:
    """Give a service, in place, the cluster IP and node ports that its type needs and that it has not yet.

    What it asks for by itself is checked against the ranges and what others hold. Answers what is wrong; the service is
    not to be stored then.
    """
    spec = service["spec"]
    kind = spec.get("type", "ClusterIP")
    errors: list[FieldError] = []
    if kind in _WITH_IP:
        errors += _allocate_ip(spec, ranges, held, randomness)
    if kind in _WITH_PORTS:
        errors += _allocate_ports(spec, ranges, held, randomness)
    return errors


def _allocate_ip(spec: Object, ranges: ServiceRanges, held: Taken, randomness: random.Random) -> list[FieldError]:
    family = f"IPv{ranges.cluster_ips.version}"
    asked = cluster_ips(spec)
    if asked[:1] == [HEADLESS]:
        _families(spec, family, headless=True)
        return []
    _families(spec, family)
    if not asked:
        address = _free_ip(ranges.cluster_ips, held, randomness)
        if address is None:
            return [FieldError.invalid("spec.clusterIPs", [], "failed to allocate a serviceIP: range is full")]
        spec["clusterIP"], spec["clusterIPs"] = address, [address]
        return []
    problem = _ip_problem(asked[0], ranges.cluster_ips, held)
    return (
        [FieldError.invalid("spec.clusterIPs", asked, f"failed to allocate IP {asked[0]}: {problem}")]
        if problem
        else []
    )


def _ip_problem(asked: str, network: IPv4Network | IPv6Network, held: Taken) -> str:
    try:
        address = ip_address(asked)
    except ValueError:
        return ""  # validation says that it is no address
    if address not in network or address in (network.network_address, network.broadcast_address):
        return f"the provided IP ({asked}) is not in the valid range. The range of valid IPs is {network}"
    return "provided IP is already allocated" if asked in held.cluster_ips else ""


def _free_ip(network: IPv4Network | IPv6Network, held: Taken, randomness: random.Random) -> str | None:
    """A free address, from the upper part first: the lower is for those who choose an address themselves (KEP-3070)."""
    last = network.num_addresses - 2
    offset = min(max(16, network.num_addresses // 16), 256) if network.num_addresses > 16 else 0
    for low, high in ((offset + 1, last), (1, offset)):
        chosen = _pick(low, high, lambda at: str(network[at]) not in held.cluster_ips, randomness)
        if chosen is not None:
            return str(network[chosen])
    return None


def _allocate_ports(spec: Object, ranges: ServiceRanges, held: Taken, randomness: random.Random) -> list[FieldError]:
    errors: list[FieldError] = []
    wanted = spec["type"] == "NodePort" or spec.get("allocateLoadBalancerNodePorts", True)
    own: dict[int, str] = {}
    for index, port in enumerate(spec.get("ports") or []):
        protocol = port.get("protocol", "TCP")
        field = f"spec.ports[{index}].nodePort"
        if asked := port.get("nodePort"):
            if asked not in ranges.node_ports:
                errors.append(FieldError.invalid(field, asked, _port_range_text(ranges)))
            elif (protocol, asked) in held.node_ports:
                errors.append(FieldError.invalid(field, asked, "provided port is already allocated"))
            own[asked] = protocol
    for index, port in enumerate(spec.get("ports") or []):
        if port.get("nodePort") or not wanted:
            continue
        protocol = port.get("protocol", "TCP")
        chosen = _free_port(ranges.node_ports, held, own, randomness)
        if chosen is None:
            errors.append(FieldError.invalid(f"spec.ports[{index}].nodePort", 0, "range is full"))
            continue
        own[chosen] = protocol
        port["nodePort"] = chosen
    if _checks_health(spec) and not spec.get("healthCheckNodePort"):
        chosen = _free_port(ranges.node_ports, held, own, randomness)
        if chosen is None:
            errors.append(FieldError.invalid("spec.healthCheckNodePort", 0, "range is full"))
        else:
            spec["healthCheckNodePort"] = chosen
    return errors


def _free_port(ports: range, held: Taken, own: Container[int], randomness: random.Random) -> int | None:
    """A port that is free under every protocol, from the upper part of the range first (KEP-3668)."""
    offset = min(max(16, len(ports) // 32), 128) if len(ports) > 16 else 0

    def free(at: int) -> bool:
        port = ports[at]
        return port not in own and not any((each, port) in held.node_ports for each in ("TCP", "UDP", "SCTP"))

    for low, high in ((offset, len(ports) - 1), (0, offset - 1)):
        chosen = _pick(low, high, free, randomness)
        if chosen is not None:
            return ports[chosen]
    return None


def _pick(low: int, high: int, free: Any, randomness: random.Random) -> int | None:
    """A free index between low and high: at random, and in order once chance has missed often."""
    if high < low:
        return None
    for _ in range(_TRIES):
        at = randomness.randint(low, high)
        if free(at):
            return at
    return next((at for at in range(low, high + 1) if free(at)), None)


def _port_range_text(ranges: ServiceRanges) -> str:
    first, last = ranges.node_ports[0], ranges.node_ports[-1]
    return f"provided port is not in the valid range. The range of valid ports is {first}-{last}"


def _families(spec: Object, family: str, *, headless: bool = False) -> None:
    """One address family. A headless service without a selector may be anything its endpoints are, so it gets both."""
    both = headless and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = "RequireDualStack" if both and not spec.get("ipFamilies") else "SingleStack"
    if not spec.get("ipFamilies"):
        other = "IPv6" if family == "IPv4" else "IPv4"
        spec["ipFamilies"] = [family, other] if spec["ipFamilyPolicy"] == "RequireDualStack" else [family]


def _normalize_ips(spec: Object) -> None:
    """clusterIP and clusterIPs[0] say the same; who sets only one of them means both."""
    if spec.get("type") == "ExternalName":
        return
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    elif spec.get("clusterIPs") and not spec.get("clusterIP"):
        spec["clusterIP"] = spec["clusterIPs"][0]


def _keep_allocated(spec: Object, old: Object) -> None:
    """What the server gave and an update leaves out: a client that writes its own manifest again does not lose it."""
    if spec.get("type") in _WITH_IP and old.get("type") in _WITH_IP:
        if not spec.get("clusterIP") and not spec.get("clusterIPs"):
            _copy(spec, old, "clusterIP", "clusterIPs")
        if spec.get("clusterIP") == old.get("clusterIP"):
            _copy(spec, old, *(key for key in ("ipFamilies", "ipFamilyPolicy") if not spec.get(key)))
    if spec.get("type") in _WITH_PORTS and old.get("type") in _WITH_PORTS:
        by_port = {_port_key(port): port.get("nodePort") for port in old.get("ports") or []}
        chosen = {port.get("nodePort") for port in spec.get("ports") or [] if port.get("nodePort")}
        for port in spec.get("ports") or []:
            before = by_port.get(_port_key(port))
            if not port.get("nodePort") and before and before not in chosen:
                port["nodePort"] = before
    if _checks_health(spec) and _checks_health(old) and not spec.get("healthCheckNodePort"):
        _copy(spec, old, "healthCheckNodePort")


def _drop_unneeded(spec: Object, old: Object) -> None:
    """What the old type had and the new one has no use for, where the client did not change it itself."""
    kind = spec.get("type")
    if kind == "ExternalName" and old.get("type") in _WITH_IP:
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if spec.get(key) == old.get(key):
                spec.pop(key, None)
    if kind not in _WITH_PORTS and old.get("type") in _WITH_PORTS:
        before = {port.get("nodePort") for port in old.get("ports") or []}
        for port in spec.get("ports") or []:
            if port.get("nodePort") in before:
                port.pop("nodePort", None)
        if not spec.get("externalIPs") and spec.get("externalTrafficPolicy") == old.get("externalTrafficPolicy"):
            spec.pop("externalTrafficPolicy", None)
    if kind != "LoadBalancer" and old.get("type") == "LoadBalancer":
        for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(key) == old.get(key):
                spec.pop(key, None)
    if not _checks_health(spec) and spec.get("healthCheckNodePort") == old.get("healthCheckNodePort"):
        spec.pop("healthCheckNodePort", None)


def _checks_health(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _port_key(port: Mapping[str, Any]) -> tuple[Any, Any]:
    return port.get("protocol", "TCP"), port.get("port")


def _copy(spec: Object, old: Object, *keys: str) -> None:
    for key in keys:
        if key in old:
            spec[key] = old[key]
