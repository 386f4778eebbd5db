"""Which permissions a request needs. Pure; each function returns, or raises what etcd answers.

A lease counts as its keys: whoever hangs a key on it, revokes or renews it must be allowed to write every key that
hangs on it already, for all of them go with it.

Source: etcd's `server/etcdserver/apply_auth.go` and `v3_server.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from etcdlite import keyrange
from etcdlite.auth.state import READ, WRITE, AuthState
from etcdlite.errors import AuthOldRevision, PermissionDenied, UserEmpty, UserNotFound
from etcdlite.store.leases import Lease, Leases


@dataclass(frozen=True, slots=True)
class Caller:
    """name: of a user, who need not exist any more. revision: the auth revision at which they were authenticated; 0 is
    nobody."""

    name: str
    revision: int


NOBODY = Caller("", 0)


def may(state: AuthState, caller: Caller, key: bytes, range_end: bytes, kind: int) -> None:
    """READ or WRITE of a range. Raises UserEmpty, AuthOldRevision, PermissionDenied."""
    if not caller.revision:
        raise UserEmpty
    if caller.revision < state.revision:
        raise AuthOldRevision
    user = state.find(caller.name)
    if user is None:
        raise PermissionDenied
    if not user.is_root and not state.ranges(user, kind).cover(keyrange.of(key, range_end)):
        raise PermissionDenied


def root(state: AuthState, caller: Caller) -> None:
    """Administration. Raises UserEmpty, UserNotFound, PermissionDenied."""
    if not caller.name:
        raise UserEmpty
    user = state.find(caller.name)
    if user is None:
        raise UserNotFound
    if not user.is_root:
        raise PermissionDenied


def is_root(state: AuthState, caller: Caller) -> bool:
    """True for who may administrate."""
    user = state.find(caller.name)
    return user is not None and user.is_root


def put(state: AuthState, caller: Caller, request: Any, leases: Leases) -> None:
    """A PutRequest."""
    may(state, caller, request.key, b"", WRITE)
    lease = leases.get(request.lease)
    if lease is not None:
        lease_keys(state, caller, (lease,), WRITE)
    if request.prev_kv:
        may(state, caller, request.key, b"", READ)


def delete(state: AuthState, caller: Caller, request: Any) -> None:
    """A DeleteRangeRequest."""
    may(state, caller, request.key, request.range_end, WRITE)
    if request.prev_kv:
        may(state, caller, request.key, request.range_end, READ)


def txn(state: AuthState, caller: Caller, request: Any, leases: Leases) -> None:
    """A TxnRequest: its compares, and both branches, whichever will be taken."""
    for compare in request.compare:
        may(state, caller, compare.key, compare.range_end, READ)
    for op in (*request.success, *request.failure):
        kind = op.WhichOneof("request")
        inner = getattr(op, kind)
        if kind == "request_range":
            may(state, caller, inner.key, inner.range_end, READ)
        elif kind == "request_put":
            put(state, caller, inner, leases)
        elif kind == "request_delete_range":
            delete(state, caller, inner)
        else:
            txn(state, caller, inner, leases)


def lease_keys(state: AuthState, caller: Caller, leases: Iterable[Lease], kind: int) -> None:
    """READ or WRITE of every key that hangs on these leases."""
    if is_root(state, caller):
        return
    for lease in leases:
        for key in lease.keys:
            may(state, caller, key, b"", kind)
