"""Leases for objects that are kept for a time only (events): many objects share one.

A lease lives somewhat longer than the objects may, and takes new objects for that time or until it has many: ending it
is one transaction of the store. So a busy cluster grants a lease per minute and not one per event. The numbers are
upstream's (`storage/etcd3/lease_manager.go`).
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from actors import Clock
from machinery.rpc.api import Channel
from machinery.rpc.stub import Stub
from protos.pool import messages

SHARED_SECONDS = 60.0
SHARED_PART = 0.05
"""The longest time that a lease takes new objects, and the part of their own time; the shorter of the two counts."""
SHARED_OBJECTS = 1000
GRANT_SECONDS = 30.0


@dataclass(slots=True)
class _Lease:
    granted: asyncio.Future[int]
    """Its id; 0 when whoever asked for it did not get it."""
    until: float
    objects: int = 0


class Leases:
    """The leases of one client of the store."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._stub = Stub(channel, "etcdserverpb.Lease")
        self._pb = messages("etcdserverpb")
        self._clock = clock
        self._current: dict[float, _Lease] = {}

    async def lease(self, seconds: float) -> int:
        """A lease that lives at least so long. Who asks while one is granted gets the same. Raises RpcError."""
        while True:
            found, now = self._current.get(seconds), self._clock.monotonic()
            if found is None or now >= found.until or found.objects >= SHARED_OBJECTS:
                return await self._grant(seconds, now)
            found.objects += 1
            if lease := await asyncio.shield(found.granted):
                return lease

    async def _grant(self, seconds: float, now: float) -> int:
        shared = min(SHARED_SECONDS, SHARED_PART * seconds)
        made = self._current[seconds] = _Lease(asyncio.get_running_loop().create_future(), now + shared, 1)
        try:
            request = self._pb.LeaseGrantRequest(TTL=math.ceil(seconds + shared))
            reply = await self._stub.LeaseGrant(request, timeout=GRANT_SECONDS)
        except BaseException:
            if self._current.get(seconds) is made:
                del self._current[seconds]
            made.granted.set_result(0)
            raise
        made.granted.set_result(int(reply.ID))
        return int(reply.ID)

    def forget(self) -> None:
        """The store knows the leases no more (it was restored, or somebody revoked one)."""
        self._current.clear()
