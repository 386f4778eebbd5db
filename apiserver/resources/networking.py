"""The networking.k8s.io group."""

from __future__ import annotations

from apiserver.resources.rows import STATUS, built_in
from apiserver.resources.rules import Rules

_V1 = "networking.k8s.io/v1"

ROWS = (
    built_in(_V1, "IngressClass", "ingressclasses", namespaced=False, strategy=Rules(status=False)),
    built_in(
        _V1,
        "Ingress",
        "ingresses",
        short=("ing",),
        storage="ingress",
        subresources=(STATUS,),
        strategy=Rules(),
    ),
    built_in(
        _V1,
        "IPAddress",
        "ipaddresses",
        namespaced=False,
        short=("ip",),
        strategy=Rules(status=False, generation=False),
    ),
    built_in(_V1, "NetworkPolicy", "networkpolicies", short=("netpol",), strategy=Rules(status=False)),
    built_in(
        _V1,
        "ServiceCIDR",
        "servicecidrs",
        namespaced=False,
        subresources=(STATUS,),
        strategy=Rules(generation=False),
    ),
)
