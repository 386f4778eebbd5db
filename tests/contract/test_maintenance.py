"""What operators ask of a store: one body on etcdlite of every kind, and on a real etcd."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from machinery.rpc import LocalChannel, RpcError, Stub
from machinery.rpc.api import Code
from tests.contract.conftest import etcdlite_client
from tests.support.etcd import EtcdClient, pb, real_etcd

KINDS = ("memory", "file", "grpc", "etcd")
HASHES = (1084519789, 2587454935, 2513464273, 1159753578, 1610449133, 1913804079, 881007146)
"""Of `_history` at each of its revisions."""


async def _history(store: EtcdClient) -> None:
    """A history that begins at revision 1, with everything that a hash depends on."""
    await store.put(b"a", b"1")
    await store.txn(success=[pb.PutRequest(key=b"b", value=b"2"), pb.PutRequest(key=b"c"), pb.PutRequest(key=b"d")])
    lease = await store.leases.LeaseGrant(pb.LeaseGrantRequest(ID=7000, TTL=6000))
    await store.put(b"a", b"leased", lease=lease.ID)
    await store.delete(b"b", b"d")
    await store.put(b"e", b"x" * 100_000)
    await store.put(b"b", b"again")


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EtcdClient]:
    if request.param == "etcd":
        from machinery.rpc.grpc_channel import GrpcChannel

        request.getfixturevalue("etcd_address")  # skips when there is none
        with real_etcd() as address:
            channel = GrpcChannel(address)
            yield EtcdClient(channel)
            await channel.close()
    else:
        async with etcdlite_client(request.param, tmp_path) as client:
            yield client


async def refusal(call: Any) -> tuple[Code, str]:
    with pytest.raises(RpcError) as caught:
        await call
    return caught.value.code, caught.value.message


async def test_hashes_of_the_key_space(store: EtcdClient) -> None:
    """The numbers are etcd's: who was told the same has the same hash, whatever program it is."""

    async def hash_at(revision: int) -> tuple[int, int]:
        reply = await store.maintenance.HashKV(pb.HashKVRequest(revision=revision))
        return reply.hash, reply.compact_revision

    assert (await hash_at(0))[0] == 1084519789, "of nothing"
    await _history(store)
    newest = await store.revision()
    seen = [await hash_at(revision) for revision in range(1, newest + 1)]
    assert seen == [(number, -1) for number in HASHES]
    assert await hash_at(0) == seen[-1]
    await store.compact(newest - 2, physical=True)
    assert (await hash_at(newest)) == (2770643435, newest - 2)
    gone = (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")
    future = (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision")
    assert await refusal(hash_at(newest - 3)) == gone
    assert await refusal(hash_at(newest + 1)) == future


OVERWRITTEN = {3: (1128919041, 4270922193), 4: (3725518605, 1972538324)}
"""By the revision of the compaction: etcd's numbers of a history that overwrites a key past it, then deletes all."""


@pytest.mark.parametrize("compacted", OVERWRITTEN)
async def test_what_a_later_change_replaced_does_not_count(store: EtcdClient, compacted: int) -> None:
    """etcd takes what counts of before the compaction as of the hashed revision, not as of the compaction."""

    async def hash_at(revision: int) -> tuple[int, int]:
        reply = await store.maintenance.HashKV(pb.HashKVRequest(revision=revision))
        return reply.hash, reply.compact_revision

    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"2"), (b"a", b"2")):
        await store.put(key, value)
    overwritten, emptied = OVERWRITTEN[compacted]
    await store.compact(compacted)
    assert await hash_at(0) == (overwritten, compacted), "whether the sweep is through or not"
    with pytest.raises(RpcError, match="compacted"):  # which is waited for all the same
        await store.compact(compacted, physical=True)
    assert await hash_at(0) == await hash_at(5) == (overwritten, compacted)
    if compacted == 3:
        assert await hash_at(4) == (2960050200, compacted)
    await store.delete(b"a", b"c")
    assert await hash_at(0) == (emptied, compacted)
    if not (await store.maintenance.Status(pb.StatusRequest())).version.startswith("3.4."):
        assert await hash_at(-1) == (1084519789, compacted), "of nothing"


