"""A client of several etcd members stays with one cluster."""

from __future__ import annotations

from typing import Any

import pytest

from actors import VirtualClock
from apiserver.storage.same_cluster import ClusterId, SameClusterChannel
from apiserver.storage.servers import READS
from machinery.rpc import LocalChannel, RpcError, Stub
from machinery.rpc.api import Call, Code
from machinery.rpc.failover import FailoverChannel
from protos.pool import messages

pb = messages("etcdserverpb")


class Member:
    """Of a cluster; counts what it is asked. down: it answers nothing."""

    def __init__(self, cluster: int) -> None:
        self.cluster = cluster
        self.asked: list[str] = []
        self.down = False
        self.mute = False

    async def Status(self, request: Any, call: Call) -> Any:
        self._ask("Status")
        if self.mute:
            raise RpcError(Code.PERMISSION_DENIED, "etcdserver: permission denied")
        return pb.StatusResponse(header={"cluster_id": self.cluster})

    async def Range(self, request: Any, call: Call) -> Any:
        self._ask("Range")
        return pb.RangeResponse(count=self.cluster)

    async def Put(self, request: Any, call: Call) -> Any:
        self._ask("Put")
        return pb.PutResponse()

    async def Watch(self, requests: Any, call: Call) -> Any:
        self._ask("Watch")
        yield pb.WatchResponse(watch_id=self.cluster)

    def _ask(self, name: str) -> None:
        if self.down:
            raise RpcError(Code.UNAVAILABLE, "failed to connect to all addresses")
        self.asked.append(name)


def over(*members: Member) -> FailoverChannel:
    cluster = ClusterId()

    def connect(number: int) -> SameClusterChannel:
        services = {f"etcdserverpb.{name}": members[number] for name in ("KV", "Maintenance", "Watch")}
        return SameClusterChannel(LocalChannel(services), f"http://m{number}", cluster)

    channels = {f"m{number}": (lambda number=number: connect(number)) for number in range(len(members))}
    return FailoverChannel(channels, repeatable=READS, clock=VirtualClock())


async def test_members_of_one_cluster_take_over() -> None:
    first, second = Member(7), Member(7)
    kv = Stub(over(first, second), "etcdserverpb.KV")
    for _ in range(3):
        await kv.Put(pb.PutRequest(key=b"k"))
    assert first.asked == ["Status", "Put", "Put", "Put"], "asked once"
    first.down = True
    await kv.Put(pb.PutRequest(key=b"k"))
    assert second.asked == ["Status", "Put"]


async def test_a_member_of_another_cluster_is_never_used(caplog: pytest.LogCaptureFixture) -> None:
    first, stranger, third = Member(7), Member(9), Member(7)
    channel = over(first, stranger, third)
    kv = Stub(channel, "etcdserverpb.KV")
    await kv.Range(pb.RangeRequest(key=b"k"))
    first.down = True
    await kv.Put(pb.PutRequest(key=b"k"))  # a write may go on as well: it was asked of nobody
    assert third.asked == ["Status", "Put"]
    third.down = True
    with pytest.raises(RpcError):
        await kv.Put(pb.PutRequest(key=b"k"))
    for _ in range(3):  # each lost stream goes on to the next member
        with pytest.raises(RpcError):
            await anext(aiter(Stub(channel, "etcdserverpb.Watch").Watch(_none())))
    assert set(stranger.asked) == {"Status"}
    assert "is of another cluster url=http://m1 cluster=9 expected=7 as_of=http://m0" in caplog.text


async def test_what_comes_back_in_its_place_is_asked_again() -> None:
    first = Member(7)
    kv = Stub(over(first), "etcdserverpb.KV")
    await kv.Put(pb.PutRequest(key=b"k"))
    first.down = True
    with pytest.raises(RpcError, match="failed to connect"):
        await kv.Put(pb.PutRequest(key=b"k"))
    first.down, first.cluster = False, 9
    with pytest.raises(RpcError, match="not asked: http://m0 is of cluster 9, but http://m0 of cluster 7"):
        await kv.Put(pb.PutRequest(key=b"k"))
    first.cluster = 7
    await kv.Put(pb.PutRequest(key=b"k"))
    assert first.asked.count("Put") == 2


async def test_a_member_that_does_not_tell_is_used() -> None:
    first = Member(7)
    first.mute = True
    kv = Stub(over(first), "etcdserverpb.KV")
    for _ in range(2):
        await kv.Put(pb.PutRequest(key=b"k"))
    assert first.asked == ["Status", "Put", "Put"]


async def _none() -> Any:
    for request in ():
        yield request
