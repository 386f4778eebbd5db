"""Results of the store into replies. Pure.

A reply is joined from the bytes its records were stored with, field by field as `protos/etcd/rpc.proto` numbers them,
and is never a message here: a socket sends the bytes as they are, and a caller in process parses them once, which is
four times faster than to build a message out of messages.
"""

from __future__ import annotations

from etcdlite.model import DeleteResult, PutResult, RangeResult, TxnResult, varint
from etcdlite.rpc.header import Header
from machinery.rpc.api import Encoded
from protos.pool import messages

pb = messages("etcdserverpb")

_ONE, _TWO, _THREE, _FOUR = b"\x0a", b"\x12", b"\x1a", b"\x22"
"""The tags of fields 1 to 4 that have a length."""


def range_reply(header: Header, result: RangeResult) -> Encoded:
    """A RangeResponse."""
    return Encoded(pb.RangeResponse, _range(header.wire(result.revision), result))


def put_reply(header: Header, result: PutResult) -> Encoded:
    """A PutResponse."""
    return Encoded(pb.PutResponse, _put(header.wire(result.revision), result))


def delete_reply(header: Header, result: DeleteResult) -> Encoded:
    """A DeleteRangeResponse."""
    return Encoded(pb.DeleteRangeResponse, _delete(header.wire(result.revision), result))


def txn_reply(header: Header, result: TxnResult) -> Encoded:
    """A TxnResponse."""
    return Encoded(pb.TxnResponse, _txn(header.wire(result.revision), result))


def _range(header: bytes, result: RangeResult) -> bytes:
    parts = [_field(_ONE, header)]
    add = parts.append
    for record in result.records:
        wire = record.metadata if result.keys_only else record.wire
        add(_TWO)
        add(varint(len(wire)))
        add(wire)
    if result.more:
        add(b"\x18\x01")
    if result.count:
        add(b"\x20" + varint(result.count))
    return b"".join(parts)


def _put(header: bytes, result: PutResult) -> bytes:
    previous = b"" if result.previous is None else _field(_TWO, result.previous.wire)
    return _field(_ONE, header) + previous


def _delete(header: bytes, result: DeleteResult) -> bytes:
    deleted = b"\x10" + varint(result.deleted) if result.deleted else b""
    return b"".join((_field(_ONE, header), deleted, *(_field(_THREE, record.wire) for record in result.previous)))


def _txn(header: bytes, result: TxnResult) -> bytes:
    succeeded = b"\x10\x01" if result.succeeded else b""
    return b"".join((_field(_ONE, header), succeeded, *[_field(_THREE, _operation(each)) for each in result.results]))


def _operation(result: RangeResult | PutResult | DeleteResult | TxnResult) -> bytes:
    """A ResponseOp. Its header holds the revision alone, as etcd's does; a nested transaction's is empty."""
    if isinstance(result, TxnResult):
        return _field(_FOUR, _txn(b"", result))
    header = b"\x18" + varint(result.revision)
    if isinstance(result, PutResult):
        return _field(_TWO, _put(header, result))
    if isinstance(result, RangeResult):
        return _field(_ONE, _range(header, result))
    return _field(_THREE, _delete(header, result))


def _field(tag: bytes, content: bytes) -> bytes:
    return b"".join((tag, varint(len(content)), content))
