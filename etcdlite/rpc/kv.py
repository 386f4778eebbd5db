"""etcdserverpb.KV."""

from __future__ import annotations

from typing import Any

from etcdlite.auth.access import Access
from etcdlite.parts import Parts
from etcdlite.rpc import convert, validate
from etcdlite.store.txn import query_of
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")


class KV:
    """Keys and transactions. max_ops, max_bytes: limits of a transaction and of a write."""

    def __init__(self, parts: Parts, access: Access, *, max_ops: int, max_bytes: int) -> None:
        self._parts = parts
        self._access = access
        self._max_ops = max_ops
        self._max_bytes = max_bytes

    async def Range(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        validate.check_range(request)
        check = self._access.range(request, call)
        if check is None:
            return convert.range_reply(store.header, await store.range(query_of(request)))
        check()
        result = await store.range(query_of(request))
        check()  # what was read meanwhile may have been taken away
        return convert.range_reply(store.header, result)

    async def Put(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        validate.check_put(request)
        validate.check_size(request, self._max_bytes)
        return convert.put_reply(store.header, await store.put(request, check=self._access.put(request, call)))

    async def DeleteRange(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        validate.check_delete(request)
        validate.check_size(request, self._max_bytes)
        return convert.delete_reply(store.header, await store.delete(request, check=self._access.delete(request, call)))

    async def Txn(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        shape = validate.check_txn(request, self._max_ops)
        if not shape.reads:
            validate.check_size(request, self._max_bytes)
        check = self._access.txn(request, call)
        result = await store.txn(request, cost=None if shape.reads else shape.cost, check=check)
        return convert.txn_reply(store.header, result)

    async def Compact(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        self._access.root(call)
        await store.compact(request.revision, physical=request.physical)
        return pb.CompactionResponse(header=store.header.message(store.state.visible))
