"""The flags of a controllermgr process, and the Config that they make. Names follow kube-controller-manager's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from controllermgr.config import Config
from controllermgr.errors import BadConfig
from machinery.process.settings import setting

_DEFAULTS = Config()


@dataclass(frozen=True, slots=True)
class Flags:
    """See each field's help."""

    kubeconfig: Path | None = setting(None, help="File that says where the API is and who we are; else as kubectl.")
    controllers: tuple[str, ...] = setting(
        _DEFAULTS.controllers,
        help="Loops to run: '*' all that are on by default, 'name' that one, '-name' not that one.",
    )
    leader_elect: bool = setting(True, help="Hold a Lease before any loop runs.")
    leader_elect_lease_duration: float = setting(
        _DEFAULTS.leader_elect_lease_duration, help="How long others wait for a Lease that is not renewed.", unit="s"
    )
    leader_elect_renew_deadline: float = setting(
        _DEFAULTS.leader_elect_renew_deadline, help="How long the leader tries to renew before it gives up.", unit="s"
    )
    leader_elect_retry_period: float = setting(
        _DEFAULTS.leader_elect_retry_period, help="Time between tries to get or renew the Lease.", unit="s"
    )
    identity: str = setting(_DEFAULTS.identity, help="The holder's name in the Lease; empty makes one.")
    node_monitor_grace_period: float = setting(
        _DEFAULTS.node_monitor_grace_period, help="Silence after which a node's conditions become Unknown.", unit="s"
    )
    node_eviction_rate: float = setting(
        _DEFAULTS.node_eviction_rate, help="Nodes per second that are evicted in a zone where most are ready."
    )
    secondary_node_eviction_rate: float = setting(
        _DEFAULTS.secondary_node_eviction_rate, help="The same in a large zone where many are not ready."
    )
    unhealthy_zone_threshold: float = setting(
        _DEFAULTS.unhealthy_zone_threshold, help="Share of a zone's nodes (three at least) that counts as many."
    )
    large_cluster_size_threshold: int = setting(
        _DEFAULTS.large_cluster_size_threshold, help="A zone with more nodes is large."
    )
    terminated_pod_gc_threshold: int = setting(
        _DEFAULTS.terminated_pod_gc_threshold, help="Ended pods that may exist before the oldest are deleted; 0 any."
    )
    allocate_node_cidrs: bool = setting(True, help="Give each node a range of pod addresses.")
    cluster_cidr: str = setting(_DEFAULTS.cluster_cidr, help="The pods' addresses; comma-separated for both families.")
    node_cidr_mask_size: int = setting(_DEFAULTS.node_cidr_mask_size, help="Bits of a node's IPv4 range.")
    node_cidr_mask_size_ipv6: int = setting(_DEFAULTS.node_cidr_mask_size_ipv6, help="Bits of a node's IPv6 range.")
    root_ca_file: Path | None = setting(None, help="Certificates published in every namespace; none by default.")
    cluster_signing_cert_file: Path | None = setting(None, help="Authority that signs certificates; none by default.")
    cluster_signing_key_file: Path | None = setting(None, help="The authority's private key.")
    cluster_signing_duration: float = setting(
        _DEFAULTS.cluster_signing_duration, help="How long a signed certificate is valid at most.", unit="s"
    )
    drop_in_dir: Path | None = setting(None, help="Where drop-in files are (UNIT.d/*.yaml).")
    grpc_address: str = setting("", help="HOST:PORT or unix:/PATH where the units are steered; not served by default.")
    tls_cert_file: Path | None = setting(None, help="Certificate of that listener.")
    tls_private_key_file: Path | None = setting(None, help="Its private key.")
    client_ca_file: Path | None = setting(None, help="Authority of the certificates of those who steer.")
    log_level: str = setting("info", help="debug, info, warning or error, also by logger: info,controllermgr=debug.")

    def config(self) -> Config:
        """The settings, files read. Raises BadConfig for a file that cannot be read."""
        return Config(
            controllers=self.controllers,
            leader_elect=self.leader_elect,
            leader_elect_lease_duration=self.leader_elect_lease_duration,
            leader_elect_renew_deadline=self.leader_elect_renew_deadline,
            leader_elect_retry_period=self.leader_elect_retry_period,
            identity=self.identity,
            node_monitor_grace_period=self.node_monitor_grace_period,
            node_eviction_rate=self.node_eviction_rate,
            secondary_node_eviction_rate=self.secondary_node_eviction_rate,
            unhealthy_zone_threshold=self.unhealthy_zone_threshold,
            large_cluster_size_threshold=self.large_cluster_size_threshold,
            terminated_pod_gc_threshold=self.terminated_pod_gc_threshold,
            allocate_node_cidrs=self.allocate_node_cidrs,
            cluster_cidr=self.cluster_cidr,
            node_cidr_mask_size=self.node_cidr_mask_size,
            node_cidr_mask_size_ipv6=self.node_cidr_mask_size_ipv6,
            root_ca=_read("root-ca-file", self.root_ca_file),
            cluster_signing_cert=_read("cluster-signing-cert-file", self.cluster_signing_cert_file),
            cluster_signing_key=_read("cluster-signing-key-file", self.cluster_signing_key_file),
            cluster_signing_duration=self.cluster_signing_duration,
            drop_in_dir=self.drop_in_dir,
        )


def _read(flag: str, path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"--{flag}: cannot read {path}: {error}") from error
