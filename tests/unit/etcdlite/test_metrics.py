"""What /metrics tells: etcd's names, and numbers that are true."""

from __future__ import annotations

import asyncio
import math
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.metrics.exposition import Exposition
from etcdlite.metrics.histogram import Histogram, doubling
from machinery.rpc import RpcError
from machinery.rpc.grpc_channel import GrpcChannel
from tests.support.etcd import EtcdClient, pb, real_etcd

SERVED = {
    "etcd_cluster_version",
    "etcd_debugging_auth_revision",
    "etcd_debugging_lease_granted_total",
    "etcd_debugging_lease_renewed_total",
    "etcd_debugging_lease_revoked_total",
    "etcd_debugging_lease_ttl_total",
    "etcd_debugging_mvcc_compact_revision",
    "etcd_debugging_mvcc_current_revision",
    "etcd_debugging_mvcc_db_compaction_keys_total",
    "etcd_debugging_mvcc_db_compaction_last",
    "etcd_debugging_mvcc_events_total",
    "etcd_debugging_mvcc_keys_total",
    "etcd_debugging_mvcc_pending_events_total",
    "etcd_debugging_mvcc_slow_watcher_total",
    "etcd_debugging_mvcc_total_put_size_in_bytes",
    "etcd_debugging_mvcc_watch_stream_total",
    "etcd_debugging_mvcc_watcher_total",
    "etcd_debugging_server_lease_expired_total",
    "etcd_disk_backend_commit_duration_seconds",
    "etcd_disk_backend_defrag_duration_seconds",
    "etcd_disk_backend_snapshot_duration_seconds",
    "etcd_disk_defrag_inflight",
    "etcd_disk_wal_fsync_duration_seconds",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "etcd_mvcc_delete_total",
    "etcd_mvcc_hash_duration_seconds",
    "etcd_mvcc_hash_rev_duration_seconds",
    "etcd_mvcc_put_total",
    "etcd_mvcc_range_total",
    "etcd_mvcc_txn_total",
    "etcd_network_client_grpc_received_bytes_total",
    "etcd_network_client_grpc_sent_bytes_total",
    "etcd_server_has_leader",
    "etcd_server_health_failures",
    "etcd_server_health_success",
    "etcd_server_healthcheck",
    "etcd_server_healthchecks_total",
    "etcd_server_id",
    "etcd_server_is_leader",
    "etcd_server_is_learner",
    "etcd_server_proposals_applied_total",
    "etcd_server_proposals_committed_total",
    "etcd_server_proposals_pending",
    "etcd_server_quota_backend_bytes",
    "etcd_server_version",
    "grpc_server_handled_total",
    "grpc_server_msg_received_total",
    "grpc_server_msg_sent_total",
    "grpc_server_started_total",
}
"""etcd's metrics that etcdlite has too. Its others speak of peers, Raft, bbolt, the v2 store, the proxy and Go."""
ONLY_IN_3_5 = {
    "etcd_debugging_mvcc_db_compaction_last",
    "etcd_disk_defrag_inflight",
    "etcd_server_healthcheck",
    "etcd_server_healthchecks_total",
    "etcd_server_is_learner",
}
Samples = Mapping[str, float]


def families(text: str) -> dict[str, str]:
    """Name -> type."""
    return dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))


