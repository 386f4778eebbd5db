"""etcdserverpb.KV."""

from __future__ import annotations

from typing import Any

from etcdlite.parts import Parts
from etcdlite.rpc import convert, validate
from etcdlite.store.txn import query_of
from machinery.rpc.api import Call
from protos.pool import messages

pb = messages("etcdserverpb")


class KV:
    """Keys and transactions. max_ops, max_bytes: limits of a transaction and of a write."""

    def __init__(self, parts: Parts, *, max_ops: int, max_bytes: int) -> None:
        self._parts = parts
        self._max_ops = max_ops
        self._max_bytes = max_bytes

    async def Range(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        validate.check_range(request)
        return convert.range_reply(store.header, await store.range(query_of(request)))

    async def Put(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        validate.check_put(request)
        validate.check_size(request, self._max_bytes)
        return convert.put_reply(store.header, await store.put(request))

    async def DeleteRange(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        validate.check_delete(request)
        return convert.delete_reply(store.header, await store.delete(request))

    async def Txn(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        validate.check_txn(request, self._max_ops)
        validate.check_size(request, self._max_bytes)
        return convert.txn_reply(store.header, await store.txn(request))

    async def Compact(self, request: Any, call: Call) -> Any:
        store = self._parts.store
        await store.compact(request.revision, physical=request.physical)
        return pb.CompactionResponse(header=store.header.message(store.state.visible))
