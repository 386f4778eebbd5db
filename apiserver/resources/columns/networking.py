"""The networking.k8s.io and discovery.k8s.io groups."""

from __future__ import annotations

from typing import Any

from apiserver.resources.columns.build import AGE, NAME, NONE, UNSET, at, selector, some, text
from apiserver.resources.columns.core import load_balancer

Object = dict[str, Any]


def _hosts(ingress: Object) -> str:
    rules = (ingress.get("spec") or {}).get("rules") or []
    return some([rule["host"] for rule in rules if rule.get("host")], empty="*")


def _parameters(ingress_class: Object) -> str:
    parameters = (ingress_class.get("spec") or {}).get("parameters")
    if not parameters:
        return NONE
    kind = parameters.get("kind") or ""
    qualified = f"{kind}.{parameters['apiGroup']}" if parameters.get("apiGroup") else kind
    return f"{qualified}/{parameters.get('name')}"


def _parent(address: Object) -> str:
    parent = (address.get("spec") or {}).get("parentRef")
    if not parent:
        return NONE
    resource = parent.get("resource") or ""
    qualified = f"{resource}.{parent['group']}" if parent.get("group") else resource
    return "/".join(each for each in (qualified, parent.get("namespace"), parent.get("name")) if each)


def _slice_ports(endpoint_slice: Object) -> str:
    ports = endpoint_slice.get("ports")
    if not ports:
        return UNSET
    return some(["*" if port.get("port") is None else str(port["port"]) for port in ports])


def _slice_endpoints(endpoint_slice: Object) -> str:
    endpoints = endpoint_slice.get("endpoints") or []
    return some([address for each in endpoints for address in each.get("addresses") or []], empty=UNSET)


INGRESS = (
    NAME,
    text("Class", "The name of the IngressClass resource that should be used for additional configuration",
         lambda o: at("spec", "ingressClassName")(o) or NONE),
    text("Hosts", "Hosts that incoming requests are matched against before the ingress rule", _hosts),
    text("Address", "Address is a list containing ingress points for the load-balancer", load_balancer),
    text("Ports", "Ports of TLS configurations that open", lambda o: "80, 443" if at("spec", "tls")(o) else "80"),
    AGE,
)  # fmt: skip
INGRESS_CLASS = (
    NAME,
    text("Controller", "Controller that is responsible for handling this class", at("spec", "controller")),
    text("Parameters", "A reference to a resource with additional parameters", _parameters),
    AGE,
)
NETWORK_POLICY = (
    NAME,
    text(
        "Pod-Selector", "The labels of the pods it holds for.", lambda o: selector(at("spec", "podSelector")(o) or None)
    ),
    AGE,
)
IP_ADDRESS = (NAME, text("ParentRef", "What holds the address.", _parent), AGE)
SERVICE_CIDR = (
    NAME,
    text(
        "CIDRs",
        "The networks that services' addresses come from.",
        lambda o: ",".join(at("spec", "cidrs", default=())(o)),
    ),
    AGE,
)
ENDPOINT_SLICE = (
    NAME,
    text("AddressType", "What kind of addresses the slice has.", at("addressType")),
    text("Ports", "The ports of every endpoint.", _slice_ports),
    text("Endpoints", "The addresses in the slice.", _slice_endpoints),
    AGE,
)
