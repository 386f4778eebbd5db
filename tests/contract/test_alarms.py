"""Alarms and the quota: what is told, and what is refused while they stand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from etcdlite.config import Config
from machinery.rpc import RpcError
from tests.support.etcd import EtcdClient, EtcdProcess, etcd_binary, pb
from tests.support.faults import serving

GET, ACTIVATE, DEACTIVATE = range(3)
NOSPACE, CORRUPT = 1, 2
QUOTA = 1 << 20
SPACE = "etcdserver: mvcc: database space exceeded"
DAMAGE = "etcdserver: corrupt cluster"


async def alarm(store: EtcdClient, action: int, kind: int = 0, member: int = 0) -> list[tuple[int, int]]:
    reply = await store.maintenance.Alarm(pb.AlarmRequest(action=action, alarm=kind, memberID=member))
    return sorted((each.memberID, each.alarm) for each in reply.alarms)


async def disarm(store: EtcdClient) -> None:
    for member, kind in await alarm(store, GET):
        await alarm(store, DEACTIVATE, kind, member)


async def told(call: Awaitable[Any]) -> str:
    """The message of an error, "" without one."""
    try:
        await call
    except RpcError as error:
        return error.message
    return ""


async def grant(store: EtcdClient) -> Any:
    return await store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=100))


async def one(request: Any) -> AsyncIterator[Any]:
    yield request


async def keep_alive(store: EtcdClient, lease: int) -> int:
    replies = [reply async for reply in store.leases.LeaseKeepAlive(one(pb.LeaseKeepAliveRequest(ID=lease)))]
    return int(replies[0].TTL)


KINDS = pytest.mark.parametrize("store", ["memory", "file", "grpc", "etcd"], indirect=True)


@KINDS
async def test_alarms_are_raised_listed_and_disarmed(store: EtcdClient) -> None:
    member = (await store.get(b"k")).header.member_id
    try:
        assert await alarm(store, GET) == []
        if not (await store.maintenance.Status(pb.StatusRequest())).version.startswith("3.4."):  # which ends there
            assert await alarm(store, ACTIVATE) == [], "no kind is no alarm"
        assert await alarm(store, DEACTIVATE, NOSPACE) == []
        assert await alarm(store, ACTIVATE, NOSPACE, member) == [(member, NOSPACE)]
        assert await alarm(store, ACTIVATE, NOSPACE, member) == [(member, NOSPACE)]
        assert await alarm(store, ACTIVATE, NOSPACE) == [(0, NOSPACE)], "member 0 is a member as any other"
        assert await alarm(store, GET) == [(0, NOSPACE), (member, NOSPACE)]
        assert await alarm(store, GET, CORRUPT) == []
        errors = (await store.maintenance.Status(pb.StatusRequest())).errors
        assert f"memberID:{member} alarm:NOSPACE " in errors
        assert await alarm(store, DEACTIVATE, NOSPACE) == [(0, NOSPACE)]
        assert await told(store.put(b"k")) == SPACE
        assert await alarm(store, DEACTIVATE, NOSPACE, member) == [(member, NOSPACE)]
        assert await alarm(store, DEACTIVATE, NOSPACE, member) == []
        assert await told(store.put(b"k")) == ""
    finally:
        await disarm(store)


@KINDS
@pytest.mark.parametrize("kind", [NOSPACE, CORRUPT])
async def test_what_an_alarm_refuses(store: EtcdClient, kind: int, prefix: bytes) -> None:
    member = (await store.get(b"k")).header.member_id
    key = prefix + b"k"
    for _ in range(3):
        revision = (await store.put(key, b"1")).header.revision
    lease = (await grant(store)).ID
    try:
        await alarm(store, ACTIVATE, kind, member)
        put, get, delete = pb.PutRequest(key=key), pb.RangeRequest(key=key), pb.DeleteRangeRequest(key=key + b"0")
        never = [pb.Compare(key=key, target=pb.Compare.VERSION, version=77)]
        refusals = {
            "put": await told(store.put(key)),
            "grant": await told(grant(store)),
            "txn that puts": await told(store.txn(success=[put])),
            "txn that puts in the other branch": await told(store.txn(success=[put], failure=[get], compare=never)),
            "txn that deletes": await told(store.txn(success=[delete])),
            "delete": await told(store.delete(key + b"0")),
            "revoke": await told(store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))),
            "compact": await told(store.compact(revision - 1)),
        }
        grows = [name for name in refusals if "put" in name or name == "grant"]
        wanted = dict.fromkeys(grows, SPACE) if kind == NOSPACE else dict.fromkeys(refusals, DAMAGE)
        assert {name: text for name, text in refusals.items() if text} == wanted
        assert (await store.get(key)).count == 1
        assert (await store.get(key, serializable=True)).count == 1
        assert (await store.txn(success=[get])).responses[0].response_range.count == 1
        if kind == CORRUPT:
            assert await keep_alive(store, lease) == 100
        assert lease in [each.ID for each in (await store.leases.LeaseLeases(pb.LeaseLeasesRequest())).leases] or (
            kind == NOSPACE
        )
        async with store.watching() as watch:
            assert (await watch.create(key, start_revision=revision)).created
            assert len(await watch.events(1)) == 1
    finally:
        await disarm(store)
    assert await told(store.put(key)) == ""


async def test_a_put_inside_two_transactions_counts() -> None:
    """etcd overlooked it until 3.5.30."""
    async with serving(Config()) as (store, _):
        put = pb.RequestOp(request_put=pb.PutRequest(key=b"k"))
        await alarm(store, ACTIVATE, NOSPACE)
        assert await told(store.txn(failure=[pb.TxnRequest(failure=[put])])) == SPACE


@pytest.fixture(params=["memory", "file", "etcd"])
async def small(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EtcdClient]:
    """A store with a quota of 1 MiB."""
    if request.param != "etcd":
        data_dir = str(tmp_path) if request.param == "file" else None
        async with serving(Config(data_dir=data_dir, quota_backend_bytes=QUOTA)) as (store, _):
            yield store
        return
    if etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    process = EtcdProcess(tmp_path, "--quota-backend-bytes", str(QUOTA))
    process.start()
    store = process.client()
    try:
        yield store
    finally:
        await store.channel.close()
        process.kill()


async def test_quota(small: EtcdClient) -> None:
    """Over the quota an alarm is raised by what would grow the store; disarmed while still over, it is raised again."""
    store, value = small, bytes(100_000)
    await store.put(b"seed", b"1")
    refusal = ""
    for number in range(1000):  # etcd looks at the size of its file only now and then
        refusal = await told(store.put(b"k%d" % number, value))
        if refusal:
            break
    assert refusal == SPACE
    member = (await store.get(b"seed")).header.member_id
    assert await alarm(store, GET) == [(member, NOSPACE)]
    grow: list[Callable[[], Awaitable[Any]]] = [
        lambda: store.put(b"k99", value),
        lambda: store.txn(success=[pb.PutRequest(key=b"k99", value=value)]),
        lambda: store.txn(
            compare=[pb.Compare(key=b"seed", target=pb.Compare.VERSION, version=1)],
            success=[pb.RangeRequest(key=b"seed")],
            failure=[pb.PutRequest(key=b"k99", value=value)],
        ),
    ]
    for call in grow:
        await disarm(store)
        assert await alarm(store, GET) == []
        assert await told(store.txn(success=[pb.RangeRequest(key=b"seed")])) == ""
        assert await told(store.txn(success=[pb.DeleteRangeRequest(key=b"absent")])) == ""
        assert await alarm(store, GET) == [], "nothing of that grows it"
        assert await told(call()) == SPACE
        assert await alarm(store, GET) == [(member, NOSPACE)]
    deleted = await store.delete(b"k", b"l")
    await store.compact(deleted.header.revision, physical=True)
    await store.maintenance.Defragment(pb.DefragmentRequest())
    assert await told(store.put(b"k1")) == SPACE, "until somebody disarms it"
    await disarm(store)
    assert await told(store.put(b"k1", value)) == ""


@pytest.mark.parametrize(("quota", "told_quota"), [(0, 2 << 30), (-1, -1), (9 << 30, 9 << 30)])
async def test_quota_of_nothing_is_the_default_and_below_is_none(quota: int, told_quota: int, tmp_path: Path) -> None:
    async with serving(Config(data_dir=str(tmp_path), quota_backend_bytes=quota)) as (store, _):
        await store.put(b"k", bytes(100_000))
        assert (await store.maintenance.Status(pb.StatusRequest())).dbSizeQuota == told_quota
