"""Checks of requests that need no state. Pure; each raises the StoreError that etcd answers.

Source: the request checks of etcd's `server/etcdserver/api/v3rpc/key.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from etcdlite import keyrange
from etcdlite.errors import (
    DuplicateKey,
    EmptyKey,
    InvalidSortOption,
    KeyNotFound,
    LeaseProvided,
    RequestTooLarge,
    TooManyOps,
    ValueProvided,
)
from etcdlite.keyrange import KeyRange
from etcdlite.model import varint
from etcdlite.store.txn import put_cost

ENVELOPE_BYTES = 15
"""What etcd measures beside a write: the header of the log entry that it becomes, and the field's tag."""


def check_size(request: Any, limit: int) -> None:
    """Refuse a write that makes a log entry larger than `limit` bytes, as etcd measures it."""
    size = request.ByteSize()
    if size + len(varint(size)) + ENVELOPE_BYTES > limit:
        raise RequestTooLarge


def check_range(request: Any) -> None:
    """A RangeRequest."""
    if not request.key:
        raise EmptyKey
    if not 0 <= request.sort_order <= 2 or not 0 <= request.sort_target <= 4:
        raise InvalidSortOption


def check_put(request: Any) -> None:
    """A PutRequest."""
    if not request.key:
        raise EmptyKey
    if request.ignore_value and request.value:
        raise ValueProvided
    if request.ignore_lease and request.lease:
        raise LeaseProvided


def check_delete(request: Any) -> None:
    """A DeleteRangeRequest."""
    if not request.key:
        raise EmptyKey


@dataclass(frozen=True, slots=True)
class TxnShape:
    """What one walk through a TxnRequest finds. nested: it has transactions inside. reads: it becomes no log entry in
    etcd, having only ranges, none inside another transaction. cost: bytes that it may need, as etcd's quota reckons: of
    the branch that puts more, whichever is taken."""

    nested: bool
    reads: bool
    cost: int


def check_txn(request: Any, max_ops: int) -> TxnShape:
    """A TxnRequest, with the transactions inside it. `max_ops` bounds each list of it."""
    shape = _check_txn(request, max_ops)
    for branch in (request.success, request.failure):
        if shape.nested or len(branch) > 1:
            _check_overlaps(branch)
    return shape


def _check_txn(request: Any, max_ops: int) -> TxnShape:
    nested, reads, most = False, True, 0
    compares, branches = request.compare, (request.success, request.failure)
    count = max(len(compares), *map(len, branches))
    if count > max_ops:
        raise TooManyOps
    for compare in compares:
        if not compare.key:
            raise EmptyKey
    for branch in branches:
        cost = 0
        for op in branch:
            kind = op.WhichOneof("request")
            if kind == "request_range":
                check_range(op.request_range)
                continue
            reads = False
            if kind == "request_put":
                put = op.request_put
                check_put(put)
                cost += put_cost(put)
            elif kind == "request_delete_range":
                check_delete(op.request_delete_range)
            elif kind == "request_txn":
                cost += _check_txn(op.request_txn, max_ops - count).cost
                nested = True
            else:
                raise KeyNotFound
        most = max(most, cost)
    return TxnShape(nested, reads, most)


def _check_overlaps(operations: Sequence[Any]) -> tuple[set[bytes], list[KeyRange]]:
    """Refuse a key that one path puts twice, or puts and deletes. Returns the keys put and the ranges deleted.

    The branches of a nested transaction exclude each other, so they may put the same key. A deletion of everything from
    a key on is not looked at: etcd takes its end for an empty key here, so such transactions run, in their order."""
    deletes = [
        keyrange.of(op.request_delete_range.key, op.request_delete_range.range_end)
        for op in operations
        if op.HasField("request_delete_range") and op.request_delete_range.range_end != keyrange.FROM_KEY
    ]
    puts: set[bytes] = set()
    for op in operations:
        if not op.HasField("request_txn"):
            continue
        then_puts, then_deletes = _check_overlaps(op.request_txn.success)
        else_puts, else_deletes = _check_overlaps(op.request_txn.failure)
        _refuse(then_puts | else_puts, puts, deletes)
        puts |= then_puts | else_puts
        deletes += then_deletes + else_deletes
    for op in operations:
        if op.HasField("request_put"):
            key = op.request_put.key
            _refuse((key,), puts, deletes)
            puts.add(key)
    return puts, deletes


def _refuse(keys: Iterable[bytes], puts: set[bytes], deletes: Sequence[KeyRange]) -> None:
    for key in keys:
        if key in puts or any(key in deleted for deleted in deletes):
            raise DuplicateKey
