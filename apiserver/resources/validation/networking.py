"""The networking.k8s.io group."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from apiserver.resources.validation.checks import (
    NOT_A_CIDR,
    Errors,
    immutable,
    indexed,
    label_selector,
    one_of,
    port,
    protocol,
    required,
    text,
)
from apiserver.resources.validation.services import ingress_backend_port
from machinery.errors import FieldError
from machinery.objects.names import is_dns_1035_label, is_dns_subdomain, is_path_segment, is_port_number

Object = dict[str, Any]

_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_SUFFIXES = ("/..", "/.")
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


def ingress(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors: Errors = []
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        errors.append(
            FieldError.invalid("spec", spec.get("rules") or [], "either `defaultBackend` or `rules` must be specified")
        )
    for at, tls in indexed("spec.tls", spec.get("tls")):
        for host_at, host in indexed(f"{at}.hosts", tls.get("hosts")):
            errors += _host(host_at, host)
        if tls.get("secretName"):
            errors += text(f"{at}.secretName", tls["secretName"], is_dns_subdomain)
    for at, rule in indexed("spec.rules", spec.get("rules")):
        if host := rule.get("host"):
            errors += _rule_host(f"{at}.host", host)
        if (http := rule.get("http")) is not None:
            errors += _paths(f"{at}.http.paths", http.get("paths"))
    if spec.get("defaultBackend") is not None:
        errors += _backend("spec.defaultBackend", spec["defaultBackend"])
    if spec.get("ingressClassName"):
        errors += text("spec.ingressClassName", spec["ingressClassName"], is_dns_subdomain)
    return errors


def ingress_class_said_once(obj: Object) -> Errors:
    """A new ingress says its class in one way, or the same in both."""
    annotated = (obj["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    named = (obj.get("spec") or {}).get("ingressClassName")
    if annotated and named is not None and annotated != named:
        at = f"annotations.{_CLASS_ANNOTATION}"
        return [FieldError.invalid(at, annotated, "must match `ingressClassName` when both are specified")]
    return []


def ingress_class(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors: Errors = []
    controller = spec.get("controller") or ""
    if len(controller) > 250:
        errors.append(FieldError.too_long("spec.controller", 250))
    domain, slash, path = controller.partition("/")
    if not slash or not path:
        errors.append(
            FieldError.invalid("spec.controller", controller, 'must be a domain-prefixed path (such as "acme.io/foo")')
        )
    else:
        errors += [FieldError.invalid("spec.controller", domain, problem) for problem in is_dns_subdomain(domain)]
    if (parameters := spec.get("parameters")) is not None:
        at = "spec.parameters"
        errors += required(f"{at}.kind", parameters.get("kind"), is_path_segment)
        errors += required(f"{at}.name", parameters.get("name"), is_path_segment)
        scope = parameters.get("scope")
        errors += one_of(f"{at}.scope", scope, ("Cluster", "Namespace"))
        if scope == "Namespace":
            problem = FieldError.required(f"{at}.namespace", "`parameters.scope` is set to 'Namespace'")
            errors += [] if parameters.get("namespace") else [problem]
        elif scope == "Cluster" and parameters.get("namespace"):
            errors.append(FieldError.forbidden(f"{at}.namespace", "`parameters.scope` is set to 'Cluster'"))
    return errors


def ingress_class_update(obj: Object, old: Object) -> Errors:
    now, before = ((each.get("spec") or {}).get("controller") for each in (obj, old))
    return immutable("spec.controller", now, before)


def network_policy(obj: Object) -> Errors:
    spec = obj.get("spec") or {}
    errors = label_selector("spec.podSelector", spec.get("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in indexed(f"spec.{direction}", spec.get(direction)):
            for port_at, each in indexed(f"{at}.ports", rule.get("ports")):
                errors += _policy_port(port_at, each)
            for peer_at, peer in indexed(f"{at}.{peers}", rule.get(peers)):
                errors += _peer(peer_at, peer)
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        errors.append(FieldError.invalid("spec.policyTypes", types, "may not specify more than two policyTypes"))
    for at, kind in indexed("spec.policyTypes", types):
        errors += one_of(at, kind, ("Egress", "Ingress"))
    return errors


def ip_address_object(obj: Object) -> Errors:
    """An IPAddress: what holds it is named."""
    parent = (obj.get("spec") or {}).get("parentRef")
    if parent is None:
        return [FieldError.required("spec.parentRef")]
    errors = required("spec.parentRef.resource", parent.get("resource"), is_path_segment)
    return errors + required("spec.parentRef.name", parent.get("name"), is_path_segment)


def is_ip_name(name: str) -> list[str]:
    """The name of an IPAddress is the address, as it is written shortest."""
    try:
        canonical = str(ip_address(name))
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if canonical == name else ['must be in canonical form ("' + canonical + '")']


def service_cidr(obj: Object) -> Errors:
    networks = (obj.get("spec") or {}).get("cidrs") or []
    if not networks:
        return [FieldError.required("spec.cidrs", "at least one CIDR required")]
    errors: Errors = []
    if len(networks) > 2:
        errors.append(FieldError.invalid("spec", networks, "may only hold up to 2 values"))
    for at, network in indexed("spec.cidrs", networks):
        try:
            ip_network(network)
        except ValueError:
            errors.append(FieldError.invalid(at, network, NOT_A_CIDR))
    return errors


def service_cidr_update(obj: Object, old: Object) -> Errors:
    now, before = ((each.get("spec") or {}).get("cidrs") for each in (obj, old))
    return immutable("spec.cidrs", now, before)


def _rule_host(path: str, host: str) -> Errors:
    try:
        ip_address(host)
    except ValueError:
        return _host(path, host)
    return [FieldError.invalid(path, host, "must be a DNS name, not an IP address")]


def _host(path: str, host: str) -> Errors:
    """A DNS name, its first label perhaps a `*`."""
    if not host.startswith("*"):
        return text(path, host, is_dns_subdomain)
    rest = host[2:]
    if host.startswith("*.") and rest and not is_dns_subdomain(rest):
        return []
    pattern = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    return [
        FieldError.invalid(
            path,
            host,
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
            "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
            f"(e.g. '*.example.com', regex used for validation is '{pattern}')",
        )
    ]


def _paths(path: str, paths: list[Object] | None) -> Errors:
    if not paths:
        return [FieldError.required(path)]
    errors: Errors = []
    for at, each in indexed(path, paths):
        kind, where = each.get("pathType"), each.get("path") or ""
        match kind:
            case None | "":
                errors.append(FieldError.required(f"{at}.pathType", "pathType must be specified"))
            case "Exact" | "Prefix":
                if not where.startswith("/"):
                    errors.append(FieldError.invalid(f"{at}.path", where, "must be an absolute path"))
                errors += [
                    FieldError.invalid(f"{at}.path", where, f"must not contain '{bad}'")
                    for bad in _BAD_SEQUENCES
                    if bad in where
                ]
                errors += [
                    FieldError.invalid(f"{at}.path", where, f"cannot end with '{bad}'")
                    for bad in _BAD_SUFFIXES
                    if where.endswith(bad)
                ]
            case "ImplementationSpecific":
                if where and not where.startswith("/"):
                    errors.append(FieldError.invalid(f"{at}.path", where, "must be an absolute path"))
            case _:
                errors.append(
                    FieldError.not_supported(f"{at}.pathType", kind, ("Exact", "ImplementationSpecific", "Prefix"))
                )
        errors += _backend(f"{at}.backend", each.get("backend") or {})
    return errors


def _backend(path: str, backend: Mapping[str, Any]) -> Errors:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        return [FieldError.invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return required(f"{path}.resource.kind", resource.get("kind")) + required(
            f"{path}.resource.name", resource.get("name")
        )
    if service is None:
        return [FieldError.required(path, "resource or service backend is required")]
    errors = required(f"{path}.service.name", service.get("name"), is_dns_1035_label)
    return errors + ingress_backend_port(f"{path}.service.port", service.get("port"))


def _policy_port(path: str, each: Mapping[str, Any]) -> Errors:
    errors = protocol(f"{path}.protocol", each.get("protocol"))
    number, end = each.get("port"), each.get("endPort")
    if number is not None:
        errors += port(f"{path}.port", number)
    if end is None:
        return errors
    if number is None:
        errors.append(FieldError.invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified"))
    elif isinstance(number, str):
        errors.append(FieldError.invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric"))
    else:
        if end < number:
            errors.append(FieldError.invalid(f"{path}.endPort", end, "must be greater than or equal to `port`"))
        errors += [FieldError.invalid(f"{path}.endPort", end, problem) for problem in is_port_number(end)]
    return errors


def _peer(path: str, peer: Mapping[str, Any]) -> Errors:
    errors = label_selector(f"{path}.podSelector", peer.get("podSelector"))
    errors += label_selector(f"{path}.namespaceSelector", peer.get("namespaceSelector"))
    given = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(key) is not None]
    if not given:
        errors.append(FieldError.required(path, "must specify a peer"))
    if (block := peer.get("ipBlock")) is not None:
        if len(given) > 1:
            errors.append(FieldError.forbidden(path, "may not specify both ipBlock and another peer"))
        errors += _ip_block(f"{path}.ipBlock", block)
    return errors


def _ip_block(path: str, block: Mapping[str, Any]) -> Errors:
    if not block.get("cidr"):
        return [FieldError.required(f"{path}.cidr")]
    try:
        network = ip_network(block["cidr"], strict=False)
    except ValueError:
        return [FieldError.invalid(f"{path}.cidr", block["cidr"], NOT_A_CIDR)]
    errors: Errors = []
    for at, excluded in indexed(f"{path}.except", block.get("except")):
        try:
            inner = ip_network(excluded, strict=False)
        except ValueError:
            errors.append(FieldError.invalid(at, excluded, NOT_A_CIDR))
            continue
        inside = inner.version == network.version and inner.network_address in network
        if not inside or inner.prefixlen <= network.prefixlen:
            errors.append(FieldError.invalid(at, excluded, "must be a strict subset of `cidr`"))
    return errors
