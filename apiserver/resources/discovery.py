"""The discovery.k8s.io group: where a service's traffic can go."""

from __future__ import annotations

from apiserver.resources.rows import built_in
from apiserver.resources.rules import Rules

ROWS = (built_in("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", strategy=Rules(status=False)),)
