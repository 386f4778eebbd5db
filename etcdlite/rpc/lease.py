"""etcdserverpb.Lease."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from actors import Clock
from etcdlite.auth.access import Access
from etcdlite.errors import LeaseNotFound
from etcdlite.parts import Parts
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")


class LeaseService:
    """Leases. The header of an answer holds the store's revision."""

    def __init__(self, parts: Parts, access: Access, *, clock: Clock) -> None:
        self._parts = parts
        self._access = access
        self._clock = clock

    async def LeaseGrant(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        self._access.known(call)
        lease = await store.grant(request.ID, request.TTL)
        return pb.LeaseGrantResponse(header=self._header(), ID=lease.id, TTL=lease.ttl)

    async def LeaseRevoke(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        revision = await store.revoke(request.ID, check=self._access.revoke(request.ID, call))
        return pb.LeaseRevokeResponse(header=store.header.message(revision))

    async def LeaseKeepAlive(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        async for request in requests:
            # Made before: a client must not hear of a revision at which its lease was gone already.
            header = self._header()
            self._access.renew(request.ID, call)
            try:
                lease = await self._parts.store.renew(request.ID)
            except LeaseNotFound:
                yield pb.LeaseKeepAliveResponse(header=header, ID=request.ID, TTL=0)
            else:
                yield pb.LeaseKeepAliveResponse(header=header, ID=request.ID, TTL=lease.ttl)

    async def LeaseTimeToLive(self, request: Any, call: Call) -> Any:
        now = self._clock.monotonic()
        lease = self._parts.store.state.leases.get(request.ID)
        self._access.known(call)
        if request.keys and lease is not None:
            self._access.show((lease,), call)
        if lease is None or lease.deadline <= now:
            return pb.LeaseTimeToLiveResponse(header=self._header(), ID=request.ID, TTL=-1)
        return pb.LeaseTimeToLiveResponse(
            header=self._header(),
            ID=lease.id,
            TTL=int(lease.remaining(now)),
            grantedTTL=lease.ttl,
            keys=sorted(lease.keys) if request.keys else (),
        )

    async def LeaseLeases(self, request: Any, call: Call) -> Any:
        leases = self._parts.store.state.leases.all()
        self._access.show(leases, call)
        return pb.LeaseLeasesResponse(header=self._header(), leases=[pb.LeaseStatus(ID=lease.id) for lease in leases])

    def _header(self) -> Any:
        store = self._parts.store
        return store.header.message(store.state.visible)
