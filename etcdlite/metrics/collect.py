"""Everything that `/metrics` tells, put together when somebody asks.

The names are etcd's where the thing is the same, so that its dashboards and alerts work. What a store of one member on
SQLite does not have (peers, elections, bbolt's phases, the v2 store) is left out: a constant zero would be a lie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etcdlite.metrics.counts import Counts
from etcdlite.metrics.exposition import Exposition
from machinery.rpc.api import Code
from protos.pool import Method, service

if TYPE_CHECKING:
    from etcdlite.parts import Parts
    from etcdlite.store.store import Store
    from etcdlite.watch.stream import WatchStream

CODES = {
    code: "".join(part.title() for part in code.name.split("_")) if code is not Code.OK else "OK" for code in Code
} | {Code.CANCELLED: "Canceled"}
"""gRPC codes as Go writes them."""


def collect(parts: Parts, version: str) -> str:
    """The exposition, without the process's own metrics. version: of the etcd whose API this is."""
    out = Exposition()
    _server(out, parts, version)
    if parts.open.is_set():
        _store(out, parts.store)
        _watches(out, parts.watches)
    _operations(out, parts.counts)
    _leases(out, parts.counts)
    _disk(out, parts.counts)
    _checks(out, parts.counts)
    _calls(out, parts.counts)
    return out.text()


def _server(out: Exposition, parts: Parts, version: str) -> None:
    cluster = version.rpartition(".")[0]
    out.gauge("etcd_server_version", "The etcd version whose API is served.", 1, {"server_version": version})
    out.gauge("etcd_cluster_version", "The version of the cluster's API.", 1, {"cluster_version": cluster})
    running = parts.open.is_set()
    out.gauge("etcd_server_has_leader", "1 while the store runs: its one member leads.", running)
    out.gauge("etcd_server_is_leader", "1 while the store runs: its one member leads.", running)
    out.gauge("etcd_server_is_learner", "Whether the member only learns: never.", 0)
    if running:
        member = f"{parts.store.header.member_id:x}"
        out.gauge("etcd_server_id", "The member's id, in hexadecimal.", 1, {"server_id": member})


def _store(out: Exposition, store: Store) -> None:
    state = store.state
    out.gauge("etcd_debugging_mvcc_current_revision", "The newest durable revision.", state.visible)
    out.gauge(
        "etcd_debugging_mvcc_compact_revision",
        "The revision of the last compaction, -1 before the first.",
        state.compacted,
    )
    out.gauge(
        "etcd_debugging_mvcc_keys_total", "Keys in the index, deleted ones until they are compacted.", len(state.index)
    )
    out.gauge("etcd_debugging_auth_revision", "The revision of users and roles.", store.auth.revision)
    out.gauge("etcd_server_proposals_committed_total", "Changes that are durable, as a revision.", state.visible)
    out.gauge("etcd_server_proposals_applied_total", "Changes that readers see, as a revision.", state.visible)
    out.gauge("etcd_server_proposals_pending", "Revisions that wait for the disk.", state.revision - state.visible)
    removed = store.compactor.forgotten
    last = store.compactor.last.timestamp() if store.compactor.last is not None else 0
    out.counter("etcd_debugging_mvcc_db_compaction_keys_total", "Changes that compactions removed.", removed)
    out.gauge("etcd_debugging_mvcc_db_compaction_last", "Unix time of the last compaction, 0 before the first.", last)
    out.counter("etcd_debugging_mvcc_events_total", "Events sent to watches.", store.hub.sent)
    size = store.size
    out.gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes of the database.", size.total)
    out.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the database that hold data.", size.used)
    out.gauge("etcd_server_quota_backend_bytes", "Bytes of the database at which writes are refused.", store.quota)


def _watches(out: Exposition, streams: set[WatchStream]) -> None:
    out.gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams.", len(streams))
    watches, behind, queued = (
        (sum(each) for each in zip(*(s.load for s in streams), strict=True)) if streams else (0, 0, 0)
    )
    out.gauge("etcd_debugging_mvcc_watcher_total", "Watches.", watches)
    out.gauge("etcd_debugging_mvcc_slow_watcher_total", "Watches that read history to catch up.", behind)
    out.gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait for their clients.", queued)


def _operations(out: Exposition, counts: Counts) -> None:
    out.counter("etcd_mvcc_range_total", "Ranges, those in transactions too.", counts.ranges)
    out.counter("etcd_mvcc_put_total", "Puts, those in transactions too.", counts.puts)
    out.counter("etcd_mvcc_delete_total", "Deletions, those in transactions too.", counts.deletes)
    out.counter("etcd_mvcc_txn_total", "Transactions of several operations.", counts.txns)
    out.gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of all keys and values put.", counts.put_bytes)


