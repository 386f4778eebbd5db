"""The one table between the API's answers and gRPC's status codes. The Status itself travels in the trailers."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from machinery.errors import ApiError
from machinery.rpc.api import Code, RpcError

STATUS_TRAILER = "kubernetes-status-bin"

CODES: Mapping[int, Code] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    406: Code.INVALID_ARGUMENT,
    409: Code.ABORTED,
    410: Code.OUT_OF_RANGE,
    413: Code.RESOURCE_EXHAUSTED,
    415: Code.INVALID_ARGUMENT,
    422: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    500: Code.INTERNAL,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


def rpc_error(error: ApiError) -> RpcError:
    """An answer of the API as a gRPC error."""
    code = Code.ALREADY_EXISTS if error.reason == "AlreadyExists" else CODES.get(error.code, Code.UNKNOWN)
    return RpcError(code, error.message, trailers={STATUS_TRAILER: orjson.dumps(error.status())})
