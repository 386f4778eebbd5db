"""The waiting line behind a name: what locks and elections have in common.

Who wants the name puts the key `NAME/LEASE`, the lease in hexadecimal, and hangs it on the lease. The line is ordered
by the create_revision of these keys, and it is the turn of the oldest: everybody waits for the deletion of the keys
before their own and is woken by no other. A client that is gone loses its place with its lease.

Source: etcd's `client/v3/concurrency`, which clients in Go use with the same keys, so both kinds wait in one line.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from etcdlite.errors import ClientSideError, Compacted
from machinery.rpc import LocalChannel, Stub
from machinery.rpc.api import Call, RpcError
from protos.pool import messages

pb = messages("etcdserverpb")

DEFAULT_TTL = 60
"""Seconds of the lease that is granted to who brings none."""


class StoreClient:
    """The store's own services, called as the caller that `call` is: what that one may not do, this may not either.

    Refusals become UNKNOWN with their text, as etcd's lock and election services give them."""

    def __init__(self, services: Mapping[str, object], call: Call) -> None:
        self._channel = LocalChannel(services, peer=call.peer)
        self._kv = Stub(self._channel, "etcdserverpb.KV")
        self._metadata = call.metadata

    async def lease(self, lease_id: int) -> int:
        """The lease to hold a place with; 0: a new one."""
        if lease_id:
            return lease_id
        request = pb.LeaseGrantRequest(TTL=DEFAULT_TTL)
        try:
            reply = await Stub(self._channel, "etcdserverpb.Lease").LeaseGrant(request, metadata=self._metadata)
        except RpcError as error:
            raise ClientSideError(error.message) from error
        return int(reply.ID)

    async def range(self, **options: Any) -> Any:
        """A RangeResponse."""
        return await self._ask("Range", pb.RangeRequest(**options))

    async def delete(self, key: bytes) -> Any:
        """A DeleteRangeResponse."""
        return await self._ask("DeleteRange", pb.DeleteRangeRequest(key=key))

    async def if_created(self, key: bytes, revision: int, *, then: Any, otherwise: Any = None) -> Any:
        """The TxnResponse of one operation while the key's create_revision is `revision` (0: while it does not exist),
        of another when not."""
        compare = pb.Compare(key=key, target=pb.Compare.CREATE, result=pb.Compare.EQUAL, create_revision=revision)
        failure = [otherwise] if otherwise is not None else []
        return await self._ask("Txn", pb.TxnRequest(compare=[compare], success=[then], failure=failure))

    async def _ask(self, name: str, request: Any) -> Any:
        try:
            return await getattr(self._kv, name)(request, metadata=self._metadata)
        except RpcError as error:
            raise ClientSideError(error.message) from error

    async def watch(self, key: bytes, revision: int, *, range_end: bytes = b"") -> AsyncGenerator[Any, None]:
        """WatchResponses with events, from a revision on. Ends when the store cancels the watch."""
        create = pb.WatchCreateRequest(key=key, range_end=range_end, start_revision=revision)
        requests = _once(pb.WatchRequest(create_request=create))
        replies = Stub(self._channel, "etcdserverpb.Watch").Watch(requests, metadata=self._metadata)
        async with aclosing(replies):
            try:
                async for reply in replies:
                    if reply.canceled:
                        raise ClientSideError(reply.cancel_reason or Compacted.TEXT)
                    if reply.events:
                        yield reply
            except RpcError as error:
                raise ClientSideError(error.message) from error

    async def puts(self, key: bytes, revision: int) -> AsyncGenerator[tuple[Any, Any], None]:
        """The header and KeyValue of each put of a key, from a revision on, until the key is deleted."""
        async with aclosing(self.watch(key, revision)) as responses:
            async for response in responses:
                for event in response.events:
                    if event.type:  # PUT is 0
                        return
                    yield response.header, event.kv
        raise ClientSideError("lost watcher waiting for delete")


class Place:
    """One place in a line: its key, its create_revision, and the header of the answer that gave it."""

    def __init__(self, client: StoreClient, prefix: bytes, key: bytes, revision: int, header: Any) -> None:
        self._client = client
        self._prefix = prefix
        self.key = key
        self.revision = revision
        self.header = header

    async def turn(self) -> None:
        """Return once nobody is before this place: at once when it is the oldest. Raises ClientSideError."""
        while True:
            reply = await self._client.range(
                key=self._prefix,
                range_end=end_of(self._prefix),
                max_create_revision=self.revision - 1,
                sort_order=pb.RangeRequest.DESCEND,
                sort_target=pb.RangeRequest.CREATE,
                limit=1,
                keys_only=True,
            )
            if not reply.kvs:
                return
            async with aclosing(self._client.puts(reply.kvs[0].key, reply.header.revision)) as puts:
                async for _ in puts:
                    pass


async def join(client: StoreClient, name: bytes, lease: int, value: bytes) -> tuple[Place, bytes]:
    """Take a place in the line of `name`, or find the one that the lease has already.

    Returns the place and the value that its key has. Raises ClientSideError."""
    prefix = name + b"/"
    key = prefix + b"%x" % lease
    put = pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease))
    get = pb.RequestOp(request_range=pb.RangeRequest(key=key))
    reply = await client.if_created(key, 0, then=put, otherwise=get)
    if reply.succeeded:
        return Place(client, prefix, key, reply.header.revision, reply.header), value
    mine = reply.responses[0].response_range.kvs[0]
    return Place(client, prefix, key, mine.create_revision, reply.header), mine.value


def end_of(prefix: bytes) -> bytes:
    """The range_end of everything that begins with `prefix`, which ends in `/`."""
    return prefix[:-1] + b"0"


async def _once(request: Any) -> AsyncIterator[Any]:
    """A client that asks once and then only listens."""
    yield request
