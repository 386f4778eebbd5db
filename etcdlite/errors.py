"""What the store refuses, with etcd's codes and texts.

    StoreError                  an RpcError, so that it crosses any transport as it is
      EmptyKey, KeyNotFound, ValueProvided, LeaseProvided, TooManyOps, DuplicateKey, InvalidSortOption
      Compacted, FutureRevision, NoSpace, RequestTooLarge
      LeaseNotFound, LeaseExists, LeaseTtlTooLarge
      Unavailable               not started yet, or restarting
      AuthNotEnabled, NotServed, MemberNotFound, BadLeaderTransferee
    DatabaseError               the data directory cannot be used; ends the process with its text

Source of codes and texts: etcd's `api/v3rpc/rpctypes`, which clients compare literally.
"""

from __future__ import annotations

from typing import ClassVar

from machinery.rpc.api import Code, RpcError


class StoreError(RpcError):
    """An answer of the store that is not the one hoped for; the subclass fixes code and text."""

    CODE: ClassVar[Code] = Code.UNKNOWN
    TEXT: ClassVar[str] = ""

    def __init__(self, text: str = "") -> None:
        super().__init__(self.CODE, text or self.TEXT)


class EmptyKey(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: key is not provided"


class KeyNotFound(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: key not found"


class ValueProvided(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: value is provided"


class LeaseProvided(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: lease is provided"


class TooManyOps(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: too many operations in txn request"


class DuplicateKey(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: duplicate key given in txn request"


class InvalidSortOption(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: invalid sort option"


class Compacted(StoreError):
    CODE = Code.OUT_OF_RANGE
    TEXT = "etcdserver: mvcc: required revision has been compacted"


class FutureRevision(StoreError):
    CODE = Code.OUT_OF_RANGE
    TEXT = "etcdserver: mvcc: required revision is a future revision"


class NoSpace(StoreError):
    CODE = Code.RESOURCE_EXHAUSTED
    TEXT = "etcdserver: mvcc: database space exceeded"


class RequestTooLarge(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: request is too large"


class LeaseNotFound(StoreError):
    CODE = Code.NOT_FOUND
    TEXT = "etcdserver: requested lease not found"


class LeaseExists(StoreError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: lease already exists"


class LeaseTtlTooLarge(StoreError):
    CODE = Code.OUT_OF_RANGE
    TEXT = "etcdserver: too large lease TTL"


class Unavailable(StoreError):
    CODE = Code.UNAVAILABLE
    TEXT = "etcdserver: server stopped"


class AuthNotEnabled(StoreError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: authentication is not enabled"


class MemberNotFound(StoreError):
    CODE = Code.NOT_FOUND
    TEXT = "etcdserver: member not found"


class BadLeaderTransferee(StoreError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: bad leader transferee"


class NotServed(StoreError):
    """A part of etcd's API that a store of one member does not have."""

    CODE = Code.UNIMPLEMENTED


class DatabaseError(Exception):
    """The data directory holds something that this version cannot serve. The text says what, where and what to do."""
