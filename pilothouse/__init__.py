"""Pilothouse: the Kubernetes control plane and node agent as asyncio actors.

from pilothouse import Cluster

async with Cluster(nodes=3) as cluster:
    client = cluster.client()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors import VirtualClock
    from pilothouse.cluster import Cluster, Listen

__all__ = ["Cluster", "Listen", "VirtualClock"]

_HOMES = {"Cluster": "pilothouse.cluster", "Listen": "pilothouse.cluster", "VirtualClock": "actors"}


def __getattr__(name: str) -> Any:
    """These on first use: the pytest plugin is imported by every pytest run, a cluster is not."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pilothouse' has no attribute {name!r}")
