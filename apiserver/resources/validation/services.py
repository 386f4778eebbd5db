"""Services and endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.resources.validation.checks import (
    Errors,
    cidr,
    indexed,
    ip,
    labels,
    one_of,
    port,
    port_number,
    protocol,
    required,
    text,
)
from machinery.errors import FieldError
from machinery.objects.names import is_dns_label, is_dns_subdomain, is_label_key

Object = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_LONGEST_AFFINITY = 86400


def service(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    kind, headless = spec.get("type"), _first_ip(spec) == "None"
    errors: Errors = []
    if not spec.get("ports") and not headless and kind != "ExternalName":
        errors.append(FieldError.required("spec.ports"))
    if headless and kind in ("LoadBalancer", "NodePort"):
        errors.append(FieldError.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        errors += _external_name(spec)
    errors += _ports(spec)
    errors += labels("spec.selector", spec.get("selector"))
    errors += one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    errors += _affinity(spec)
    errors += _addresses(spec)
    for at, address in indexed("spec.externalIPs", spec.get("externalIPs")):
        errors += ip(at, address)
    errors += one_of("spec.type", kind, _TYPES)
    if kind == "ClusterIP":
        for at, each in indexed("spec.ports", spec.get("ports")):
            if each.get("nodePort"):
                errors.append(FieldError.forbidden(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'"))
    return errors + _balancer(spec) + _traffic(spec)


def service_update(obj: Object, old: Object) -> Errors:
    """The service's own rules, and the cluster IP, which clients may have remembered."""
    errors: Errors = []
    spec, before = obj["spec"], old["spec"]
    now, was = _first_ip(spec), _first_ip(before)
    if before.get("type") != "ExternalName" and spec.get("type") != "ExternalName" and was and now != was:
        errors.append(FieldError.invalid("spec.clusterIPs[0]", spec.get("clusterIPs") or [], "may not change once set"))
    balancers = spec.get("type") == before.get("type") == "LoadBalancer"
    if balancers and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        at = "spec.loadBalancerClass"
        errors.append(FieldError.invalid(at, spec.get("loadBalancerClass"), "may not change once set"))
    return errors + service(obj)


def service_status(obj: Object) -> Errors:
    """What a load balancer reports: addresses that are addresses."""
    errors: Errors = []
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    for at, ingress in indexed("status.loadBalancer.ingress", balancer.get("ingress")):
        if ingress.get("ip"):
            errors += ip(f"{at}.ip", ingress["ip"])
        if ingress.get("hostname"):
            errors += text(f"{at}.hostname", ingress["hostname"], is_dns_subdomain)
    return errors


def endpoints(obj: Object) -> Errors:
    errors: Errors = []
    for at, subset in indexed("subsets", obj.get("subsets")):
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(FieldError.required(at, "must specify `addresses` or `notReadyAddresses`"))
        for key in ("addresses", "notReadyAddresses"):
            for address_at, address in indexed(f"{at}.{key}", subset.get(key)):
                errors += ip(f"{address_at}.ip", address.get("ip") or "")
                if address.get("hostname"):
                    errors += text(f"{address_at}.hostname", address["hostname"], is_dns_label)
        many = len(subset.get("ports") or []) > 1
        for port_at, each in indexed(f"{at}.ports", subset.get("ports")):
            if many and not each.get("name"):
                errors.append(FieldError.required(f"{port_at}.name"))
            elif each.get("name"):
                errors += text(f"{port_at}.name", each["name"], is_dns_label)
            errors += port_number(f"{port_at}.port", each.get("port") or 0)
            errors += protocol(f"{port_at}.protocol", each.get("protocol"))
    return errors


def _first_ip(spec: Mapping[str, Any]) -> str:
    addresses = spec.get("clusterIPs") or []
    return addresses[0] if addresses else spec.get("clusterIP") or ""


def _external_name(spec: Mapping[str, Any]) -> Errors:
    given = {
        "clusterIPs": _first_ip(spec),
        "ipFamilies": spec.get("ipFamilies"),
        "ipFamilyPolicy": spec.get("ipFamilyPolicy"),
    }
    errors: Errors = [
        FieldError.forbidden(f"spec.{key}", "may not be set for ExternalName services")
        for key, value in given.items()
        if value
    ]
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        return [*errors, FieldError.required("spec.externalName")]
    return errors + text("spec.externalName", name, is_dns_subdomain)


