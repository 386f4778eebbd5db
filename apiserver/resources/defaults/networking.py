"""The networking.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill, items, section

Object = dict[str, Any]


def ingress_class(obj: Object) -> None:
    if (parameters := section(obj, "spec").get("parameters")) is not None:
        fill(parameters, "scope", "Cluster")


def network_policy(obj: Object) -> None:
    spec = section(obj, "spec")
    section(spec, "podSelector")
    for rule in (*items(spec, "ingress"), *items(spec, "egress")):
        for port in items(rule, "ports"):
            fill(port, "protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
