"""What one store counts of itself, over restarts of its actors. Whoever does a thing adds to its number."""

from __future__ import annotations

from collections.abc import Iterable

from etcdlite.metrics.histogram import Histogram, doubling
from etcdlite.model import PutResult, RangeResult, TxnResult
from machinery.rpc.counts import CallCounts

_DISK = doubling(0.001, 14)
"""Seconds, with etcd's bounds."""
_CALLS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The same, of calls."""


class Counts:
    """Numbers that only grow, and distributions in seconds. The names are those of etcd's metrics, shortened."""

    def __init__(self) -> None:
        self.ranges = 0
        self.puts = 0
        self.deletes = 0
        self.txns = 0
        self.put_bytes = 0
        self.leases_granted = 0
        self.leases_renewed = 0
        self.leases_revoked = 0
        self.leases_expired = 0
        self.lease_ttls = Histogram(doubling(1, 24))
        self.commits = Histogram(_DISK)
        self.fsyncs = Histogram(_DISK)
        self.defragmentations = Histogram(doubling(0.1, 13))
        self.defragmenting = 0
        self.snapshots = Histogram(doubling(0.01, 17))
        self.hashes = Histogram(doubling(0.01, 15))
        self.revision_hashes = Histogram(doubling(0.01, 15))
        self.healthy = 0
        self.unhealthy = 0
        self.checks: dict[tuple[str, str, bool], int] = {}
        """(type, name, passed) -> how often."""
        self.last_checks: dict[tuple[str, str], bool] = {}
        self.calls: dict[str, CallCounts] = {}
        """gRPC calls by path, of every listener."""
        self.call_seconds: dict[str, Histogram] = {}
        """How long they take; empty unless somebody asked for it."""

    def time_calls(self, paths: Iterable[str]) -> None:
        """Count how long the calls of these paths take."""
        for path in paths:
            self.call_seconds[path] = Histogram(_CALLS)
            self.calls[path] = CallCounts(self.call_seconds[path].observe)

    def transaction(self, result: TxnResult) -> None:
        """The operations of a transaction. One of a single operation is that operation, as in etcd."""
        if self._operations(result) > 1:
            self.txns += 1

    def _operations(self, result: TxnResult) -> int:
        total = 0
        for each in result.results:
            if isinstance(each, TxnResult):
                total += self._operations(each)
                continue
            total += 1
            if isinstance(each, PutResult):
                self.puts += 1
            elif isinstance(each, RangeResult):
                self.ranges += 1
            else:
                self.deletes += 1
        return total