def _leases(out: Exposition, counts: Counts) -> None:
    out.counter("etcd_debugging_lease_granted_total", "Leases granted.", counts.leases_granted)
    out.counter("etcd_debugging_lease_renewed_total", "Leases kept alive.", counts.leases_renewed)
    out.counter(
        "etcd_debugging_lease_revoked_total", "Leases that ended, by a client or by time.", counts.leases_revoked
    )
    out.counter("etcd_debugging_server_lease_expired_total", "Leases that ended by time.", counts.leases_expired)
    out.histogram("etcd_debugging_lease_ttl_total", "Seconds that leases were granted for.", counts.lease_ttls)


def _disk(out: Exposition, counts: Counts) -> None:
    seconds = (
        ("etcd_disk_backend_commit_duration_seconds", "Commits to the database.", counts.commits),
        (
            "etcd_disk_wal_fsync_duration_seconds",
            "Syncs of the write-ahead log, the part of a commit that waits for the disk.",
            counts.fsyncs,
        ),
        (
            "etcd_disk_backend_defrag_duration_seconds",
            "Defragmentations; writers get in between.",
            counts.defragmentations,
        ),
        (
            "etcd_disk_backend_snapshot_duration_seconds",
            "Snapshots, until they are ready to be sent.",
            counts.snapshots,
        ),
        ("etcd_mvcc_hash_duration_seconds", "Hashes of everything.", counts.hashes),
        ("etcd_mvcc_hash_rev_duration_seconds", "Hashes of the key space at a revision.", counts.revision_hashes),
    )
    for name, help, histogram in seconds:
        out.histogram(name, f"Seconds: {help}", histogram)
    out.gauge("etcd_disk_defrag_inflight", "1 while a defragmentation runs.", counts.defragmenting)


def _checks(out: Exposition, counts: Counts) -> None:
    out.counter("etcd_server_health_success", "Answers of /health that were good.", counts.healthy)
    out.counter("etcd_server_health_failures", "Answers of /health that were not.", counts.unhealthy)
    out.family(
        "etcd_server_healthcheck",
        "gauge",
        "1 for each check that passed when it was last made.",
        [({"type": kind, "name": name}, passed) for (kind, name), passed in counts.last_checks.items()],
    )
    out.family(
        "etcd_server_healthchecks_total",
        "counter",
        "Checks made.",
        [
            ({"type": kind, "name": name, "status": "success" if passed else "error"}, count)
            for (kind, name, passed), count in counts.checks.items()
        ],
    )


def _calls(out: Exposition, counts: Counts) -> None:
    calls = [(_method(path), call) for path, call in counts.calls.items()]
    labelled = [(_labels(method), call) for method, call in calls]
    out.family(
        "grpc_server_started_total", "counter", "Calls that began.", [(each, call.started) for each, call in labelled]
    )
    out.family(
        "grpc_server_handled_total",
        "counter",
        "Calls that ended, by the code they ended with.",
        [
            ({**each, "grpc_code": CODES[code]}, number)
            for each, call in labelled
            for code, number in ({Code.OK: 0} | call.handled).items()
        ],
    )
    out.family(
        "grpc_server_msg_received_total",
        "counter",
        "Messages received.",
        [(each, call.received) for each, call in labelled],
    )
    out.family(
        "grpc_server_msg_sent_total", "counter", "Messages sent.", [(each, call.sent) for each, call in labelled]
    )
    if counts.call_seconds:
        seconds = [(_labels(_method(path)), histogram) for path, histogram in counts.call_seconds.items()]
        out.histograms("grpc_server_handling_seconds", "Seconds: Calls, until they ended.", seconds)
    received = sum(call.received_bytes for _, call in calls)
    sent = sum(call.sent_bytes for _, call in calls)
    out.counter("etcd_network_client_grpc_received_bytes_total", "Bytes of messages from clients.", received)
    out.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes of messages to clients.", sent)


def _method(path: str) -> Method:
    name, _, method = path[1:].rpartition("/")
    return service(name)[method]


def _labels(method: Method) -> dict[str, str]:
    kind = {
        (False, False): "unary",
        (False, True): "server_stream",
        (True, False): "client_stream",
        (True, True): "bidi_stream",
    }[method.client_streaming, method.server_streaming]
    return {"grpc_type": kind, "grpc_service": method.path[1:].rpartition("/")[0], "grpc_method": method.name}
