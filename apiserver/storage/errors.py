"""What the store can answer besides what was asked, before it becomes an answer of the API.

    StorageError
    ├── Compacted        the revision asked for is gone
    └── FutureRevision   the revision asked for does not exist yet

    ApiError
    └── Timeout
        └── Unconfirmed  a write was sent and its answer did not come

Everything else (the store out of reach, out of space) surfaces as an ApiError at once.
"""

from __future__ import annotations

from machinery.errors import ApiError, InternalError, RequestTooLarge, ServiceUnavailable, Timeout
from machinery.rpc.api import Code, RpcError
from machinery.rpc.failover import never_left


class StorageError(Exception):
    """See the module."""


class Compacted(StorageError):
    """History before some later revision was discarded."""


class FutureRevision(StorageError):
    """Nothing has been written at that revision yet."""


class Unconfirmed(Timeout):
    """The write may have been made, or may still be. It names no time to retry after: clients that see one (client-go's
    do) send the same request again by themselves, and a `generateName` would make two."""


_COMPACTED = "required revision has been compacted"
_FUTURE = "required revision is a future revision"
_NO_ANSWER = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED)


def translated(error: RpcError) -> ApiError | StorageError:
    """What a failed call to the store means. Codes and texts are etcd's (api/v3rpc/rpctypes)."""
    if error.code is Code.OUT_OF_RANGE:
        if _COMPACTED in error.message:
            return Compacted(error.message)
        if _FUTURE in error.message:
            return FutureRevision(error.message)
    if error.code is Code.INVALID_ARGUMENT and "too large" in error.message:
        return RequestTooLarge(error.message)
    if error.code in _NO_ANSWER:
        return ServiceUnavailable(f"the store does not answer: {error.message}", details={"retryAfterSeconds": 1})
    return InternalError(error.message)


def unconfirmed(error: RpcError) -> ApiError | StorageError:
    """What a failed write means: as `translated`, but one that may have been made is `Unconfirmed`."""
    if error.code in _NO_ANSWER and not never_left(error):
        return Unconfirmed(f"the store did not confirm the write, which may have been made: {error.message}")
    return translated(error)
