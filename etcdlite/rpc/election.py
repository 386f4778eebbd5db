"""v3electionpb.Election: one leader per name, with a value that it proclaims."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from etcdlite.errors import LeaderKeyMissing, NoLeader, NotLeader
from etcdlite.rpc.waiting import StoreClient, end_of, join
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("v3electionpb")
etcd = messages("etcdserverpb")


class Election:
    """Whoever has the oldest key under the name leads: until it resigns, or its lease ends. services: those of the
    store."""

    def __init__(self, services: Mapping[str, object]) -> None:
        self._services = services

    async def Campaign(self, request: Any, call: Call) -> Any:
        """Returns once elected. A caller that goes away before gives its candidacy up."""
        client = StoreClient(self._services, call)
        lease = await client.lease(request.lease)
        place, value = await join(client, request.name, lease, request.value)
        try:
            if value != request.value:
                await _proclaim(client, place.key, place.revision, lease, request.value)
            await place.turn()
        except BaseException:
            await _resign(client, place.key, place.revision)
            raise
        leader = pb.LeaderKey(name=request.name, key=place.key, rev=place.revision, lease=lease)
        return pb.CampaignResponse(header=place.header, leader=leader)

    async def Proclaim(self, request: Any, call: Call) -> Any:
        leader = _leader(request)
        client = StoreClient(self._services, call)
        lease = await client.lease(leader.lease)
        return pb.ProclaimResponse(header=await _proclaim(client, leader.key, leader.rev, lease, request.value))

    async def Resign(self, request: Any, call: Call) -> Any:
        """Also well when it does not lead: then nothing happens."""
        leader = _leader(request)
        client = StoreClient(self._services, call)
        return pb.ResignResponse(header=await _resign(client, leader.key, leader.rev))

    async def Leader(self, request: Any, call: Call) -> Any:
        reply = await _oldest(StoreClient(self._services, call), request.name)
        if not reply.kvs:
            raise NoLeader
        return pb.LeaderResponse(header=reply.header, kv=reply.kvs[0])

    async def Observe(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """Each leader and each of its proclamations, as they come; those that were over before nobody hears of."""
        client = StoreClient(self._services, call)
        prefix = request.name + b"/"
        while True:
            reply = await _oldest(client, request.name)
            if reply.kvs:
                header, leader = reply.header, reply.kvs[0]
            else:
                header, leader = await _first_put(client, prefix, reply.header.revision)
            yield pb.LeaderResponse(header=header, kv=leader)
            async with aclosing(client.puts(leader.key, header.revision + 1)) as puts:
                async for header, leader in puts:
                    yield pb.LeaderResponse(header=header, kv=leader)


def _leader(request: Any) -> Any:
    if not request.HasField("leader"):
        raise LeaderKeyMissing
    return request.leader


async def _oldest(client: StoreClient, name: bytes) -> Any:
    prefix = name + b"/"
    return await client.range(
        key=prefix,
        range_end=end_of(prefix),
        sort_order=etcd.RangeRequest.ASCEND,
        sort_target=etcd.RangeRequest.CREATE,
        limit=1,
    )


async def _first_put(client: StoreClient, prefix: bytes, revision: int) -> tuple[Any, Any]:
    """The header, at the put's own revision, and the key of the first candidate to come."""
    async with aclosing(client.watch(prefix, revision, range_end=end_of(prefix))) as responses:
        async for response in responses:
            for event in response.events:
                if not event.type:  # PUT is 0
                    header = etcd.ResponseHeader()
                    header.CopyFrom(response.header)
                    header.revision = event.kv.mod_revision
                    return header, event.kv
    raise NoLeader


async def _proclaim(client: StoreClient, key: bytes, revision: int, lease: int, value: bytes) -> Any:
    put = etcd.RequestOp(request_put=etcd.PutRequest(key=key, value=value, lease=lease))
    reply = await client.if_created(key, revision, then=put)
    if not reply.succeeded:
        raise NotLeader
    return reply.header


async def _resign(client: StoreClient, key: bytes, revision: int) -> Any:
    delete = etcd.RequestOp(request_delete_range=etcd.DeleteRangeRequest(key=key))
    return (await client.if_created(key, revision, then=delete)).header
