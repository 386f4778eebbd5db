"""v3lockpb.Lock: mutual exclusion, waited for by the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etcdlite.errors import SessionExpired
from etcdlite.rpc.waiting import Place, StoreClient, join
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("v3lockpb")


class Lock:
    """The lock is held while its key exists: until Unlock, or until the lease ends. services: those of the store."""

    def __init__(self, services: Mapping[str, object]) -> None:
        self._services = services

    async def Lock(self, request: Any, call: Call) -> Any:
        """Returns once the lock is held. A caller that goes away before gives its place up."""
        client = StoreClient(self._services, call)
        place, _ = await join(client, request.name, await client.lease(request.lease), b"")
        try:
            header = await self._wait(client, place)
        except SessionExpired:
            raise
        except BaseException:
            # Also for a call that was cancelled: nobody would unlock what nobody knows to be locked.
            await client.delete(place.key)
            raise
        return pb.LockResponse(header=header, key=place.key)

    async def _wait(self, client: StoreClient, place: Place) -> Any:
        await place.turn()
        mine = await client.range(key=place.key)
        if not mine.kvs:
            raise SessionExpired  # the lease ended while its holder waited
        return mine.header

    async def Unlock(self, request: Any, call: Call) -> Any:
        reply = await StoreClient(self._services, call).delete(request.key)
        return pb.UnlockResponse(header=reply.header)
