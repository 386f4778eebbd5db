"""The discovery.k8s.io group."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from apiserver.resources.validation.checks import (
    NOT_AN_IP,
    Errors,
    immutable,
    indexed,
    one_of,
    port_number,
    protocol,
    text,
)
from machinery.errors import FieldError
from machinery.objects.names import is_dns_label, is_dns_subdomain, is_label_key

Object = dict[str, Any]

_MOST_ENDPOINTS = 1000
_MOST_ADDRESSES = 100
_MOST_PORTS = 20000
_TYPES = ("FQDN", "IPv4", "IPv6")


def endpoint_slice(obj: Object) -> Errors:
    kind = obj.get("addressType")
    errors = one_of("addressType", kind, _TYPES)
    endpoints, ports = obj.get("endpoints") or [], obj.get("ports") or []
    if len(endpoints) > _MOST_ENDPOINTS:
        errors.append(FieldError.too_many("endpoints", len(endpoints), _MOST_ENDPOINTS))
    if len(ports) > _MOST_PORTS:
        errors.append(FieldError.too_many("ports", len(ports), _MOST_PORTS))
    for at, endpoint in indexed("endpoints", endpoints):
        errors += _endpoint(at, endpoint, kind)
    names: set[str] = set()
    for at, each in indexed("ports", ports):
        name = each.get("name") or ""
        if name:
            errors += text(f"{at}.name", name, is_dns_label)
        if name in names:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        names.add(name)
        errors += protocol(f"{at}.protocol", each.get("protocol"))
        if each.get("port") is not None:
            errors += port_number(f"{at}.port", each["port"])
        if each.get("appProtocol"):
            errors += text(f"{at}.appProtocol", each["appProtocol"], is_label_key)
    return errors


def endpoint_slice_update(obj: Object, old: Object) -> Errors:
    return immutable("addressType", obj.get("addressType"), old.get("addressType"))


def _endpoint(path: str, endpoint: Object, kind: str | None) -> Errors:
    addresses = endpoint.get("addresses") or []
    errors: Errors = []
    if not addresses:
        errors.append(FieldError.required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > _MOST_ADDRESSES:
        errors.append(FieldError.too_many(f"{path}.addresses", len(addresses), _MOST_ADDRESSES))
    for at, address in indexed(f"{path}.addresses", addresses):
        errors += text(at, address, is_dns_subdomain) if kind == "FQDN" else _address(at, address, kind)
    if endpoint.get("hostname"):
        errors += text(f"{path}.hostname", endpoint["hostname"], is_dns_label)
    if endpoint.get("nodeName"):
        errors += text(f"{path}.nodeName", endpoint["nodeName"], is_dns_subdomain)
    return errors


def _address(path: str, address: str, kind: str | None) -> Errors:
    try:
        version = ip_address(address).version
    except ValueError:
        return [FieldError.invalid(path, address, NOT_AN_IP)]
    if kind in ("IPv4", "IPv6") and kind != f"IPv{version}":
        return [FieldError.invalid(path, address, f"must be a valid {kind} address")]
    return []
