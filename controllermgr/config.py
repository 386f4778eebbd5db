"""The settings of a controllermgr. Names follow kube-controller-manager's flags; durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machinery.controller.spec import ControllerSpec


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set; the defaults make a small cluster."""

    controllers: tuple[str, ...] = ("*",)
    """Which loops run: `*` all that are on by default, `name` that one, `-name` not that one. Default: all."""
    leader_elect: bool = False
    """Whether to hold a Lease before any loop runs: needed when several controllermgrs serve one cluster."""
    leader_elect_lease_duration: float = 15.0
    """Seconds that others wait before they take over a Lease that is not renewed."""
    leader_elect_renew_deadline: float = 10.0
    """Seconds that the leader tries to renew before it gives up leading."""
    leader_elect_retry_period: float = 2.0
    """Seconds between tries to get or renew the Lease."""
    identity: str = ""
    """The holder's name in the Lease; "" makes one of the host's name and chance."""
    node_monitor_grace_period: float = 50.0
    """Seconds without a sign of life after which a node's conditions become Unknown."""
    node_eviction_rate: float = 0.1
    """Nodes per second whose pods are evicted in a zone where most nodes are ready."""
    secondary_node_eviction_rate: float = 0.01
    """The same in a large zone where many are not; in a small one it is none."""
    unhealthy_zone_threshold: float = 0.55
    """The share of a zone's nodes that are not ready (three at least) from which on they are many."""
    large_cluster_size_threshold: int = 50
    """A zone with more nodes is large."""
    terminated_pod_gc_threshold: int = 12500
    """Ended pods that may exist before the oldest are deleted; 0 keeps all."""
    allocate_node_cidrs: bool = True
    """Whether each node gets a range of pod addresses from `cluster_cidr`."""
    cluster_cidr: str = "10.244.0.0/16"
    """The pods' addresses; comma-separated for both families."""
    node_cidr_mask_size: int = 24
    """Bits of a node's IPv4 range."""
    node_cidr_mask_size_ipv6: int = 64
    """Bits of a node's IPv6 range."""
    root_ca: str = ""
    """PEM of the certificates that clients trust the API by: published as `kube-root-ca.crt` in every namespace.
    "" publishes nothing."""
    cluster_signing_cert: str = ""
    """PEM of the certificate authority that signs clients' certificates; "" signs none."""
    cluster_signing_key: str = ""
    """PEM of its private key."""
    cluster_signing_duration: float = 365 * 24 * 3600.0
    """Seconds that a signed certificate is valid at most. Default: one year."""
    service_accounts: tuple[str, ...] = ("default",)
    """Service accounts that exist in every namespace."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further settings by unit; they go before what the fields above say."""
    drop_in_dir: Path | None = None
    """Where drop-in files are (`UNIT.d/*.yaml`); None reads and writes none."""

    def unit_settings(self) -> Mapping[str, Mapping[str, Any]]:
        """What these settings say to each unit's controller."""
        said: dict[str, dict[str, Any]] = {
            "nodelifecycle": {
                "nodeMonitorGracePeriod": self.node_monitor_grace_period,
                "nodeEvictionRate": self.node_eviction_rate,
                "secondaryNodeEvictionRate": self.secondary_node_eviction_rate,
                "unhealthyZoneThreshold": self.unhealthy_zone_threshold,
                "largeClusterSizeThreshold": self.large_cluster_size_threshold,
            },
            "podgc": {"terminatedPodGCThreshold": self.terminated_pod_gc_threshold},
            "nodeipam": {
                "clusterCIDRs": tuple(each.strip() for each in self.cluster_cidr.split(",") if each.strip())
                if self.allocate_node_cidrs
                else (),
                "nodeCIDRMaskSize": self.node_cidr_mask_size,
                "nodeCIDRMaskSizeIPv6": self.node_cidr_mask_size_ipv6,
            },
            "root-ca-cert-publisher": {"rootCA": self.root_ca},
            "serviceaccount": {"names": self.service_accounts},
            "csrsigning": {
                "cert": self.cluster_signing_cert,
                "key": self.cluster_signing_key,
                "duration": self.cluster_signing_duration,
            },
        }
        for unit, settings in self.settings.items():
            said[unit] = {**said.get(unit, {}), **settings}
        return said


def selects(patterns: Sequence[str], spec: ControllerSpec) -> bool:
    """Whether `--controllers=patterns` runs this one: its name decides, on or off, else `*` and its own default.

    The name may be given with or without `-controller`, and by any alias.
    """
    names = {spec.name, *spec.aliases}
    for pattern in patterns:
        if pattern.removesuffix("-controller") in names or pattern in names:
            return True
        off = pattern.removeprefix("-")
        if off != pattern and (off.removesuffix("-controller") in names or off in names):
            return False
    return "*" in patterns and spec.enabled


def unknown_names(patterns: Sequence[str], specs: Mapping[str, ControllerSpec]) -> Sequence[str]:
    """The names in the patterns that are no controller's."""
    known = {name for spec in specs.values() for name in (spec.name, *spec.aliases)}
    named = (pattern.removeprefix("-") for pattern in patterns if pattern != "*")
    return [name for name in named if name not in known and name.removesuffix("-controller") not in known]
