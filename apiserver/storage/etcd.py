"""The etcd v3 client of the apiserver: the few transactions it is made of, over any channel.

All that is written goes by `create`, `swap` and `remove`, each one transaction that compares before it writes. Reads
are linearizable. Raises what `errors.translated` makes of the store's answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from actors import Clock
from apiserver.storage.errors import translated
from apiserver.storage.keys import ROOT, range_end
from apiserver.storage.leases import Leases
from machinery.rpc.api import Channel, Code, RpcError
from machinery.rpc.stub import Stub
from protos.pool import messages

REQUEST_SECONDS = 30.0


class KeyValue(NamedTuple):
    """A value and the revision that wrote it."""

    key: bytes
    value: bytes
    revision: int


class Swap(NamedTuple):
    """What a compare-and-swap came to. revision: of the write, or of the store when it lost.

    current: when it lost, what the key holds (None: nothing)."""

    won: bool
    revision: int
    current: KeyValue | None = None


class RangePage(NamedTuple):
    """Some keys of a range at one revision. total: keys from the page's first on, this page included."""

    items: Sequence[KeyValue]
    revision: int
    more: bool
    total: int


class EtcdClient:
    """See the module."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._kv = Stub(channel, "etcdserverpb.KV")
        self.watch = Stub(channel, "etcdserverpb.Watch")
        self._leases = Leases(channel, clock)
        self.pb = messages("etcdserverpb")
        self.last_written = 0
        """The newest revision that this client wrote under /registry/: its event is on its way."""
        self._compare = self.pb.Compare.CompareResult.Value("EQUAL")
        self._mod = self.pb.Compare.CompareTarget.Value("MOD")
        # Counting the keys of an empty range reads nothing, and its header has the store's revision.
        self._probe = self.pb.RangeRequest(key=ROOT, count_only=True)

    async def revision(self) -> int:
        """The store's revision, no older than this call."""
        reply = await self._call(self._kv.Range(self._probe, timeout=REQUEST_SECONDS))
        return int(reply.header.revision)

    async def get(self, key: bytes) -> KeyValue | None:
        """The newest value of a key."""
        reply = await self._call(self._kv.Range(self.pb.RangeRequest(key=key), timeout=REQUEST_SECONDS))
        return _key_value(reply.kvs[0]) if reply.kvs else None

    async def page(self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0) -> RangePage:
        """Keys in [start, end), in order, at a revision (0: now). Raises Compacted and FutureRevision."""
        request = self.pb.RangeRequest(key=start, range_end=end, limit=limit, revision=revision)
        reply = await self._call(self._kv.Range(request, timeout=REQUEST_SECONDS))
        return RangePage(
            [_key_value(each) for each in reply.kvs], revision or reply.header.revision, reply.more, reply.count
        )

    async def prefix(self, prefix: bytes) -> RangePage:
        """All keys that begin with `prefix`."""
        return await self.page(prefix, range_end(prefix))

    async def create(self, key: bytes, value: bytes, *, seconds: float = 0) -> int | None:
        """Write a key that must not exist. The revision of the write; None when it exists.

        seconds: after which the store may remove it; 0 never."""
        pb = self.pb
        compare = (pb.Compare(result=self._compare, target=self._mod, key=key, mod_revision=0),)
        reply = await self._write(compare, key, value, seconds)
        return self._wrote(reply.header.revision) if reply.succeeded else None

    async def create_all(self, pairs: Sequence[tuple[bytes, bytes]]) -> bool:
        """Write keys of which none must exist, in one transaction (of 128 operations at most, etcd's limit).

        Answers False, with nothing written, when one exists."""
        pb = self.pb
        request = pb.TxnRequest(
            compare=[pb.Compare(result=self._compare, target=self._mod, key=key, mod_revision=0) for key, _ in pairs],
            success=[pb.RequestOp(request_put=pb.PutRequest(key=key, value=value)) for key, value in pairs],
        )
        reply = await self._call(self._kv.Txn(request, timeout=REQUEST_SECONDS))
        if reply.succeeded:
            self._wrote(reply.header.revision)
        return bool(reply.succeeded)

    async def swap(self, key: bytes, value: bytes, *, expected: int, seconds: float = 0) -> Swap:
        """Write a key that must be at revision `expected`. seconds: as for `create`."""
        pb = self.pb
        compare = (pb.Compare(result=self._compare, target=self._mod, key=key, mod_revision=expected),)
        return self._swapped(await self._write(compare, key, value, seconds))

    async def remove(self, key: bytes, *, expected: int) -> Swap:
        """Delete a key that must be at revision `expected`."""
        pb = self.pb
        request = pb.TxnRequest(
            compare=(pb.Compare(result=self._compare, target=self._mod, key=key, mod_revision=expected),),
            success=(pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key)),),
            failure=(pb.RequestOp(request_range=pb.RangeRequest(key=key)),),
        )
        return self._swapped(await self._call(self._kv.Txn(request, timeout=REQUEST_SECONDS)))

    async def _write(self, compare: Any, key: bytes, value: bytes, seconds: float) -> Any:
        """The transaction that puts a value if the comparison holds, and else reads what is there."""
        pb, renewed = self.pb, False
        while True:
            lease = await self._call(self._leases.lease(seconds)) if seconds else 0
            request = pb.TxnRequest(
                compare=compare,
                success=(pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease)),),
                failure=(pb.RequestOp(request_range=pb.RangeRequest(key=key)),),
            )
            try:
                return await self._kv.Txn(request, timeout=REQUEST_SECONDS)
            except RpcError as error:
                if error.code is not Code.NOT_FOUND or not lease or renewed:
                    raise translated(error) from None
                self._leases.forget()
                renewed = True

    def _swapped(self, reply: Any) -> Swap:
        revision = reply.header.revision
        if reply.succeeded:
            return Swap(won=True, revision=self._wrote(revision))
        found = reply.responses[0].response_range.kvs
        return Swap(won=False, revision=revision, current=_key_value(found[0]) if found else None)

    def _wrote(self, revision: int) -> int:
        self.last_written = max(self.last_written, revision)
        return revision

    async def _call(self, call: Any) -> Any:
        try:
            return await call
        except RpcError as error:
            raise translated(error) from None


def _key_value(kv: Any) -> KeyValue:
    return KeyValue(kv.key, kv.value, kv.mod_revision)
