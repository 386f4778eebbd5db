"""The apiextensions.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill, section

Object = dict[str, Any]


def custom_resource_definition(obj: Object) -> None:
    spec = section(obj, "spec")
    names = section(spec, "names")
    if kind := names.get("kind"):
        fill(names, "singular", kind.lower())
        fill(names, "listKind", f"{kind}List")
    conversion = section(spec, "conversion")
    fill(conversion, "strategy", "None")
    if (service := ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")) is not None:
        fill(service, "port", 443)