@pytest.mark.parametrize("seed", range(4))
async def test_hashes_of_random_histories_are_those_of_etcd(
    seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every kind of store that is told the same has etcd's hash, at every revision, before and after compactions.

    Not compared is the revision of the compaction itself: etcd from 3.5 on tells of that what it remembers of before.
    Nor is one without a key: of that etcd hashes whatever it has not swept yet."""
    from machinery.rpc.grpc_channel import GrpcChannel

    request.getfixturevalue("etcd_address")  # skips when there is none
    random = Random(seed)
    async with contextlib.AsyncExitStack() as stack:
        address = stack.enter_context(real_etcd())
        channel = GrpcChannel(address)
        stack.push_async_callback(channel.close)
        etcd = EtcdClient(channel)
        memory = await stack.enter_async_context(etcdlite_client("memory", tmp_path))
        file = await stack.enter_async_context(etcdlite_client("file", tmp_path))
        stores = [etcd, memory, file]
        compared = 0
        for _ in range(3):
            for number in range(random.randint(3, 12)):
                key = b"k%d" % random.randrange(4)
                kind = random.randrange(4)
                for store in stores:
                    if kind == 0:
                        await store.delete(key)
                    elif kind == 1:
                        puts = [pb.PutRequest(key=each, value=b"both") for each in (key, b"other")]
                        await store.txn(success=[*puts, pb.DeleteRangeRequest(key=b"gone")])
                    else:
                        await store.put(key, b"%d" % number)
            newest = await etcd.revision()
            replied = await etcd.maintenance.HashKV(pb.HashKVRequest())
            compacted = random.randint(max(replied.compact_revision, 1) + 1, newest)
            for store in stores:
                await store.compact(compacted, physical=bool(random.randrange(2)))
            for revision in (*range(compacted + 1, newest + 1), 0):
                if not (await etcd.get(b"\0", b"\0", revision=revision, count_only=True)).count:
                    continue
                want, *found = [await each.maintenance.HashKV(pb.HashKVRequest(revision=revision)) for each in stores]
                assert [reply.hash for reply in found] == [want.hash] * len(found), (revision, compacted)
                assert [reply.compact_revision for reply in found] == [want.compact_revision] * len(found)
                compared += 1
        assert compared > 3


async def test_a_snapshot_ends_with_its_digest(store: EtcdClient) -> None:
    await _history(store)
    replies = [reply async for reply in store.maintenance.Snapshot(pb.SnapshotRequest())]
    blobs = [reply.blob for reply in replies]
    data = b"".join(blobs[:-1])
    assert blobs[-1] == hashlib.sha256(data).digest()
    left = len(data)
    for reply in replies[:-1]:
        left -= len(reply.blob)
        assert reply.remaining_bytes == left
    assert replies[-1].remaining_bytes == 0
    assert b"x" * 1000 in data


async def test_space_is_given_back_while_serving(store: EtcdClient) -> None:
    for number in range(20):
        await store.put(b"big", b"%d" % number * 100_000)
    await store.compact(await store.revision(), physical=True)
    before = await store.maintenance.Status(pb.StatusRequest())
    assert not (await store.maintenance.Defragment(pb.DefragmentRequest())).HasField("header")
    after = await store.maintenance.Status(pb.StatusRequest())
    assert after.dbSize <= before.dbSize
    assert after.dbSizeInUse <= after.dbSize
    assert (await store.get(b"big")).kvs[0].version == 20


async def test_status(store: EtcdClient) -> None:
    await store.put(b"k")
    status = await store.maintenance.Status(pb.StatusRequest())
    assert status.leader == status.header.member_id != 0
    assert status.raftIndex >= status.raftAppliedIndex > 0 and status.raftTerm > 0
    assert 0 < status.dbSizeInUse <= status.dbSize
    assert not status.isLearner and not status.errors
    assert status.header.revision == 2


async def test_one_member_leads(store: EtcdClient) -> None:
    me = (await store.maintenance.Status(pb.StatusRequest())).leader
    await store.maintenance.MoveLeader(pb.MoveLeaderRequest(targetID=me))
    refused = (Code.FAILED_PRECONDITION, "etcdserver: bad leader transferee")
    assert await refusal(store.maintenance.MoveLeader(pb.MoveLeaderRequest(targetID=5))) == refused


async def test_members(store: EtcdClient) -> None:
    cluster = Stub(store.channel, "etcdserverpb.Cluster")

    async def refused(name: str, request: Any) -> tuple[Code, str]:
        """Raft drops a change of members while one before it is not applied, and etcd waits on: it is asked again."""
        while True:
            answer = await refusal(getattr(cluster, name)(request, timeout=3.0))
            if answer[0] is not Code.DEADLINE_EXCEEDED:
                return answer

    listed = await cluster.MemberList(pb.MemberListRequest(linearizable=True))
    (member,) = listed.members
    assert listed.header.member_id == member.ID and member.name and not member.isLearner
    assert listed.header.cluster_id and not listed.header.revision
    absent = (Code.NOT_FOUND, "etcdserver: member not found")
    assert await refused("MemberRemove", pb.MemberRemoveRequest(ID=5)) == absent
    assert await refused("MemberUpdate", pb.MemberUpdateRequest(ID=5, peerURLs=["http://x:1"])) == absent
    assert await refused("MemberPromote", pb.MemberPromoteRequest(ID=5)) == absent
    not_learner = (Code.FAILED_PRECONDITION, "etcdserver: can only promote a learner member")
    assert await refused("MemberPromote", pb.MemberPromoteRequest(ID=member.ID)) == not_learner
    bad = (Code.INVALID_ARGUMENT, "etcdserver: given member URLs are invalid")
    for urls in ([], ["x"], ["http://host"], ["http://host:1", "ftp://host:1"], ["http://host:1/path"]):
        assert await refused("MemberAdd", pb.MemberAddRequest(peerURLs=urls)) == bad
    alone = "etcdserver: re-configuration failed due to not enough started members"
    assert (await refused("MemberRemove", pb.MemberRemoveRequest(ID=member.ID)))[1] == alone


async def test_downgrades(store: EtcdClient) -> None:
    version = (await store.maintenance.Status(pb.StatusRequest())).version
    if version.startswith("3.4."):
        pytest.skip("etcd has this from 3.5 on")

    async def ask(action: int, target: str = "") -> tuple[Code, str]:
        return await refusal(store.maintenance.Downgrade(pb.DowngradeRequest(action=action, version=target)))

    malformed = (Code.INVALID_ARGUMENT, "etcdserver: wrong downgrade target version format")
    invalid = (Code.INVALID_ARGUMENT, "etcdserver: invalid downgrade target version")
    for action in (pb.DowngradeRequest.VALIDATE, pb.DowngradeRequest.ENABLE):
        for target in ("", "x", "4", "3."):
            assert await ask(action, target) == malformed
        for target in ("3.5", "3.5.0", "3.6.0", "3.3.1"):
            assert await ask(action, target) == invalid
    assert await ask(3) == (Code.UNKNOWN, "etcdserver: unknown method")


async def test_etcdlite_goes_down_to_no_version() -> None:
    from actors import System, SystemClock
    from etcdlite.app import EtcdLite
    from etcdlite.config import Config

    clock = SystemClock()
    app = EtcdLite(Config(), clock=clock)
    async with System(app.spec(), clock=clock):
        maintenance = Stub(LocalChannel(app.services()), "etcdserverpb.Maintenance")
        request = pb.DowngradeRequest(action=pb.DowngradeRequest.VALIDATE, version="3.4.0")
        assert (await refusal(maintenance.Downgrade(request)))[1] == "etcdserver: invalid downgrade target version"
        cancel = pb.DowngradeRequest(action=pb.DowngradeRequest.CANCEL)
        assert (await refusal(maintenance.Downgrade(cancel)))[1] == "etcdserver: no inflight downgrade job"
