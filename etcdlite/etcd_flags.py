"""Those of etcd's settings that are none of ours: name -> why a value is refused, None for one that is ignored.

Ignored is what cannot matter to a store of one member (peers, elections, Raft's snapshots), what only tunes bbolt or
the Go server, and what is always done here; but it must be a value that etcd would take. Refused is what the server
would have to be another for.
"""

from __future__ import annotations

from collections.abc import Mapping

from etcdlite.ranges import Verdict, count, duration, switch


def _never(value: str) -> str | None:
    """It does not matter what it says."""
    return None


def _members(value: str) -> str | None:
    return "this store has one member; use etcd for a cluster" if value.count("=") > 1 else None


def _off(why: str) -> Verdict:
    """A switch that must stay off."""
    return lambda value: switch(value) or (None if value.lower() in ("false", "0", "f") else why)


def _only(allowed: str, why: str) -> Verdict:
    """Nothing, or the one value that comes to the same."""
    return lambda value: None if value in ("", allowed) else why


_DISCOVERY = _only("", "there are no members to discover; use etcd for a cluster")
_V2 = "the v2 API is not served"

BOOLEANS: Mapping[str, Verdict] = {
    "initial-election-tick-advance": switch,
    "enable-grpc-gateway": switch,
    "socket-reuse-port": _off("a store's port is its own"),
    "socket-reuse-address": switch,
    "strict-reconfig-check": switch,
    "pre-vote": switch,
    "enable-v2": _off(_V2),
    "peer-client-cert-auth": switch,
    "peer-auto-tls": switch,
    "enable-pprof": switch,
    "enable-log-rotation": _off("rotate log files from outside"),
    "experimental-enable-distributed-tracing": switch,
    "enable-distributed-tracing": switch,
    "experimental-compact-hash-check-enabled": switch,
    "experimental-enable-lease-checkpoint": switch,
    "experimental-enable-lease-checkpoint-persist": switch,
    "experimental-peer-skip-client-san-verification": switch,
    "experimental-memory-mlock": switch,
    "memory-mlock": switch,
    "experimental-txn-mode-write-with-shared-buffer": switch,
    "experimental-stop-grpc-service-on-defrag": switch,
    "force-new-cluster": switch,
    "debug": switch,
}
"""Switches."""

VALUES: Mapping[str, Verdict] = {
    "wal-dir": _never,
    "snapshot-count": count,
    "snapshot-catchup-entries": count,
    "experimental-snapshot-catchup-entries": count,
    "heartbeat-interval": count,
    "election-timeout": count,
    "listen-peer-urls": _never,
    "max-snapshots": count,
    "max-wals": count,
    "backend-bbolt-freelist-type": _never,
    "experimental-backend-bbolt-freelist-type": _never,
    "backend-batch-interval": duration,
    "backend-batch-limit": count,
    "max-concurrent-streams": count,
    "grpc-keepalive-min-time": duration,
    "grpc-keepalive-interval": duration,
    "grpc-keepalive-timeout": duration,
    "raft-read-timeout": duration,
    "raft-write-timeout": duration,
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
    "experimental-distributed-tracing-sampling-rate": count,
    "proxy": _only("off", _V2),
    "proxy-failure-wait": count,
    "proxy-refresh-interval": count,
    "proxy-dial-timeout": count,
    "proxy-write-timeout": count,
    "proxy-read-timeout": count,
    "experimental-corrupt-check-time": duration,
    "corrupt-check-time": duration,
    "experimental-compact-hash-check-time": duration,
    "compact-hash-check-time": duration,
    "experimental-enable-v2v3": _only("", _V2),
    "experimental-compaction-batch-limit": count,
    "compaction-batch-limit": count,
    "experimental-compaction-sleep-interval": duration,
    "compaction-sleep-interval": duration,
    "experimental-downgrade-check-time": duration,
    "downgrade-check-time": duration,
    "experimental-warning-apply-duration": duration,
    "warning-apply-duration": duration,
    "experimental-warning-unary-request-duration": duration,
    "warning-unary-request-duration": duration,
    "experimental-max-learners": count,
    "max-learners": count,
    "experimental-bootstrap-defrag-threshold-megabytes": count,
    "bootstrap-defrag-threshold-megabytes": count,
    "feature-gates": _never,
}
"""Settings with a value."""
