"""The networking.k8s.io group."""

from __future__ import annotations

from apiserver.resources.columns import networking as columns
from apiserver.resources.defaults import networking as defaults
from apiserver.resources.rows import STATUS, built_in
from apiserver.resources.rules import Rules
from apiserver.resources.validation import networking as validation

_V1 = "networking.k8s.io/v1"

ROWS = (
    built_in(
        _V1,
        "IngressClass",
        "ingressclasses",
        namespaced=False,
        columns=columns.INGRESS_CLASS,
        strategy=Rules(
            status=False,
            default=defaults.ingress_class,
            validate=validation.ingress_class,
            update=validation.ingress_class_update,
        ),
    ),
    built_in(
        _V1,
        "Ingress",
        "ingresses",
        short=("ing",),
        storage="ingress",
        subresources=(STATUS,),
        columns=columns.INGRESS,
        strategy=Rules(
            initial_status={"loadBalancer": {}}, validate=validation.ingress, create=validation.ingress_class_said_once
        ),
    ),
    built_in(
        _V1,
        "IPAddress",
        "ipaddresses",
        namespaced=False,
        short=("ip",),
        columns=columns.IP_ADDRESS,
        strategy=Rules(
            status=False, generation=False, validate=validation.ip_address_object, name=validation.is_ip_name
        ),
    ),
    built_in(
        _V1,
        "NetworkPolicy",
        "networkpolicies",
        short=("netpol",),
        columns=columns.NETWORK_POLICY,
        strategy=Rules(status=False, default=defaults.network_policy, validate=validation.network_policy),
    ),
    built_in(
        _V1,
        "ServiceCIDR",
        "servicecidrs",
        namespaced=False,
        subresources=(STATUS,),
        columns=columns.SERVICE_CIDR,
        strategy=Rules(
            generation=False, initial_status={}, validate=validation.service_cidr, update=validation.service_cidr_update
        ),
    ),
)
