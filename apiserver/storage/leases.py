"""Leases for objects that are kept for a time only (events): many objects share one.

A lease lives a minute longer than the objects may, and takes new objects for that minute, so a busy cluster grants one
per minute and not one per event (upstream's lease manager).
"""

from __future__ import annotations

from actors import Clock
from machinery.rpc.api import Channel
from machinery.rpc.stub import Stub
from protos.pool import messages

SHARED_SECONDS = 60.0


class Leases:
    """The leases of one client of the store."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._stub = Stub(channel, "etcdserverpb.Lease")
        self._pb = messages("etcdserverpb")
        self._clock = clock
        self._current: dict[float, tuple[int, float]] = {}

    async def lease(self, seconds: float) -> int:
        """A lease that lives at least so long. Raises RpcError."""
        now = self._clock.monotonic()
        found = self._current.get(seconds)
        if found is not None and now < found[1]:
            return found[0]
        reply = await self._stub.LeaseGrant(self._pb.LeaseGrantRequest(TTL=int(seconds + SHARED_SECONDS)))
        self._current[seconds] = (reply.ID, now + SHARED_SECONDS)
        return int(reply.ID)

    def forget(self) -> None:
        """The store knows the leases no more (it was restored, or somebody revoked one)."""
        self._current.clear()
