"""What the store can answer besides what was asked, before it becomes an answer of the API.

    StorageError
    ├── Compacted        the revision asked for is gone
    └── FutureRevision   the revision asked for does not exist yet

Everything else (the store out of reach, out of space) surfaces as an ApiError at once.
"""

from __future__ import annotations

from machinery.errors import ApiError, InternalError, RequestTooLarge, ServiceUnavailable
from machinery.rpc.api import Code, RpcError


class StorageError(Exception):
    """See the module."""


class Compacted(StorageError):
    """History before some later revision was discarded."""


class FutureRevision(StorageError):
    """Nothing has been written at that revision yet."""


_COMPACTED = "required revision has been compacted"
_FUTURE = "required revision is a future revision"


def translated(error: RpcError) -> ApiError | StorageError:
    """What a failed call to the store means. Codes and texts are etcd's (api/v3rpc/rpctypes)."""
    if error.code is Code.OUT_OF_RANGE:
        if _COMPACTED in error.message:
            return Compacted(error.message)
        if _FUTURE in error.message:
            return FutureRevision(error.message)
    if error.code is Code.INVALID_ARGUMENT and "too large" in error.message:
        return RequestTooLarge(error.message)
    if error.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED):
        return ServiceUnavailable(f"the store does not answer: {error.message}", details={"retryAfterSeconds": 1})
    return InternalError(error.message)
