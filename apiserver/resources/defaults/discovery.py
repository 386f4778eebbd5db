"""The discovery.k8s.io group."""

from __future__ import annotations

from typing import Any

from apiserver.resources.defaults.fill import fill, items

Object = dict[str, Any]


def endpoint_slice(obj: Object) -> None:
    for port in items(obj, "ports"):
        fill(port, "name", "")
        fill(port, "protocol", "TCP")
