"""Transactions as etcd runs them: compare, choose a branch, check, then apply. Pure.

All compares, also those of nested transactions, see the state before the transaction; so the whole path is known, and
checked, before the first operation is applied. Operations are applied in order, and each sees the ones before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from etcdlite import keyrange
from etcdlite.errors import KeyNotFound, LeaseNotFound
from etcdlite.keyrange import KeyRange
from etcdlite.model import DeleteResult, PutResult, RangeResult, Record, TxnResult
from etcdlite.store.mvcc import SORT_TARGETS, Mvcc, RangeQuery, Writing

PUT_OVERHEAD = 256
LEASE_OVERHEAD = 64
"""Bytes that a put needs beside its key and value, and a lease, as etcd's quota reckons."""
_EQUAL, _GREATER, _LESS, _NOT_EQUAL = range(4)
_WRITES = ("request_put", "request_delete_range")
_VERSION, _CREATE, _MOD, _VALUE, _LEASE = range(5)

Path = tuple[bool, Sequence[tuple[str, "Any | Path"]]]
"""Whether the compares held, and the kind and request of each operation of the branch taken, or the path of one that is
a transaction. Each is taken out of its message once: that costs as much as what is done with it."""


def query_of(request: Any) -> RangeQuery:
    """A RangeRequest, decoded."""
    order = (0, 1, -1)[request.sort_order]
    return RangeQuery(
        keyrange.of(request.key, request.range_end),
        revision=request.revision,
        limit=request.limit,
        order=order,
        target=SORT_TARGETS[request.sort_target] if order or request.sort_target else "KEY",
        keys_only=request.keys_only,
        count_only=request.count_only,
        min_mod=request.min_mod_revision,
        max_mod=request.max_mod_revision,
        min_create=request.min_create_revision,
        max_create=request.max_create_revision,
    )


def put_cost(request: Any) -> int:
    """Bytes that a PutRequest may need, as etcd's quota reckons."""
    return PUT_OVERHEAD + len(request.key) + len(request.value)


def put(state: Mvcc, writing: Writing, request: Any) -> PutResult:
    """A PutRequest. Raises LeaseNotFound, KeyNotFound, NotResident, each before anything changed."""
    if request.lease and request.lease not in state.leases:
        raise LeaseNotFound
    return _put(state, writing, request)


def _put(state: Mvcc, writing: Writing, request: Any) -> PutResult:
    """The same with the refusals in the order in which a transaction tells them."""
    lease = request.lease
    if lease and lease not in state.leases:
        if request.ignore_value and writing.current(request.key) is None:
            raise KeyNotFound
        raise LeaseNotFound
    return writing.put(
        request.key,
        request.value,
        lease=lease,
        ignore_value=request.ignore_value,
        ignore_lease=request.ignore_lease,
        want_previous=request.prev_kv,
    )


def delete(writing: Writing, request: Any) -> DeleteResult:
    """A DeleteRangeRequest. Raises NotResident before anything changed."""
    return writing.delete(keyrange.of(request.key, request.range_end), want_previous=request.prev_kv)


def run(state: Mvcc, writing: Writing, request: Any) -> TxnResult:
    """A TxnRequest, whole or not at all.

    Raises LeaseNotFound, KeyNotFound, Compacted, FutureRevision and NotResident, each before anything changed."""
    path = _choose(writing, request)
    if len(path[1]) != 1 or path[1][0][0] not in _WRITES:
        # One write alone refuses before it changes anything; of several, the last may be the one that does.
        if not state.records.complete:
            writing.require(_touched(path))
        _check(state, writing, path)
    result = _apply(state, writing, path)
    return TxnResult(result.succeeded, result.results, revision=writing.seen)


def _choose(writing: Writing, request: Any) -> Path:
    succeeded = all(_holds(writing, compare) for compare in request.compare)
    operations: list[tuple[str, Any | Path]] = []
    for op in request.success if succeeded else request.failure:
        kind = op.WhichOneof("request")
        inner = getattr(op, kind)
        operations.append((kind, _choose(writing, inner) if kind == "request_txn" else inner))
    return succeeded, operations


def _holds(writing: Writing, compare: Any) -> bool:
    """A compare over a range holds when it holds for every key there, or for an absent key when there is none."""
    if not compare.range_end:
        record = writing.current(compare.key)
        return _matches(compare, record)
    found = writing.range(RangeQuery(keyrange.of(compare.key, compare.range_end))).records
    if not found:
        return _matches(compare, None)
    return all(_matches(compare, record) for record in found)


def _matches(compare: Any, record: Record | None) -> bool:
    target = compare.target
    actual: Any
    expected: Any
    if target == _VALUE:
        if record is None:
            return False  # no value compares with anything, not even as unequal
        actual, expected = record.value, compare.value
    elif target == _MOD:
        actual, expected = (record.revision if record else 0), compare.mod_revision
    elif target == _CREATE:
        actual, expected = (record.created if record else 0), compare.create_revision
    elif target == _VERSION:
        actual, expected = (record.version if record else 0), compare.version
    elif target == _LEASE:
        actual, expected = (record.lease if record else 0), compare.lease
    else:
        actual = expected = 0  # what etcd does not know compares as equal
    result = compare.result
    if result == _EQUAL:
        return bool(actual == expected)
    if result == _NOT_EQUAL:
        return bool(actual != expected)
    if result == _GREATER:
        return bool(actual > expected)
    if result == _LESS:
        return bool(actual < expected)
    return True


def _operations(path: Path) -> Iterator[tuple[str, Any]]:
    """The operations of a path that are not transactions themselves, in order."""
    for kind, inner in path[1]:
        if kind == "request_txn":
            yield from _operations(inner)
        else:
            yield kind, inner


def _touched(path: Path) -> Iterator[KeyRange]:
    """The ranges of keys whose records applying a path may need.

    A range with a limit is taken whole: a deletion before it can move any key below the limit."""
    for kind, inner in _operations(path):
        if kind == "request_put":
            yield keyrange.of(inner.key, b"")
        elif kind == "request_delete_range" or not inner.count_only:
            yield keyrange.of(inner.key, inner.range_end)


def _check(state: Mvcc, writing: Writing, path: Path) -> None:
    """Puts first, then ranges, as etcd: the order decides which of two refusals is told."""
    for kind, request in _operations(path):
        if kind != "request_put":
            continue
        if (request.ignore_value or request.ignore_lease) and writing.current(request.key) is None:
            raise KeyNotFound
        if request.lease and request.lease not in state.leases:
            raise LeaseNotFound
    for kind, request in _operations(path):
        if kind != "request_range":
            continue
        query = query_of(request)
        revision = state.check_revision_in_txn(query.revision, writing.seen) if query.revision else writing.seen
        if revision != writing.seen and not query.count_only:
            writing.range(query)  # a read of history depends on nothing here: only its records must be in memory


def _apply(state: Mvcc, writing: Writing, path: Path) -> TxnResult:
    succeeded, operations = path
    results: list[RangeResult | PutResult | DeleteResult | TxnResult] = []
    for kind, inner in operations:
        if kind == "request_txn":
            results.append(_apply(state, writing, inner))
        elif kind == "request_put":
            results.append(_put(state, writing, inner))
        elif kind == "request_range":
            results.append(writing.range(query_of(inner)))
        else:
            results.append(delete(writing, inner))
    return TxnResult(succeeded, results)
