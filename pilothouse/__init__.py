"""Pilothouse: the Kubernetes control plane and node agent as asyncio actors.

from pilothouse import Cluster

async with Cluster(nodes=3) as cluster:
    client = cluster.client()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.cluster import Cluster, Listen

__all__ = ["Cluster", "Listen"]


def __getattr__(name: str) -> Any:
    """`Cluster` and `Listen` on first use: the pytest plugin is imported by every pytest run, a cluster is not."""
    if name in __all__:
        from pilothouse import cluster

        return getattr(cluster, name)
    raise AttributeError(f"module 'pilothouse' has no attribute {name!r}")
