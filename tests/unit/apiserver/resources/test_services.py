"""Cluster IPs and node ports: what is chosen, kept, given up and refused."""

import random
from ipaddress import ip_address, ip_network
from typing import Any

from apiserver.resources.services import ServiceRanges, Taken, allocate, taken
from tests.unit.apiserver.resources.builders import SERVICE, make, updated

RANGES = ServiceRanges(ip_network("10.96.0.0/24"), range(30000, 30100))
NOTHING = Taken(frozenset(), frozenset())


def allocated(*changes: str, held: Taken = NOTHING, ranges: ServiceRanges = RANGES) -> tuple[dict[str, Any], list[str]]:
    service = make(SERVICE, *changes)
    errors = allocate(service, ranges=ranges, held=held, randomness=random.Random(7))
    return service["spec"], [str(error) for error in errors]


def test_an_address_and_its_family_are_chosen() -> None:
    spec, errors = allocated()
    assert errors == []
    assert ip_address(spec["clusterIP"]) in RANGES.cluster_ips
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


def test_the_lower_part_is_for_those_who_choose_themselves() -> None:
    spec, _ = allocated()
    assert int(ip_address(spec["clusterIP"])) - int(RANGES.cluster_ips.network_address) > 16
    full = Taken({str(RANGES.cluster_ips[at]) for at in range(17, 255)}, frozenset())
    spec, _ = allocated(held=full)
    assert 1 <= int(ip_address(spec["clusterIP"])) - int(RANGES.cluster_ips.network_address) <= 16


def test_a_full_range_is_said_so() -> None:
    full = Taken({str(address) for address in RANGES.cluster_ips}, frozenset())
    _, errors = allocated(held=full)
    assert errors == ["spec.clusterIPs: Invalid value: []: failed to allocate a serviceIP: range is full"]


def test_an_address_that_another_has_is_refused() -> None:
    _, errors = allocated("spec: {clusterIP: 10.96.0.9}", held=Taken({"10.96.0.9"}, frozenset()))
    assert len(errors) == 1
    assert errors[0].endswith(": failed to allocate IP 10.96.0.9: provided IP is already allocated")


def test_an_address_out_of_range_is_refused() -> None:
    _, errors = allocated("spec: {clusterIP: 192.168.0.1}")
    said = "the provided IP (192.168.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/24"
    assert errors == [
        f'spec.clusterIPs: Invalid value: ["192.168.0.1"]: failed to allocate IP 192.168.0.1: {said}',
    ]


def test_headless_services_take_no_address() -> None:
    spec, _ = allocated("spec: {clusterIP: None}")
    assert (spec["clusterIPs"], spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["None"], ["IPv4"], "SingleStack")
    spec, _ = allocated("spec: {clusterIP: None, selector: null}")
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")


def test_external_names_take_nothing() -> None:
    spec, _ = allocated("spec: {type: ExternalName, externalName: example.com}")
    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & spec.keys()


def test_each_port_gets_a_node_port() -> None:
    spec, errors = allocated("spec: {type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 81}]}")
    chosen = [port["nodePort"] for port in spec["ports"]]
    assert errors == []
    assert len(set(chosen)) == 2
    assert all(port in RANGES.node_ports for port in chosen)


def test_node_ports_are_checked() -> None:
    change = "spec: {type: NodePort, ports: [{name: a, port: 80, nodePort: 30001}, {name: b, port: 81, nodePort: 80}]}"
    _, errors = allocated(change, held=Taken(frozenset(), {("TCP", 30001)}))
    said = "provided port is not in the valid range. The range of valid ports is 30000-30099"
    assert errors == [
        "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated",
        f"spec.ports[1].nodePort: Invalid value: 80: {said}",
    ]


def test_one_number_serves_two_protocols() -> None:
    change = "spec: {type: NodePort, ports: [{port: 80, protocol: UDP, nodePort: 30001}]}"
    _, errors = allocated(change, held=Taken(frozenset(), {("TCP", 30001)}))
    assert errors == []


def test_full_node_ports_are_said_so() -> None:
    full = Taken(frozenset(), {("TCP", port) for port in RANGES.node_ports})
    _, errors = allocated("spec: {type: NodePort}", held=full)
    assert errors == ["spec.ports[0].nodePort: Invalid value: 0: range is full"]


def test_balancers_that_keep_the_client_address_are_checked_for_health() -> None:
    spec, _ = allocated("spec: {type: LoadBalancer, externalTrafficPolicy: Local}")
    assert spec["healthCheckNodePort"] in RANGES.node_ports
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]


def test_what_others_hold() -> None:
    mine = {"metadata": {"uid": "me"}, "spec": {"clusterIP": "10.96.0.1"}}
    other = {
        "metadata": {"uid": "other"},
        "spec": {"clusterIPs": ["10.96.0.2"], "ports": [{"port": 80, "nodePort": 30000}], "healthCheckNodePort": 30001},
    }
    headless = {"metadata": {"uid": "third"}, "spec": {"clusterIP": "None"}}
    held = taken([mine, other, headless], but="me")
    assert held == Taken({"10.96.0.2"}, {("TCP", 30000), ("TCP", 30001)})


def stored(*changes: str) -> dict[str, Any]:
    service = make(SERVICE, *changes)
    allocate(service, ranges=RANGES, held=NOTHING, randomness=random.Random(7))
    return service


def test_an_update_that_names_no_addresses_keeps_them() -> None:
    old = stored("spec: {type: NodePort}")
    bare = "spec: {clusterIP: null, clusterIPs: null, ipFamilies: null, ipFamilyPolicy: null, ports: [{port: 80}]}"
    assert updated(old, bare)["spec"] == old["spec"]


def test_a_changed_type_gives_up_what_it_does_not_need() -> None:
    old = stored("spec: {type: NodePort}")
    cluster = updated(old, "spec: {type: ClusterIP}")["spec"]
    assert cluster["clusterIP"] == old["spec"]["clusterIP"]
    assert "nodePort" not in cluster["ports"][0]
    assert "externalTrafficPolicy" not in cluster
    external = updated(old, "spec: {type: ExternalName, externalName: example.com}")["spec"]
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & external.keys()