def _ports(spec: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    listed = spec.get("ports") or []
    names: set[str] = set()
    seen: set[tuple[Any, Any]] = set()
    on_nodes: set[tuple[Any, Any]] = set()
    for at, each in indexed("spec.ports", listed):
        name = each.get("name") or ""
        if not name:
            if len(listed) > 1:
                errors.append(FieldError.required(f"{at}.name"))
        else:
            errors += text(f"{at}.name", name, is_dns_label)
            if name in names:
                errors.append(FieldError.duplicate(f"{at}.name", name))
            names.add(name)
        errors += port_number(f"{at}.port", each.get("port") or 0)
        errors += protocol(f"{at}.protocol", each.get("protocol"))
        target = each.get("targetPort")
        if target is not None:
            errors += port(f"{at}.targetPort", target)
        if each.get("appProtocol"):
            errors += text(f"{at}.appProtocol", each["appProtocol"], is_label_key)
        key = (each.get("protocol"), each.get("port"))
        if key in seen:
            errors.append(FieldError.duplicate(at, {"protocol": key[0], "port": key[1]}))
        seen.add(key)
        if each.get("nodePort"):
            node_key = (each.get("protocol"), each["nodePort"])
            if node_key in on_nodes:
                errors.append(FieldError.duplicate(f"{at}.nodePort", each["nodePort"]))
            on_nodes.add(node_key)
    return errors


def _affinity(spec: Mapping[str, Any]) -> Errors:
    config = spec.get("sessionAffinityConfig")
    if spec.get("sessionAffinity") == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds")
        at = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        if seconds is None:
            return [FieldError.required("spec.sessionAffinityConfig", "when session affinity type is ClientIP")]
        if not 0 < seconds <= _LONGEST_AFFINITY:
            return [FieldError.invalid(at, seconds, f"must be greater than 0 and less than {_LONGEST_AFFINITY}")]
    elif config is not None:
        return [FieldError.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")]
    return []


def _addresses(spec: Mapping[str, Any]) -> Errors:
    if spec.get("type") == "ExternalName":
        return []
    addresses = spec.get("clusterIPs") or []
    errors: Errors = []
    if addresses and spec.get("clusterIP") and addresses[0] != spec["clusterIP"]:
        errors.append(FieldError.invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`"))
    for at, address in indexed("spec.clusterIPs", addresses):
        if address == "None":
            if len(addresses) > 1:
                errors.append(FieldError.invalid(at, address, "'None' must be the first and only value"))
            continue
        errors += ip(at, address)
    if len(addresses) > 2:
        errors.append(FieldError.invalid("spec.clusterIPs", addresses, "may only hold up to 2 values"))
    errors += one_of(
        "spec.ipFamilyPolicy",
        spec.get("ipFamilyPolicy"),
        ("PreferDualStack", "RequireDualStack", "SingleStack"),
        optional=True,
    )
    for at, family in indexed("spec.ipFamilies", spec.get("ipFamilies")):
        errors += one_of(at, family, ("IPv4", "IPv6"))
    return errors


def _traffic(spec: Mapping[str, Any]) -> Errors:
    kind, policy = spec.get("type"), spec.get("externalTrafficPolicy")
    external = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))
    errors: Errors = []
    if policy and not external:
        errors.append(
            FieldError.invalid(
                "spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services"
            )
        )
    elif external:
        errors += one_of("spec.externalTrafficPolicy", policy, ("Cluster", "Local"))
    if spec.get("healthCheckNodePort") and not (kind == "LoadBalancer" and policy == "Local"):
        errors.append(
            FieldError.invalid(
                "spec.healthCheckNodePort",
                spec["healthCheckNodePort"],
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
            )
        )
    errors += one_of(
        "spec.internalTrafficPolicy", spec.get("internalTrafficPolicy"), ("Cluster", "Local"), optional=True
    )
    return errors + one_of("spec.trafficDistribution", spec.get("trafficDistribution"), _DISTRIBUTIONS, optional=True)


def _balancer(spec: Mapping[str, Any]) -> Errors:
    """What only a load balancer has."""
    errors: Errors = []
    for at, source in indexed("spec.LoadBalancerSourceRanges", spec.get("loadBalancerSourceRanges")):
        errors += cidr(at, source.strip())
    if spec.get("type") == "LoadBalancer":
        return errors
    for key, shown in (
        ("loadBalancerSourceRanges", "LoadBalancerSourceRanges"),
        ("allocateLoadBalancerNodePorts", "allocateLoadBalancerNodePorts"),
        ("loadBalancerClass", "loadBalancerClass"),
    ):
        if spec.get(key) not in (None, "", []):
            errors.append(FieldError.forbidden(f"spec.{shown}", "may only be used when `type` is 'LoadBalancer'"))
    return errors


def ingress_backend_port(path: str, value: Mapping[str, Any] | None) -> Errors:
    """The port of a service that an ingress sends to: by name or by number, not both."""
    name, number = (value or {}).get("name"), (value or {}).get("number")
    if name and number:
        return [FieldError.invalid(path, value, "cannot set both port name & port number")]
    if name:
        return required(f"{path}.name", name)
    if number:
        return port_number(f"{path}.number", number)
    return [FieldError.required(path, "port name or number is required")]