def samples(text: str) -> Samples:
    """Name with labels -> value."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(reply.read().decode())


async def scrape(url: str) -> str:
    return await asyncio.to_thread(fetch, f"{url}/metrics")


async def test_metrics_tell_what_happened(tmp_path: Path) -> None:
    clock = SystemClock()
    config = Config(data_dir=str(tmp_path), listen_client_urls=("http://127.0.0.1:0",), quota_backend_bytes=1 << 30)
    app = EtcdLite(config, clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        (url,) = app.client_urls
        channel = GrpcChannel(url.removeprefix("http://"))
        store = EtcdClient(channel)
        for number in range(3):
            await store.put(b"k", b"%d" % number)
        await store.get(b"k")
        await store.delete(b"k")
        await store.txn(success=[pb.PutRequest(key=b"a", value=b"1"), pb.RangeRequest(key=b"a")])
        await store.txn(success=[pb.PutRequest(key=b"alone")])
        lease = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=100))
        await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease.ID))
        await store.compact(5, physical=True)
        await store.maintenance.HashKV(pb.HashKVRequest())
        await store.maintenance.Defragment(pb.DefragmentRequest())
        async for _ in store.maintenance.Snapshot(pb.SnapshotRequest()):
            pass
        with pytest.raises(RpcError):
            await store.put(b"")
        async with store.watching() as watch:
            await watch.create(b"a")
            await watch.create(b"b")
            await watch.create(b"a", start_revision=6)
            await watch.events(1)
            told = samples(await scrape(url))
        after = samples(await scrape(url))
        await channel.close()
    expected = {
        "etcd_mvcc_put_total": 5,
        "etcd_mvcc_range_total": 2,
        "etcd_mvcc_delete_total": 1,
        "etcd_mvcc_txn_total": 1,
        "etcd_debugging_mvcc_current_revision": 7,
        "etcd_debugging_mvcc_compact_revision": 5,
        "etcd_debugging_mvcc_db_compaction_keys_total": 3,
        "etcd_debugging_mvcc_keys_total": 3,
        "etcd_debugging_mvcc_watch_stream_total": 1,
        "etcd_debugging_mvcc_watcher_total": 3,
        "etcd_debugging_mvcc_events_total": 1,
        "etcd_debugging_lease_granted_total": 1,
        "etcd_debugging_lease_revoked_total": 1,
        "etcd_debugging_lease_ttl_total_sum": 100,
        "etcd_mvcc_hash_rev_duration_seconds_count": 1,
        "etcd_disk_backend_defrag_duration_seconds_count": 1,
        "etcd_disk_backend_snapshot_duration_seconds_count": 1,
        "etcd_server_quota_backend_bytes": 1 << 30,
        "etcd_server_has_leader": 1,
        "etcd_server_proposals_pending": 0,
        'etcd_cluster_version{cluster_version="3.5"}': 1,
    }
    assert {name: told[name] for name in expected} == expected
    assert after["etcd_debugging_mvcc_watcher_total"] == 0
    put = 'grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put"'
    assert told[f"grpc_server_started_total{{{put}}}"] == 4
    assert told[f'grpc_server_handled_total{{{put},grpc_code="OK"}}'] == 3
    assert told[f'grpc_server_handled_total{{{put},grpc_code="InvalidArgument"}}'] == 1
    watched = 'grpc_type="bidi_stream",grpc_service="etcdserverpb.Watch",grpc_method="Watch"'
    assert (
        told[f"grpc_server_msg_received_total{{{watched}}}"]
        == told[f"grpc_server_msg_sent_total{{{watched}}}"] - 1
        == 3
    )
    assert told["etcd_disk_backend_commit_duration_seconds_count"] >= 7
    assert 0 < told["etcd_disk_wal_fsync_duration_seconds_sum"] <= told["etcd_disk_backend_commit_duration_seconds_sum"]
    assert told["etcd_network_client_grpc_sent_bytes_total"] > told["etcd_mvcc_db_total_size_in_bytes"] > 0
    assert told["process_resident_memory_bytes"] > 0


async def test_the_names_and_types_are_etcds(etcd_metrics: str) -> None:
    clock = SystemClock()
    app = EtcdLite(Config(listen_client_urls=("http://127.0.0.1:0",)), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        ours = families(await scrape(app.client_urls[0]))
    theirs = families(etcd_metrics)
    own = {name for name in ours if name.startswith(("etcd_", "grpc_"))}
    assert own == SERVED
    absent = SERVED - set(theirs)
    assert absent <= ONLY_IN_3_5
    assert {name: ours[name] for name in SERVED - absent} == {name: theirs[name] for name in SERVED - absent}
    assert {name for name in ours if name.startswith("process_")} <= set(theirs)


@pytest.fixture(scope="module")
def etcd_metrics() -> str:
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    with real_etcd() as address:
        return fetch(f"http://{address}/metrics")


def test_a_store_that_does_not_run_says_so() -> None:
    from etcdlite.metrics.collect import collect
    from etcdlite.parts import Parts

    told = samples(collect(Parts(), "3.5.21"))
    assert told["etcd_server_has_leader"] == told["etcd_server_is_leader"] == 0
    assert "etcd_debugging_mvcc_current_revision" not in told


async def test_extensive_metrics_tell_how_long_calls_take() -> None:
    clock = SystemClock()
    config = Config(listen_client_urls=("http://127.0.0.1:0",), metrics="extensive")
    app = EtcdLite(config, clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        channel = GrpcChannel(app.client_urls[0].removeprefix("http://"))
        await EtcdClient(channel).put(b"k")
        text = await scrape(app.client_urls[0])
        await channel.close()
    put = 'grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put"'
    told = samples(text)
    assert told[f'grpc_server_handling_seconds_bucket{{{put},le="+Inf"}}'] == 1
    assert told[f"grpc_server_handling_seconds_count{{{put}}}"] == 1
    assert 0 < told[f"grpc_server_handling_seconds_sum{{{put}}}"] < 10
    assert families(text)["grpc_server_handling_seconds"] == "histogram"


def test_histograms() -> None:
    histogram = Histogram(doubling(0.5, 3))
    for value in (0.1, 0.5, 0.6, 2.0, 99.0):
        histogram.observe(value)
    out = Exposition()
    out.histogram("h", "Help.", histogram)
    assert out.text().splitlines() == [
        "# HELP h Help.",
        "# TYPE h histogram",
        'h_bucket{le="0.5"} 2',
        'h_bucket{le="1"} 3',
        'h_bucket{le="2"} 4',
        'h_bucket{le="+Inf"} 5',
        "h_sum 102.2",
        "h_count 5",
    ]
    assert math.isclose(histogram.sum, 102.2)


def test_labels_are_escaped() -> None:
    out = Exposition()
    out.gauge("g", "Help.", 1.5, {"a": 'x"y\\z\n'})
    assert out.text().splitlines()[-1] == 'g{a="x\\"y\\\\z\\n"} 1.5'
