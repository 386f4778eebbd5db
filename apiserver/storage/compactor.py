"""Keeps the store's history bounded: what is older than an interval is compacted away.

Any number of servers may run one on the same store, upstream's (`storage/etcd3/compact.go`) among them: the version of
one key counts the compactions, and who sees it unchanged since the last look counts it on and compacts, to the revision
of that look. So one of them does it per interval, and when that one dies another takes over at its own next look.
"""

from __future__ import annotations

from actors import Actor
from apiserver.storage.etcd import EtcdClient
from machinery.rpc.api import Code, RpcError

KEY = b"compact_rev_key"
"""Below no prefix: a store has one history, whoever shares it. Its value is the revision that was compacted to."""
REQUEST_SECONDS = 30.0


class Compactor(Actor):
    """See the module. seconds: of history that are kept, at least."""

    def __init__(self, etcd: EtcdClient, seconds: float) -> None:
        self._etcd = etcd
        self._seconds = seconds
        self._count = 0
        self._revision = 0

    async def setup(self) -> None:
        self.spawn(self._run(), name="run")

    async def _run(self) -> None:
        while True:
            await self.clock.sleep(self._seconds)
            try:
                compacted = await self._look()
            except RpcError as error:
                self.log.warning("store was not compacted, will retry error=%s", error)
                continue
            if compacted:
                self.log.info("store compacted revision=%d", compacted)

    async def _look(self) -> int:
        """One turn; the revision that was compacted to, 0 when it was not ours to do. Raises RpcError.

        A turn whose answer was lost is another's: the count has moved on, or has not and is looked at again."""
        pb, kv = self._etcd.pb, self._etcd.kv
        request = pb.TxnRequest(
            compare=(pb.Compare(target="VERSION", result="EQUAL", key=KEY, version=self._count),),
            success=(pb.RequestOp(request_put=pb.PutRequest(key=KEY, value=b"%d" % self._revision)),),
            failure=(pb.RequestOp(request_range=pb.RangeRequest(key=KEY)),),
        )
        reply = await kv.Txn(request, timeout=REQUEST_SECONDS)
        before, self._revision = self._revision, reply.header.revision
        if not reply.succeeded:
            found = reply.responses[0].response_range.kvs
            self._count = found[0].version if found else 0
            return 0
        self._count += 1
        if not before:
            return 0
        try:
            await kv.Compact(pb.CompactionRequest(revision=before), timeout=REQUEST_SECONDS)
        except RpcError as error:
            if error.code is not Code.OUT_OF_RANGE:  # somebody compacted further
                raise
            return 0
        return int(before)
