"""What the store refuses, with etcd's codes and texts.

    StoreError                  an RpcError, so that it crosses any transport as it is
      EmptyKey, KeyNotFound, ValueProvided, LeaseProvided, TooManyOps, DuplicateKey, InvalidSortOption
      Compacted, FutureRevision, NoSpace, RequestTooLarge
      LeaseNotFound, LeaseExists, LeaseTtlTooLarge
      Unavailable               not started yet, or restarting
      Corrupt, FileFault        the file is damaged; it cannot be written or read
      SnapshotFault             no snapshot can be made of it
      NotServed, MemberNotFound, BadLeaderTransferee
      AuthError               users, roles and who may do what
        AuthNotEnabled, RootUserMissing, RootRoleMissing, UserExists, UserEmpty, UserNotFound, RoleExists, RoleEmpty,
        RoleNotFound, RoleNotGranted, PermissionNotGiven, PermissionNotGranted, AuthFailed, NoPasswordUser,
        PermissionDenied, InvalidAuthToken, InvalidAuthMgmt, AuthOldRevision, VerifyOnly
      BadMemberUrls, PeerUrlExists, MemberNotLearner, NotEnoughStarted
      WrongDowngradeVersion, InvalidDowngradeTarget, NoInflightDowngrade, UnknownMethod
      ClientSideError           what etcd's lock and election services meet as clients of the store
        SessionExpired, NoLeader, NotLeader, LeaderKeyMissing
    DatabaseError               the data directory cannot be used; ends the process with its text
    Moved, Damaged              the file is not where it was opened; it does not hold what was written to it

Source of codes and texts: etcd's `api/v3rpc/rpctypes`, which clients compare literally.
"""

from __future__ import annotations

from typing import ClassVar

from actors import Refused
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


class Corrupt(StoreError):
    CODE = Code.DATA_LOSS
    TEXT = "etcdserver: corrupt cluster"


class FileFault(StoreError):
    """The file cannot be written, or not be read, right now; the text says which and why. What failed changed nothing,
    unless it was the last sync of a write that failed: then it may be there after a restart."""

    CODE = Code.UNAVAILABLE


class SnapshotFault(StoreError):
    """A snapshot cannot be made, and the text says why. etcd has no code for it. It must not be `UNAVAILABLE`: clients
    ask for such a stream again and again, for ever."""

    CODE = Code.UNKNOWN


class MemberNotFound(StoreError):
    CODE = Code.NOT_FOUND
    TEXT = "etcdserver: member not found"


class BadLeaderTransferee(StoreError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: bad leader transferee"


class BadMemberUrls(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: given member URLs are invalid"


class PeerUrlExists(StoreError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: Peer URLs already exists"


class MemberNotLearner(StoreError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: can only promote a learner member"


class NotEnoughStarted(StoreError):
    """etcd 3.5 answers this text without its code."""

    TEXT = "etcdserver: re-configuration failed due to not enough started members"


class WrongDowngradeVersion(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: wrong downgrade target version format"


class InvalidDowngradeTarget(StoreError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: invalid downgrade target version"


class NoInflightDowngrade(StoreError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: no inflight downgrade job"


class UnknownMethod(StoreError):
    TEXT = "etcdserver: unknown method"


class ClientSideError(StoreError):
    """The lock and election services are clients of the store, and their errors have lost their codes."""


class SessionExpired(ClientSideError):
    TEXT = "mutex: session is expired"


class NoLeader(ClientSideError):
    TEXT = "election: no leader"


class NotLeader(ClientSideError):
    TEXT = "election: not leader"


class LeaderKeyMissing(ClientSideError):
    TEXT = '"leader" field must be provided'


class NotServed(StoreError):
    """A part of etcd's API that a store of one member does not have."""

    CODE = Code.UNIMPLEMENTED


class AuthError(StoreError):
    """An answer about users, roles and permissions."""


class AuthNotEnabled(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: authentication is not enabled"


class RootUserMissing(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: root user does not exist"


class RootRoleMissing(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: root user does not have root role"


class UserExists(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: user name already exists"


class UserEmpty(AuthError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: user name is empty"


class UserNotFound(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: user name not found"


class RoleExists(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: role name already exists"


class RoleEmpty(AuthError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: role name is empty"


class RoleNotFound(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: role name not found"


class RoleNotGranted(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: role is not granted to the user"


class PermissionNotGiven(AuthError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: permission not given"


class PermissionNotGranted(AuthError):
    CODE = Code.FAILED_PRECONDITION
    TEXT = "etcdserver: permission is not granted to the role"


class AuthFailed(AuthError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: authentication failed, invalid user ID or password"


class NoPasswordUser(AuthError):
    CODE = Code.UNKNOWN
    TEXT = "auth: authentication failed, password was given for no password user"


class PermissionDenied(AuthError):
    CODE = Code.PERMISSION_DENIED
    TEXT = "etcdserver: permission denied"


class InvalidAuthToken(AuthError):
    CODE = Code.UNAUTHENTICATED
    TEXT = "etcdserver: invalid auth token"


class InvalidAuthMgmt(AuthError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: invalid auth management"


class AuthOldRevision(AuthError):
    CODE = Code.INVALID_ARGUMENT
    TEXT = "etcdserver: revision of auth store is old"


class VerifyOnly(AuthError):
    CODE = Code.UNKNOWN
    TEXT = "auth: token signing attempted with verify-only key"


class Moved(Exception):
    """The database lies no longer where it was opened: deleted, or replaced."""


class Damaged(Exception):
    """The file does not hold what was written to it."""


class DatabaseError(Refused):
    """The data directory holds something that this version cannot serve. The text says what, where and what to do."""
