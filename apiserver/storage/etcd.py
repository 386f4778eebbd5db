"""The etcd v3 client of the apiserver: the few transactions it is made of, over any channel.

All that is written goes by `create`, `swap` and `remove`, each one transaction that compares before it writes. Reads
are linearizable. Raises what `errors.translated` makes of the store's answers. A write is sent once: when its answer is
lost it may have been made, and `errors.Unconfirmed` says so (a `create` first looks whether its object is there).

Keys are those of `storage.keys`; what the store has before them is put on and taken off here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from actors import Clock
from apiserver.storage.errors import Unconfirmed, translated, unconfirmed
from apiserver.storage.keys import DEFAULT_PREFIX, range_end, root_of
from apiserver.storage.leases import Leases
from machinery.errors import ApiError
from machinery.rpc.api import Channel, Code, RpcError
from machinery.rpc.stub import Stub
from protos.pool import messages

REQUEST_SECONDS = 30.0
CONFIRM_SECONDS = 3.0
"""How long it may take to learn what became of a write."""


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

    def __init__(self, channel: Channel, clock: Clock, *, prefix: str = DEFAULT_PREFIX) -> None:
        """prefix: as `--etcd-prefix`. Raises ValueError for one that is no path."""
        self.root = root_of(prefix)
        """What every key begins with in the store."""
        self.kv = Stub(channel, "etcdserverpb.KV")
        self.watch = Stub(channel, "etcdserverpb.Watch")
        self._maintenance = Stub(channel, "etcdserverpb.Maintenance")
        self._leases = Leases(channel, clock)
        self.pb = messages("etcdserverpb")
        self.last_written = 0
        """The newest revision that this client wrote under its root: its event is on its way."""
        self._equal = self.pb.Compare.CompareResult.Value("EQUAL")
        self._mod = self.pb.Compare.CompareTarget.Value("MOD")
        # Counting the keys of an empty range reads nothing, and its header has the store's revision.
        self._probe = self.pb.RangeRequest(key=self.root, count_only=True)

    async def revision(self, *, timeout: float = REQUEST_SECONDS) -> int:
        """The store's revision, no older than this call."""
        reply = await self._call(self.kv.Range(self._probe, timeout=timeout))
        return int(reply.header.revision)

    async def member(self) -> tuple[int, str]:
        """The id and the version of the member that answers."""
        reply = await self._call(self._maintenance.Status(self.pb.StatusRequest(), timeout=REQUEST_SECONDS))
        return int(reply.header.member_id), str(reply.version)

    async def get(self, key: bytes, *, timeout: float = REQUEST_SECONDS) -> KeyValue | None:
        """The newest value of a key."""
        reply = await self._call(self.kv.Range(self.pb.RangeRequest(key=self.root + key), timeout=timeout))
        return self._key_value(reply.kvs[0]) if reply.kvs else None

    async def page(
        self, start: bytes, end: bytes, *, limit: int = 0, revision: int = 0, keys_only: bool = False
    ) -> RangePage:
        """Keys in [start, end), in order, at a revision (0: now). keys_only: values are b"".

        Raises Compacted and FutureRevision."""
        root = self.root
        request = self.pb.RangeRequest(
            key=root + start, range_end=root + end, limit=limit, revision=revision, keys_only=keys_only
        )
        reply = await self._call(self.kv.Range(request, timeout=REQUEST_SECONDS))
        items = [self._key_value(each) for each in reply.kvs]
        return RangePage(items, revision or reply.header.revision, reply.more, reply.count)

    async def prefix(self, prefix: bytes, *, keys_only: bool = False) -> RangePage:
        """All keys that begin with `prefix`."""
        return await self.page(prefix, range_end(prefix), keys_only=keys_only)

    async def create(self, key: bytes, value: bytes, *, seconds: float = 0) -> int | None:
        """Write a key that must not exist. The revision of the write; None when it exists.

        value: like no other, as an object is by its uid: a write whose answer was lost is known by it.
        seconds: after which the store may remove it; 0 never."""
        try:
            reply = await self._write(key, value, expected=0, seconds=seconds)
        except Unconfirmed:
            revision = await self._created(key, value)
            if not revision:
                raise
            return self._wrote(revision)
        return self._wrote(reply.header.revision) if reply.succeeded else None

    async def create_all(self, pairs: Sequence[tuple[bytes, bytes]]) -> bool:
        """Write keys of which none must exist, in one transaction (of 128 operations at most, etcd's limit).

        Answers False, with nothing written, when one exists."""
        pb, root = self.pb, self.root
        reply = await self._txn(
            pb.TxnRequest(
                compare=[self._at(key, 0) for key, _ in pairs],
                success=[pb.RequestOp(request_put=pb.PutRequest(key=root + key, value=value)) for key, value in pairs],
            )
        )
        if reply.succeeded:
            self._wrote(reply.header.revision)
        return bool(reply.succeeded)

    async def swap(self, key: bytes, value: bytes, *, expected: int, seconds: float = 0) -> Swap:
        """Write a key that must be at revision `expected`. seconds: as for `create`."""
        return self._swapped(await self._write(key, value, expected=expected, seconds=seconds))

    async def remove(self, key: bytes, *, expected: int) -> Swap:
        """Delete a key that must be at revision `expected`."""
        pb = self.pb
        delete = pb.DeleteRangeRequest(key=self.root + key)
        request = pb.TxnRequest(
            compare=(self._at(key, expected),),
            success=(pb.RequestOp(request_delete_range=delete),),
            failure=(self._read(key),),
        )
        return self._swapped(await self._txn(request))

    async def _write(self, key: bytes, value: bytes, *, expected: int, seconds: float) -> Any:
        """The transaction that puts a value if its key is at a revision, and else reads what is there."""
        pb, renewed = self.pb, False
        while True:
            lease = await self._call(self._leases.lease(seconds)) if seconds else 0
            put = pb.PutRequest(key=self.root + key, value=value, lease=lease)
            request = pb.TxnRequest(
                compare=(self._at(key, expected),),
                success=(pb.RequestOp(request_put=put),),
                failure=(self._read(key),),
            )
            try:
                return await self.kv.Txn(request, timeout=REQUEST_SECONDS)
            except RpcError as error:
                if error.code is not Code.NOT_FOUND or not lease or renewed:
                    raise unconfirmed(error) from None
                self._leases.forget()
                renewed = True

    async def _created(self, key: bytes, value: bytes) -> int:
        """The revision at which `create` wrote a value after all; 0 while that is not known."""
        try:
            found = await self.get(key, timeout=CONFIRM_SECONDS)
        except ApiError:
            return 0
        return found.revision if found is not None and found.value == value else 0

    def _at(self, key: bytes, revision: int) -> Any:
        """That a key was written last at a revision; 0: that it does not exist."""
        return self.pb.Compare(result=self._equal, target=self._mod, key=self.root + key, mod_revision=revision)

    def _read(self, key: bytes) -> Any:
        return self.pb.RequestOp(request_range=self.pb.RangeRequest(key=self.root + key))

    async def _txn(self, request: Any) -> Any:
        try:
            return await self.kv.Txn(request, timeout=REQUEST_SECONDS)
        except RpcError as error:
            raise unconfirmed(error) from None

    def _swapped(self, reply: Any) -> Swap:
        revision = reply.header.revision
        if reply.succeeded:
            return Swap(won=True, revision=self._wrote(revision))
        found = reply.responses[0].response_range.kvs
        return Swap(won=False, revision=revision, current=self._key_value(found[0]) if found else None)

    def _key_value(self, kv: Any) -> KeyValue:
        return KeyValue(kv.key[len(self.root) :], kv.value, kv.mod_revision)

    def _wrote(self, revision: int) -> int:
        self.last_written = max(self.last_written, revision)
        return revision

    async def _call(self, call: Any) -> Any:
        try:
            return await call
        except RpcError as error:
            raise translated(error) from None
