"""The in-process transport: a channel that calls service implementations directly.

No socket, no serialization, no copy; the same messages and the same `RpcError` as over gRPC. An exception that is not
an RpcError surfaces to the caller as INTERNAL, as it would over a socket, and is logged once here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from actors import Clock, SystemClock
from machinery.rpc.api import Call, Code, Encoded, EncodedMany, Peer, RpcError
from protos.pool import Method

log = logging.getLogger(__name__)


class LocalChannel:
    """A channel to `services` (full gRPC service name -> implementation), as `peer` or as nobody."""

    def __init__(self, services: Mapping[str, object], *, peer: Peer | None = None, clock: Clock | None = None) -> None:
        self._services = services
        self._peer = peer
        self._clock = clock or SystemClock()
        self._closed = False

    async def unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
    ) -> Any:
        handler = self._handler(method)
        call = Call(peer=self._peer, metadata=metadata or {})
        try:
            if timeout is None:
                reply = await handler(request, call)
            else:
                async with self._clock.timeout(timeout):
                    reply = await handler(request, call)
            return reply.message() if type(reply) is Encoded else reply
        except (RpcError, asyncio.CancelledError):
            raise
        except TimeoutError as error:
            raise RpcError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded") from error
        except Exception as error:
            raise surprise(method, error) from error

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None = None
    ) -> AsyncIterator[Any]:
        handler = self._handler(method)
        replies = handler(request, Call(peer=self._peer, metadata=metadata or {}))
        try:
            if not method.server_streaming:
                reply = await replies
                yield reply.message() if type(reply) is Encoded else reply
                return
            async for reply in replies:
                if type(reply) is EncodedMany:
                    for wire in reply.wires:
                        yield reply.kind.FromString(wire)
                else:
                    yield reply.message() if type(reply) is Encoded else reply
        except (RpcError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:
            raise surprise(method, error) from error
        finally:
            if method.server_streaming:
                await replies.aclose()

    async def close(self) -> None:
        self._closed = True

    def _handler(self, method: Method) -> Any:
        if self._closed:
            raise RpcError(Code.CANCELLED, "the channel is closed")
        service, _, name = method.path[1:].rpartition("/")
        implementation = self._services.get(service)
        handler = getattr(implementation, name, None)
        if handler is None:
            raise RpcError(Code.UNIMPLEMENTED, f"unknown service or method {method.path}")
        return handler


def surprise(method: Method, error: Exception) -> RpcError:
    """What a caller learns of an exception that the service did not expect: INTERNAL, and no traceback."""
    log.error("service call failed method=%s", method.path, exc_info=error)
    return RpcError(Code.INTERNAL, f"{method.path}: internal error")
