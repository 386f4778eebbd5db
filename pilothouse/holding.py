"""The right of one process to run its cluster on a store that others reach too.

The loops and agents of `pilot up` hold no Leases of their own: two such processes on the same keys would undo each
other's work. So the first writes its name beside the objects, under a lease of the store that it keeps alive, and
another that finds it there does not start. Who is killed is free of it after LEASE_SECONDS, and a start under the same
name at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from actors import Actor, ChildSpec, Clock
from apiserver.storage.keys import root_of
from machinery.rpc.api import Channel, RpcError
from machinery.rpc.stub import Stub
from protos.pool import messages

LEASE_SECONDS = 10
KEEP_SECONDS = 3.0
REQUEST_SECONDS = 10.0
KEY = b"pilothouse/up"


class StoreTaken(Exception):
    """Another process runs a cluster on the same keys. holder: how that one calls itself."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"{holder} runs on the same keys")
        self.holder = holder


class Holding:
    """A part of a cluster. holder: the process's name for itself, the same for all its lives."""

    def __init__(self, channel: Channel, *, prefix: str, holder: str, clock: Clock) -> None:
        self._channel = channel
        self._key = root_of(prefix) + KEY
        self._holder = holder
        self._clock = clock

    def spec(self) -> ChildSpec:
        return ChildSpec("holding", lambda: _Holder(self._channel, self._key, self._holder.encode()))


class _Holder(Actor):
    """See the module. Its start raises StoreTaken, and RpcError for a store that does not answer."""

    def __init__(self, channel: Channel, key: bytes, holder: bytes) -> None:
        self._kv = Stub(channel, "etcdserverpb.KV")
        self._leases = Stub(channel, "etcdserverpb.Lease")
        self._pb = messages("etcdserverpb")
        self._key = key
        self._holder = holder
        self._lease = 0

    async def setup(self) -> None:
        await self._take()
        self.spawn(self._keep(), name="keep")

    async def teardown(self) -> None:
        with contextlib.suppress(RpcError):
            await self._leases.LeaseRevoke(self._pb.LeaseRevokeRequest(ID=self._lease), timeout=1.0)

    async def _take(self) -> None:
        pb = self._pb
        granted = await self._leases.LeaseGrant(pb.LeaseGrantRequest(TTL=LEASE_SECONDS), timeout=REQUEST_SECONDS)
        self._lease = int(granted.ID)
        put = pb.RequestOp(request_put=pb.PutRequest(key=self._key, value=self._holder, lease=self._lease))
        read = pb.RequestOp(request_range=pb.RangeRequest(key=self._key))
        absent = pb.Compare(target="VERSION", result="EQUAL", key=self._key, version=0)
        ours = pb.Compare(target="VALUE", result="EQUAL", key=self._key, value=self._holder)
        for compare in (absent, ours):
            request = pb.TxnRequest(compare=(compare,), success=(put,), failure=(read,))
            reply = await self._kv.Txn(request, timeout=REQUEST_SECONDS)
            if reply.succeeded:
                return
        found = reply.responses[0].response_range.kvs
        raise StoreTaken(found[0].value.decode(errors="replace") if found else "another process, which has just ended,")

    async def _keep(self) -> None:
        while True:
            await self.clock.sleep(KEEP_SECONDS)
            try:
                if not await self._kept():
                    self.log.warning("lease on the store ran out and is taken anew")
                    await self._take()
            except RpcError as error:
                self.log.warning("lease on the store not kept alive, will retry error=%s", error)

    async def _kept(self) -> bool:
        """Whether the lease still lived, and does so for longer now."""
        replies = self._leases.LeaseKeepAlive(self._once())
        try:
            async with self.clock.timeout(REQUEST_SECONDS):
                return bool((await anext(replies)).TTL > 0)
        except (TimeoutError, StopAsyncIteration):
            return True  # it did not say; the next time tells
        finally:
            await replies.aclose()

    async def _once(self) -> AsyncIterator[Any]:
        yield self._pb.LeaseKeepAliveRequest(ID=self._lease)
