"""RESOURCES: every built-in kind that is served, one row each.

The order is that of discovery: core first, then the groups as kube-apiserver lists them, the preferred version of a
group before its others. Adding a kind is a row in its group's file; custom resources make rows at run time (`crd.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from apiserver.resources import (
    admissionregistration,
    apiextensions,
    apps,
    autoscaling,
    batch,
    certificates,
    coordination,
    core,
    discovery,
    events,
    networking,
    node_k8s,
    policy,
    rbac,
    reviews,
    scheduling,
    storage_k8s,
)
from apiserver.resources.spec import ResourceSpec
from machinery.objects.gvk import GVR


def index(rows: Iterable[ResourceSpec]) -> Mapping[GVR, ResourceSpec]:
    """The rows by what a URL says. Raises ValueError when two rows claim one resource."""
    table: dict[GVR, ResourceSpec] = {}
    for row in rows:
        if row.gvr in table:
            raise ValueError(f"two rows for {row.gvr}")
        table[row.gvr] = row
    return MappingProxyType(table)


RESOURCES: Mapping[GVR, ResourceSpec] = index(
    (
        *core.ROWS,
        *apps.ROWS,
        *events.ROWS,
        *reviews.ROWS,
        *autoscaling.ROWS,
        *batch.ROWS,
        *certificates.ROWS,
        *networking.ROWS,
        *policy.ROWS,
        *rbac.ROWS,
        *storage_k8s.ROWS,
        *admissionregistration.ROWS,
        *apiextensions.ROWS,
        *scheduling.ROWS,
        *coordination.ROWS,
        *node_k8s.ROWS,
        *discovery.ROWS,
    )
)
