"""etcd's lock and election services: one body on etcdlite in process, over gRPC, and on a real etcd."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from machinery.rpc import RpcError, Stub
from machinery.rpc.api import Code
from protos.pool import messages
from tests.contract.conftest import etcdlite_client
from tests.support.etcd import EtcdClient, pb, real_etcd

lockpb = messages("v3lockpb")
electionpb = messages("v3electionpb")


class Turns:
    """The two services of one store."""

    def __init__(self, store: EtcdClient) -> None:
        self.store = store
        self.locks = Stub(store.channel, "v3lockpb.Lock")
        self.elections = Stub(store.channel, "v3electionpb.Election")

    async def lease(self, ttl: int = 600) -> int:
        return int((await self.store.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl))).ID)

    async def revoke(self, lease: int) -> None:
        await self.store.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=lease))

    async def lock(self, name: bytes, lease: int = 0) -> Any:
        return await self.locks.Lock(lockpb.LockRequest(name=name, lease=lease))

    async def unlock(self, key: bytes) -> Any:
        return await self.locks.Unlock(lockpb.UnlockRequest(key=key))

    async def campaign(self, name: bytes, value: bytes, lease: int = 0) -> Any:
        request = electionpb.CampaignRequest(name=name, value=value, lease=lease)
        return (await self.elections.Campaign(request)).leader

    async def proclaim(self, leader: Any, value: bytes) -> Any:
        return await self.elections.Proclaim(electionpb.ProclaimRequest(leader=leader, value=value))

    async def resign(self, leader: Any) -> Any:
        return await self.elections.Resign(electionpb.ResignRequest(leader=leader))

    async def leader(self, name: bytes) -> Any:
        return (await self.elections.Leader(electionpb.LeaderRequest(name=name))).kv

    async def in_line(self, name: bytes, count: int) -> list[bytes]:
        """The keys that wait for a name, oldest first, once there are so many."""
        prefix, end = name + b"/", name + b"0"
        async with self.store.watching() as watch:
            reply = await self.store.get(prefix, end, sort_target=pb.RangeRequest.CREATE)
            await watch.create(prefix, end, start_revision=reply.header.revision + 1)
            while len(reply.kvs) != count:
                await watch.next()
                reply = await self.store.get(prefix, end, sort_target=pb.RangeRequest.CREATE)
        return [kv.key for kv in reply.kvs]


@pytest.fixture(params=("memory", "grpc", "etcd"))
async def turns(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Turns]:
    if request.param == "etcd":
        from machinery.rpc.grpc_channel import GrpcChannel

        channel = GrpcChannel(request.getfixturevalue("etcd_address"))
        yield Turns(EtcdClient(channel))
        await channel.close()
    else:
        async with etcdlite_client(request.param, tmp_path) as client:
            yield Turns(client)


@contextlib.asynccontextmanager
async def waiting(call: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    task = asyncio.create_task(call)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, RpcError):
            await task


async def refusal(call: Coroutine[Any, Any, Any]) -> tuple[Code, str]:
    with pytest.raises(RpcError) as caught:
        await call
    return caught.value.code, caught.value.message


async def test_a_lock_is_a_key_on_its_holders_lease(turns: Turns, prefix: bytes) -> None:
    lease = await turns.lease()
    held = await turns.lock(prefix, lease)
    assert held.key == prefix + b"/%x" % lease
    (kv,) = (await turns.store.get(held.key)).kvs
    assert (kv.lease, kv.value, kv.create_revision) == (lease, b"", held.header.revision)
    again = await turns.lock(prefix, lease)
    assert again.key == held.key, "who has the lock gets it again"
    assert (await turns.unlock(held.key)).header.revision == held.header.revision + 1
    assert not (await turns.store.get(held.key)).kvs


async def test_without_a_lease_one_of_a_minute_is_granted(turns: Turns, prefix: bytes) -> None:
    held = await turns.lock(prefix)
    (kv,) = (await turns.store.get(held.key)).kvs
    told = await turns.store.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=kv.lease))
    assert told.grantedTTL == 60
    assert held.key == prefix + b"/%x" % kv.lease


async def test_locks_are_taken_in_turn(turns: Turns, prefix: bytes) -> None:
    first, second, third = [await turns.lease() for _ in range(3)]
    held = await turns.lock(prefix, first)
    async with waiting(turns.lock(prefix, second)) as two:
        await turns.in_line(prefix, 2)
        async with waiting(turns.lock(prefix, third)) as three:
            line = await turns.in_line(prefix, 3)
            assert line == [prefix + b"/%x" % lease for lease in (first, second, third)]
            await turns.unlock(held.key)
            assert (await two).key == line[1]
            assert not three.done()
            await turns.unlock(line[1])
            assert (await three).key == line[2]


async def test_a_lock_ends_with_its_lease(turns: Turns, prefix: bytes) -> None:
    first, second = await turns.lease(), await turns.lease()
    await turns.lock(prefix, first)
    async with waiting(turns.lock(prefix, second)) as two:
        await turns.in_line(prefix, 2)
        await turns.revoke(first)
        assert (await two).key == prefix + b"/%x" % second


async def test_who_loses_the_lease_while_waiting_is_told(turns: Turns, prefix: bytes) -> None:
    if (await turns.store.maintenance.Status(pb.StatusRequest())).version.startswith("3.4."):
        pytest.skip("etcd looks for this from 3.5 on")
    first, second = await turns.lease(), await turns.lease()
    held = await turns.lock(prefix, first)
    async with waiting(turns.lock(prefix, second)) as two:
        await turns.in_line(prefix, 2)
        await turns.revoke(second)
        await turns.unlock(held.key)
        with pytest.raises(RpcError) as caught:
            await two
    assert (caught.value.code, caught.value.message) == (Code.UNKNOWN, "mutex: session is expired")


async def test_who_goes_away_gives_the_place_up(turns: Turns, prefix: bytes) -> None:
    first, second = await turns.lease(), await turns.lease()
    held = await turns.lock(prefix, first)
    async with waiting(turns.lock(prefix, second)):
        await turns.in_line(prefix, 2)
    assert await turns.in_line(prefix, 1) == [held.key]


async def test_what_locks_refuse(turns: Turns, prefix: bytes) -> None:
    no_lease = (Code.UNKNOWN, "etcdserver: requested lease not found")
    assert await refusal(turns.lock(prefix, 12345)) == no_lease
    assert await refusal(turns.unlock(b"")) == (Code.UNKNOWN, "etcdserver: key is not provided")
    assert (await turns.unlock(prefix + b"absent")).header.revision == await turns.store.revision()


async def test_an_election(turns: Turns, prefix: bytes) -> None:
    lease = await turns.lease()
    leader = await turns.campaign(prefix, b"one", lease)
    assert (leader.name, leader.key, leader.lease) == (prefix, prefix + b"/%x" % lease, lease)
    kv = await turns.leader(prefix)
    assert (kv.key, kv.value, kv.create_revision) == (leader.key, b"one", leader.rev)
    await turns.proclaim(leader, b"two")
    assert (await turns.leader(prefix)).value == b"two"
    again = await turns.campaign(prefix, b"three", lease)
    assert again == leader
    assert (await turns.leader(prefix)).value == b"three", "a second campaign proclaims"
    await turns.resign(leader)
    assert await refusal(turns.leader(prefix)) == (Code.UNKNOWN, "election: no leader")
    assert await refusal(turns.proclaim(leader, b"four")) == (Code.UNKNOWN, "election: not leader")
    await turns.resign(leader)  # again: nothing happens


async def test_the_next_candidate_follows(turns: Turns, prefix: bytes) -> None:
    first, second = await turns.lease(), await turns.lease()
    leader = await turns.campaign(prefix, b"one", first)
    async with waiting(turns.campaign(prefix, b"two", second)) as two:
        await turns.in_line(prefix, 2)
        assert (await turns.leader(prefix)).value == b"one"
        await turns.revoke(first)
        assert (await two).key != leader.key
        assert (await turns.leader(prefix)).value == b"two"


async def test_a_candidate_that_goes_away_is_none(turns: Turns, prefix: bytes) -> None:
    first, second = await turns.lease(), await turns.lease()
    leader = await turns.campaign(prefix, b"one", first)
    async with waiting(turns.campaign(prefix, b"two", second)):
        await turns.in_line(prefix, 2)
    assert await turns.in_line(prefix, 1) == [leader.key]


async def test_observers_hear_each_leader_and_its_proclamations(turns: Turns, prefix: bytes) -> None:
    heard: asyncio.Queue[tuple[bytes, int, int]] = asyncio.Queue()

    async def observe() -> None:
        async for reply in turns.elections.Observe(electionpb.LeaderRequest(name=prefix)):
            heard.put_nowait((reply.kv.value, reply.kv.mod_revision, reply.header.revision))

    first, second = await turns.lease(), await turns.lease()
    async with waiting(observe()), asyncio.timeout(10):
        one = await turns.campaign(prefix, b"one", first)
        assert await heard.get() == (b"one", one.rev, one.rev)
        told = (await turns.proclaim(one, b"uno")).header.revision
        assert await heard.get() == (b"uno", told, told)
        async with waiting(turns.campaign(prefix, b"two", second)) as two:
            await turns.in_line(prefix, 2)
            await turns.resign(one)
            assert (await two).lease == second
        assert (await heard.get())[0] == b"two"
        await turns.resign(two.result())
        third = await turns.campaign(prefix, b"three", first)
        assert await heard.get() == (b"three", third.rev, third.rev)


async def test_what_elections_refuse(turns: Turns, prefix: bytes) -> None:
    no_lease = (Code.UNKNOWN, "etcdserver: requested lease not found")
    missing = (Code.UNKNOWN, '"leader" field must be provided')
    no_key = (Code.UNKNOWN, "etcdserver: key is not provided")
    assert await refusal(turns.campaign(prefix, b"v", 12345)) == no_lease
    assert await refusal(turns.elections.Proclaim(electionpb.ProclaimRequest(value=b"v"))) == missing
    assert await refusal(turns.elections.Resign(electionpb.ResignRequest())) == missing
    assert await refusal(turns.proclaim(electionpb.LeaderKey(lease=await turns.lease()), b"v")) == no_key
    assert await refusal(turns.resign(electionpb.LeaderKey(lease=await turns.lease()))) == no_key


@pytest.mark.parametrize("kind", ["memory", "etcd"])
async def test_who_may_take_a_lock(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """With authentication on, the services may do for a caller what the caller may do to the keys."""
    from machinery.rpc.grpc_channel import GrpcChannel

    async with contextlib.AsyncExitStack() as stack:
        if kind == "etcd":
            request.getfixturevalue("etcd_address")  # skips when there is none
            channel = GrpcChannel(stack.enter_context(real_etcd()))
            stack.push_async_callback(channel.close)
            store = EtcdClient(channel)
        else:
            store = await stack.enter_async_context(etcdlite_client(kind, tmp_path))
        turns = Turns(store)
        auth = Stub(store.channel, "etcdserverpb.Auth")
        permission = messages("authpb").Permission
        mine = permission(permType=permission.READWRITE, key=b"mine/", range_end=b"mine0")
        for user, role in (("root", "root"), ("user", "role")):
            await auth.UserAdd(pb.AuthUserAddRequest(name=user, password="secret"))
            await auth.RoleAdd(pb.AuthRoleAddRequest(name=role))
            await auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=user, role=role))
        await auth.RoleGrantPermission(pb.AuthRoleGrantPermissionRequest(name="role", perm=mine))
        await auth.AuthEnable(pb.AuthEnableRequest())
        token = (await auth.Authenticate(pb.AuthenticateRequest(name="user", password="secret"))).token

        async def lock(name: bytes, **metadata: str) -> Any:
            return await turns.locks.Lock(lockpb.LockRequest(name=name), metadata=metadata)

        async def leader(name: bytes, **metadata: str) -> Any:
            return await turns.elections.Leader(electionpb.LeaderRequest(name=name), metadata=metadata)

        for ask in (lock, leader):
            assert await refusal(ask(b"mine")) == (Code.UNKNOWN, "etcdserver: user name is empty")
            assert await refusal(ask(b"mine", token="x.1")) == (Code.UNKNOWN, "etcdserver: invalid auth token")
            assert await refusal(ask(b"other", token=token)) == (Code.UNKNOWN, "etcdserver: permission denied")
        assert (await lock(b"mine", token=token)).key.startswith(b"mine/")
        assert (await leader(b"mine", token=token)).kv.key.startswith(b"mine/")
