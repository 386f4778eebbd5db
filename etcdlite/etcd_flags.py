"""Those of etcd's settings that are none of ours: name -> why a value is refused, None for one that is ignored.

Ignored is what cannot matter to a store of one member (peers, elections, Raft's snapshots), what only tunes bbolt or
the Go server, and what is always done here. Refused is what the server would have to be another for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Verdict = Callable[[str], str | None]


def _never(value: str) -> str | None:
    """It does not matter what it says."""
    return None


def _members(value: str) -> str | None:
    return "this store has one member; use etcd for a cluster" if value.count("=") > 1 else None


def _off(why: str) -> Verdict:
    """A switch that must stay off."""
    return lambda value: None if value.lower() in ("", "false", "0", "f") else why


def _only(allowed: str, why: str) -> Verdict:
    """Nothing, or the one value that comes to the same."""
    return lambda value: None if value in ("", allowed) else why


_DISCOVERY = _only("", "there are no members to discover; use etcd for a cluster")
_V2 = "the v2 API is not served"

BOOLEANS: Mapping[str, Verdict] = {
    "initial-election-tick-advance": _never,
    "enable-grpc-gateway": _never,
    "socket-reuse-port": _off("a store's port is its own"),
    "socket-reuse-address": _never,
    "strict-reconfig-check": _never,
    "pre-vote": _never,
    "enable-v2": _off(_V2),
    "peer-client-cert-auth": _never,
    "peer-auto-tls": _never,
    "enable-pprof": _never,
    "enable-log-rotation": _off("rotate log files from outside"),
    "experimental-enable-distributed-tracing": _never,
    "enable-distributed-tracing": _never,
    "experimental-compact-hash-check-enabled": _never,
    "experimental-enable-lease-checkpoint": _never,
    "experimental-enable-lease-checkpoint-persist": _never,
    "experimental-peer-skip-client-san-verification": _never,
    "experimental-memory-mlock": _never,
    "memory-mlock": _never,
    "experimental-txn-mode-write-with-shared-buffer": _never,
    "experimental-stop-grpc-service-on-defrag": _never,
    "force-new-cluster": _never,
    "debug": _never,
}
"""Switches."""

VALUES: Mapping[str, Verdict] = {
    "wal-dir": _never,
    "snapshot-count": _never,
    "snapshot-catchup-entries": _never,
    "experimental-snapshot-catchup-entries": _never,
    "heartbeat-interval": _never,
    "election-timeout": _never,
    "listen-peer-urls": _never,
    "max-snapshots": _never,
    "max-wals": _never,
    "backend-bbolt-freelist-type": _never,
    "experimental-backend-bbolt-freelist-type": _never,
    "backend-batch-interval": _never,
    "backend-batch-limit": _never,
    "max-concurrent-streams": _never,
    "grpc-keepalive-min-time": _never,
    "grpc-keepalive-interval": _never,
    "grpc-keepalive-timeout": _never,
    "raft-read-timeout": _never,
    "raft-write-timeout": _never,
    "initial-advertise-peer-urls": _never,
    "initial-cluster": _members,
    "initial-cluster-state": _never,
    "initial-cluster-token": _never,
    "discovery": _DISCOVERY,
    "discovery-fallback": _never,
    "discovery-proxy": _never,
    "discovery-srv": _DISCOVERY,
    "discovery-srv-name": _DISCOVERY,
    "discovery-endpoints": _DISCOVERY,
    "discovery-token": _DISCOVERY,
    "v2-deprecation": _never,
    "client-cert-file": _never,
    "client-key-file": _never,
    "peer-cert-file": _never,
    "peer-key-file": _never,
    "peer-trusted-ca-file": _never,
    "peer-cert-allowed-cn": _never,
    "peer-cert-allowed-hostname": _never,
    "peer-client-cert-file": _never,
    "peer-client-key-file": _never,
    "peer-crl-file": _never,
    "cors": _never,
    "host-whitelist": _never,
    "logger": _only("zap", "only etcd's newer logs are written"),
    "log-package-levels": _never,
    "log-rotation-config-json": _never,
    "experimental-distributed-tracing-address": _never,
    "experimental-distributed-tracing-service-name": _never,
    "experimental-distributed-tracing-instance-id": _never,
    "experimental-distributed-tracing-sampling-rate": _never,
    "proxy": _only("off", _V2),
    "proxy-failure-wait": _never,
    "proxy-refresh-interval": _never,
    "proxy-dial-timeout": _never,
    "proxy-write-timeout": _never,
    "proxy-read-timeout": _never,
    "experimental-corrupt-check-time": _never,
    "corrupt-check-time": _never,
    "experimental-compact-hash-check-time": _never,
    "compact-hash-check-time": _never,
    "experimental-enable-v2v3": _only("", _V2),
    "experimental-compaction-batch-limit": _never,
    "compaction-batch-limit": _never,
    "experimental-compaction-sleep-interval": _never,
    "compaction-sleep-interval": _never,
    "experimental-downgrade-check-time": _never,
    "downgrade-check-time": _never,
    "experimental-warning-apply-duration": _never,
    "warning-apply-duration": _never,
    "experimental-warning-unary-request-duration": _never,
    "warning-unary-request-duration": _never,
    "experimental-max-learners": _never,
    "max-learners": _never,
    "experimental-bootstrap-defrag-threshold-megabytes": _never,
    "bootstrap-defrag-threshold-megabytes": _never,
    "feature-gates": _never,
}
"""Settings with a value."""
