"""KV, transactions, compaction and leases: one body for the specification, etcdlite and etcd.

Revisions are relative to the one a test finds, since a real etcd serves many tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from machinery.rpc import Code, RpcError
from tests.support.etcd import EtcdClient, pb

R = pb.RangeRequest
C = pb.Compare


def keys(reply: Any) -> list[bytes]:
    return [kv.key.rpartition(b"/")[2] for kv in reply.kvs]


async def five(store: EtcdClient, prefix: bytes) -> int:
    """a..e with versions 1, 2, 1, 1, 3 and values that sort the other way round; the revision before."""
    base = await store.revision()
    for name, value in ((b"a", b"9"), (b"b", b"x"), (b"c", b"7"), (b"b", b"8"), (b"d", b"6"), (b"e", b"x")):
        await store.put(prefix + name, value)
    await store.put(prefix + b"e", b"x")
    await store.put(prefix + b"e", b"5")
    return base


async def test_put_and_get(store: EtcdClient, prefix: bytes) -> None:
    base = await store.revision()
    first = await store.put(prefix + b"k", b"1")
    second = await store.put(prefix + b"k", b"2", prev_kv=True)
    assert first.header.revision == base + 1 and not first.HasField("prev_kv")
    assert second.prev_kv.value == b"1" and second.prev_kv.version == 1
    reply = await store.get(prefix + b"k")
    (kv,) = reply.kvs
    assert (kv.key, kv.value, kv.version, kv.lease) == (prefix + b"k", b"2", 2, 0)
    assert (kv.create_revision, kv.mod_revision, reply.header.revision) == (base + 1, base + 2, base + 2)
    assert reply.count == 1 and not reply.more


async def test_binary_keys_and_empty_values(store: EtcdClient, prefix: bytes) -> None:
    key = prefix + bytes(range(256))
    await store.put(key, b"")
    await store.put(key + b"\0", bytes(1000))
    assert [(kv.key, kv.value) for kv in (await store.get(key)).kvs] == [(key, b"")]
    assert (await store.get(key + b"\0")).kvs[0].value == bytes(1000)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [b"a", b"b", b"c", b"d", b"e"], id="all"),
        pytest.param({"sort_order": R.DESCEND}, [b"e", b"d", b"c", b"b", b"a"], id="descending"),
        pytest.param({"sort_order": R.ASCEND, "sort_target": R.VALUE}, [b"e", b"d", b"c", b"b", b"a"], id="by value"),
        pytest.param({"sort_target": R.VALUE}, [b"e", b"d", b"c", b"b", b"a"], id="a target alone sorts ascending"),
        pytest.param({"sort_order": R.DESCEND, "sort_target": R.MOD}, [b"e", b"d", b"b", b"c", b"a"], id="by mod"),
        pytest.param(
            {"sort_order": R.DESCEND, "sort_target": R.CREATE}, [b"e", b"d", b"c", b"b", b"a"], id="by create"
        ),
        pytest.param(
            {"sort_order": R.DESCEND, "sort_target": R.VERSION, "limit": 2}, [b"e", b"b"], id="by version, limited"
        ),
        pytest.param({"limit": 2}, [b"a", b"b"], id="limit"),
        pytest.param({"limit": 5}, [b"a", b"b", b"c", b"d", b"e"], id="limit that fits"),
        pytest.param({"limit": -3}, [b"a", b"b", b"c", b"d", b"e"], id="negative limit"),
    ],
)
async def test_range_options(store: EtcdClient, prefix: bytes, options: dict[str, Any], expected: list[bytes]) -> None:
    await five(store, prefix)
    reply = await store.get(prefix, prefix + b"\xff", **options)
    assert keys(reply) == expected
    assert reply.count == 5
    assert reply.more == (len(expected) < 5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"min_mod_revision": 4}, [b"b", b"d", b"e"], id="min mod"),
        pytest.param({"max_mod_revision": 3}, [b"a", b"c"], id="max mod"),
        pytest.param({"min_create_revision": 3, "max_create_revision": 5}, [b"c", b"d"], id="create between"),
        pytest.param({"min_create_revision": 2, "limit": 2}, [b"b", b"c"], id="filter, then limit"),
    ],
)
async def test_revision_filters(
    store: EtcdClient, prefix: bytes, options: dict[str, int], expected: list[bytes]
) -> None:
    base = await five(store, prefix)
    bounds = {name: value if name == "limit" else base + value for name, value in options.items()}
    reply = await store.get(prefix, prefix + b"\xff", **bounds)
    assert keys(reply) == expected
    assert reply.count == 5


async def test_range_bounds(store: EtcdClient, prefix: bytes) -> None:
    await five(store, prefix)
    assert keys(await store.get(prefix + b"b", prefix + b"d")) == [b"b", b"c"]
    assert keys(await store.get(prefix + b"d", prefix + b"b")) == []
    assert keys(await store.get(prefix + b"nothing")) == []
    rest = await store.get(prefix + b"d", b"\0")
    assert keys(rest)[:2] == [b"d", b"e"]


async def test_keys_only_and_count_only(store: EtcdClient, prefix: bytes) -> None:
    await five(store, prefix)
    reply = await store.get(prefix, prefix + b"\xff", keys_only=True)
    assert [kv.value for kv in reply.kvs] == [b""] * 5 and reply.kvs[4].version == 3
    reply = await store.get(prefix, prefix + b"\xff", count_only=True)
    assert (list(reply.kvs), reply.count, reply.more) == ([], 5, False)


async def test_reads_of_the_past(store: EtcdClient, prefix: bytes) -> None:
    base = await five(store, prefix)
    await store.delete(prefix + b"a")
    past = await store.get(prefix, prefix + b"\xff", revision=base + 3)
    assert [(kv.key[-1:], kv.value) for kv in past.kvs] == [(b"a", b"9"), (b"b", b"x"), (b"c", b"7")]
    assert past.header.revision == base + 9
    assert (await store.get(prefix + b"a", revision=base + 8)).count == 1
    assert (await store.get(prefix + b"a", revision=base + 9)).count == 0


async def test_delete(store: EtcdClient, prefix: bytes) -> None:
    base = await five(store, prefix)
    reply = await store.delete(prefix + b"b", prefix + b"d", prev_kv=True)
    assert (reply.deleted, reply.header.revision) == (2, base + 9)
    assert [(kv.key[-1:], kv.value) for kv in reply.prev_kvs] == [(b"b", b"8"), (b"c", b"7")]
    again = await store.delete(prefix + b"b", prefix + b"d")
    assert (again.deleted, again.header.revision) == (0, base + 9)
    await store.put(prefix + b"b", b"new")
    kv = (await store.get(prefix + b"b")).kvs[0]
    assert (kv.create_revision, kv.version) == (base + 10, 1)


async def test_ignore_value_and_lease(store: EtcdClient, prefix: bytes) -> None:
    lease = (await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60))).ID
    await store.put(prefix + b"k", b"1", lease=lease)
    await store.put(prefix + b"k", ignore_value=True, lease=lease)
    await store.put(prefix + b"k", b"2", ignore_lease=True)
    kv = (await store.get(prefix + b"k")).kvs[0]
    assert (kv.value, kv.lease, kv.version) == (b"2", lease, 3)
    await store.put(prefix + b"k", b"3")
    assert (await store.get(prefix + b"k")).kvs[0].lease == 0
    await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))
    assert (await store.get(prefix + b"k")).count == 1


P, D, T = pb.PutRequest, pb.DeleteRangeRequest, pb.TxnRequest
INVALID, RANGE, MISSING = Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE, Code.NOT_FOUND


def nested(*requests: Any) -> Any:
    from tests.support.etcd import op

    return T(success=[op(request) for request in requests])


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        pytest.param(R(), INVALID, "etcdserver: key is not provided", id="range without key"),
        pytest.param(P(), INVALID, "etcdserver: key is not provided", id="put without key"),
        pytest.param(D(), INVALID, "etcdserver: key is not provided", id="delete without key"),
        pytest.param(R(key=b"k", sort_order=7), INVALID, "etcdserver: invalid sort option", id="sort order"),
        pytest.param(R(key=b"k", sort_target=9), INVALID, "etcdserver: invalid sort option", id="sort target"),
        pytest.param(
            R(key=b"k", revision=1 << 40),
            RANGE,
            "etcdserver: mvcc: required revision is a future revision",
            id="future",
        ),
        pytest.param(P(key=b"none", ignore_value=True), INVALID, "etcdserver: key not found", id="nothing to keep"),
        pytest.param(
            P(key=b"k", value=b"v", ignore_value=True), INVALID, "etcdserver: value is provided", id="value provided"
        ),
        pytest.param(
            P(key=b"k", lease=5, ignore_lease=True), INVALID, "etcdserver: lease is provided", id="lease provided"
        ),
        pytest.param(P(key=b"k", lease=12345), MISSING, "etcdserver: requested lease not found", id="unknown lease"),
        pytest.param(
            nested(P(key=b"a"), P(key=b"a")), INVALID, "etcdserver: duplicate key given in txn request", id="put twice"
        ),
        pytest.param(
            nested(P(key=b"b"), D(key=b"a", range_end=b"c")),
            INVALID,
            "etcdserver: duplicate key given in txn request",
            id="put and deleted",
        ),
        pytest.param(
            nested(P(key=b"b"), nested(P(key=b"b"))),
            INVALID,
            "etcdserver: duplicate key given in txn request",
            id="put here and inside",
        ),
        pytest.param(
            nested(*(P(key=b"k%d" % n) for n in range(129))),
            INVALID,
            "etcdserver: too many operations in txn request",
            id="too many",
        ),
        pytest.param(T(success=[pb.RequestOp()]), INVALID, "etcdserver: key not found", id="empty operation"),
        pytest.param(T(compare=[C()]), INVALID, "etcdserver: key is not provided", id="compare without key"),
        pytest.param(
            nested(P(key=b"k", lease=12345)), MISSING, "etcdserver: requested lease not found", id="lease in txn"
        ),
    ],
)
async def test_refusals(
    store: EtcdClient, request: pytest.FixtureRequest, request_: Any, code: Code, text: str
) -> None:
    if "sort" in text and request.node.callspec.params["store"] == "etcd":
        pytest.skip("etcd before 3.6 does not check it: an unknown sort target ends the server")
    before = await store.revision()
    call = {"RangeRequest": "Range", "PutRequest": "Put", "DeleteRangeRequest": "DeleteRange", "TxnRequest": "Txn"}
    with pytest.raises(RpcError) as raised:
        await getattr(store.kv, call[request_.DESCRIPTOR.name])(request_)
    assert (raised.value.code, raised.value.message) == (code, text)
    assert await store.revision() == before


@pytest.mark.parametrize(
    ("compare", "holds"),
    [
        pytest.param({"target": C.VERSION, "result": C.EQUAL, "version": 2}, True, id="version ="),
        pytest.param({"target": C.VERSION, "result": C.GREATER, "version": 2}, False, id="version >"),
        pytest.param({"target": C.VALUE, "result": C.EQUAL, "value": b"v2"}, True, id="value ="),
        pytest.param({"target": C.VALUE, "result": C.LESS, "value": b"v3"}, True, id="value <"),
        pytest.param({"target": C.VALUE, "result": C.NOT_EQUAL, "value": b"v2"}, False, id="value !="),
        pytest.param({"target": C.LEASE, "result": C.EQUAL, "lease": 0}, True, id="lease ="),
        pytest.param({"target": C.MOD, "result": C.GREATER, "mod_revision": 0}, True, id="mod >"),
        pytest.param({"target": C.CREATE, "result": C.NOT_EQUAL, "create_revision": 0}, True, id="create !="),
        pytest.param({"target": C.CREATE, "result": C.LESS, "create_revision": 1}, False, id="create <"),
    ],
)
async def test_compares(store: EtcdClient, prefix: bytes, compare: dict[str, Any], holds: bool) -> None:
    await store.put(prefix + b"k", b"v1")
    await store.put(prefix + b"k", b"v2")
    reply = await store.txn(compare=[C(key=prefix + b"k", **compare)])
    assert reply.succeeded is holds


@pytest.mark.parametrize(
    ("compare", "holds"),
    [
        pytest.param({"target": C.VERSION, "version": 0}, True, id="version"),
        pytest.param({"target": C.MOD, "mod_revision": 0}, True, id="mod"),
        pytest.param({"target": C.VALUE, "value": b""}, False, id="no value is not the empty value"),
        pytest.param({"target": C.VALUE, "result": C.NOT_EQUAL, "value": b"x"}, False, id="nor unequal to any"),
        pytest.param({"target": C.VERSION, "version": 0, "range_end": b"~"}, True, id="an empty range"),
    ],
)
async def test_compares_of_absent_keys(store: EtcdClient, prefix: bytes, compare: dict[str, Any], holds: bool) -> None:
    if "range_end" in compare:
        compare = {**compare, "range_end": prefix + b"z"}
    assert (await store.txn(compare=[C(key=prefix + b"k", **compare)])).succeeded is holds


async def test_compare_of_a_range_holds_for_every_key(store: EtcdClient, prefix: bytes) -> None:
    base = await five(store, prefix)
    every = {"key": prefix, "range_end": prefix + b"\xff", "target": C.CREATE, "result": C.GREATER}
    assert (await store.txn(compare=[C(create_revision=base, **every)])).succeeded
    assert not (await store.txn(compare=[C(create_revision=base + 1, **every)])).succeeded


async def test_txn_branches_and_order(store: EtcdClient, prefix: bytes) -> None:
    base = await five(store, prefix)
    whole = R(key=prefix, range_end=prefix + b"\xff", count_only=True)
    reply = await store.txn(
        compare=[C(key=prefix + b"a", target=C.VERSION, version=1)],
        success=[
            whole,
            P(key=prefix + b"f", value=b"1"),
            whole,
            D(key=prefix + b"b", range_end=prefix + b"d", prev_kv=True),
            R(key=prefix, range_end=prefix + b"\xff", limit=2),
        ],
        failure=[P(key=prefix + b"never", value=b"")],
    )
    assert reply.succeeded and reply.header.revision == base + 9
    before, put, after, deleted, listed = reply.responses
    assert (before.response_range.count, after.response_range.count) == (5, 6)
    assert put.response_put.header.revision == base + 9
    assert deleted.response_delete_range.deleted == 2 and len(deleted.response_delete_range.prev_kvs) == 2
    assert keys(listed.response_range) == [b"a", b"d"] and listed.response_range.count == 4
    kv = (await store.get(prefix + b"f")).kvs[0]
    assert kv.mod_revision == base + 9


async def test_nested_txns_compare_with_the_state_before(store: EtcdClient, prefix: bytes) -> None:
    base = await store.revision()
    inner = T(
        compare=[C(key=prefix + b"outer", target=C.VERSION, version=0)],
        success=[pb.RequestOp(request_put=P(key=prefix + b"inner", value=b"then"))],
        failure=[pb.RequestOp(request_put=P(key=prefix + b"inner", value=b"else"))],
    )
    reply = await store.txn(success=[P(key=prefix + b"outer", value=b"1"), inner])
    assert reply.responses[1].response_txn.succeeded
    assert (await store.get(prefix + b"inner")).kvs[0].value == b"then"
    assert await store.revision() == base + 1


async def test_a_txn_that_reads_takes_no_revision(store: EtcdClient, prefix: bytes) -> None:
    base = await five(store, prefix)
    reply = await store.txn(success=[R(key=prefix + b"a"), D(key=prefix + b"none")])
    assert reply.header.revision == base + 8
    assert reply.responses[1].response_delete_range.deleted == 0


async def test_a_failing_txn_changes_nothing(store: EtcdClient, prefix: bytes) -> None:
    base = await store.revision()
    with pytest.raises(RpcError) as raised:
        await store.txn(success=[P(key=prefix + b"a"), P(key=prefix + b"b", ignore_value=True)])
    assert raised.value.message == "etcdserver: key not found"
    assert (await store.get(prefix, prefix + b"\xff")).count == 0
    assert await store.revision() == base


async def test_compaction(store: EtcdClient, prefix: bytes) -> None:
    base = await five(store, prefix)
    await store.delete(prefix + b"a")
    await store.compact(base + 4, physical=True)
    for revision in (base + 1, base + 3):
        with pytest.raises(RpcError) as raised:
            await store.get(prefix, prefix + b"\xff", revision=revision)
        assert (raised.value.code, raised.value.message) == (
            Code.OUT_OF_RANGE,
            "etcdserver: mvcc: required revision has been compacted",
        )
    kept = await store.get(prefix, prefix + b"\xff", revision=base + 4)
    assert [(kv.key[-1:], kv.value) for kv in kept.kvs] == [(b"a", b"9"), (b"b", b"8"), (b"c", b"7")]
    assert keys(await store.get(prefix, prefix + b"\xff")) == [b"b", b"c", b"d", b"e"]
    for revision in (base + 4, base + 2):
        with pytest.raises(RpcError, match="has been compacted"):
            await store.compact(revision)
    with pytest.raises(RpcError, match="is a future revision"):
        await store.compact(base + 100)
    await store.compact(base + 9, physical=True)
    assert keys(await store.get(prefix, prefix + b"\xff")) == [b"b", b"c", b"d", b"e"]
    assert (await store.put(prefix + b"a", b"again")).header.revision == base + 10
    assert (await store.get(prefix + b"a")).kvs[0].create_revision == base + 10


async def test_leases(store: EtcdClient, prefix: bytes) -> None:
    granted = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=100))
    other = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=100))
    assert granted.TTL == 100 and granted.ID > 0 and granted.ID != other.ID
    base = await store.revision()
    for name in (b"b", b"a", b"moves", b"c"):
        await store.put(prefix + name, b"", lease=granted.ID)
    await store.put(prefix + b"moves", b"", lease=other.ID)
    await store.delete(prefix + b"c")
    told = await store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=granted.ID, keys=True))
    assert sorted(told.keys) == [prefix + b"a", prefix + b"b"]
    assert 90 <= told.TTL <= told.grantedTTL == 100
    listed = await store.leases.LeaseLeases(pb.LeaseLeasesRequest())
    assert {granted.ID, other.ID} <= {lease.ID for lease in listed.leases}
    revoked = await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=granted.ID))
    assert revoked.header.revision == base + 7
    assert keys(await store.get(prefix, prefix + b"\xff")) == [b"moves"]
    assert keys(await store.get(prefix, prefix + b"\xff", revision=base + 6)) == [b"a", b"b", b"moves"]
    gone = await store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=granted.ID))
    assert (gone.TTL, gone.grantedTTL) == (-1, 0)


@pytest.mark.parametrize(
    ("name", "request_", "code", "text"),
    [
        pytest.param(
            "LeaseRevoke", pb.LeaseRevokeRequest(ID=999), MISSING, "etcdserver: requested lease not found", id="unknown"
        ),
        pytest.param(
            "LeaseGrant",
            pb.LeaseGrantRequest(TTL=9_000_000_001),
            RANGE,
            "etcdserver: too large lease TTL",
            id="too long",
        ),
    ],
)
async def test_lease_refusals(store: EtcdClient, name: str, request_: Any, code: Code, text: str) -> None:
    with pytest.raises(RpcError) as raised:
        await getattr(store.leases, name)(request_)
    assert (raised.value.code, raised.value.message) == (code, text)


async def test_lease_ids_chosen_by_the_client(store: EtcdClient, prefix: bytes) -> None:
    number = int.from_bytes(prefix[5:11], "big")
    granted = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=1, ID=number))
    assert (number, 2) == (granted.ID, granted.TTL)
    with pytest.raises(RpcError) as raised:
        await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60, ID=number))
    assert (raised.value.code, raised.value.message) == (Code.FAILED_PRECONDITION, "etcdserver: lease already exists")


async def test_keep_alive(store: EtcdClient) -> None:
    granted = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=30))

    async def requests() -> Any:
        yield pb.LeaseKeepAliveRequest(ID=granted.ID)
        yield pb.LeaseKeepAliveRequest(ID=424242)

    answers = [(reply.ID, reply.TTL) async for reply in store.leases.LeaseKeepAlive(requests())]
    assert answers == [(granted.ID, 30), (424242, 0)]


async def test_headers(store: EtcdClient, prefix: bytes) -> None:
    """Every answer names cluster, member, term and a revision; what stands inside another only a revision."""
    put = await store.put(prefix + b"k")
    txn = await store.txn(
        success=[
            P(key=prefix + b"k"),
            R(key=prefix + b"k"),
            D(key=prefix + b"none"),
            T(success=[]),
            nested(R(key=prefix)),
        ]
    )
    granted = await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=60))
    async with store.watching() as watch:
        created = await watch.create(prefix, prefix + b"\xff")
        watch.request_progress()
        responses = [created, await watch.next()]
    answers = [
        put,
        txn,
        granted,
        *responses,
        await store.get(prefix + b"k"),
        await store.delete(prefix + b"k"),
        await store.compact(await store.revision()),
        await store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=granted.ID)),
        await store.leases.LeaseLeases(pb.LeaseLeasesRequest()),
        await store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=granted.ID)),
    ]
    names = {(each.header.cluster_id, each.header.member_id, each.header.raft_term) for each in answers}
    assert len(names) == 1 and all(next(iter(names)))
    base = put.header.revision
    assert [each.header.revision - base for each in answers[:5]] == [0, 1, 1, 1, 1]
    assert [each.header.revision - base for each in answers[5:]] == [1, 2, 2, 2, 2, 2]
    inner = [getattr(each, each.WhichOneof("response")).header for each in txn.responses]
    assert not any(header.cluster_id or header.member_id or header.raft_term for header in inner)
    assert [header.revision - base for header in inner[:3]] == [1, 1, 1]
    assert [header.revision for header in inner[3:]] == [0, 0]
