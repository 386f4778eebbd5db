"""Calls over a socket: grpc.aio behind the `Channel` protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import grpc

from machinery.rpc.api import MAX_MESSAGE_BYTES, Code, RpcError
from protos.pool import Method

OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.max_pings_without_data", 0),  # a watch of something quiet is what keepalive is for
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),  # also how long one attempt may take: a busy host needs its time
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A channel per address would otherwise share a connection, and with it the credentials, through a global pool.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcChannel:
    """A channel to `target` ("host:port" or "unix:/path").

    credentials: `grpc.ChannelCredentials` for TLS, None for plain text.
    server_name: the name to expect in the server's certificate when it differs from the target's host.
    metadata: sent with every call (a bearer token, say).
    keepalive: seconds after which a silent server is asked for a sign of life, and how long it may take: then every
        call on it ends UNAVAILABLE.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: Any = None,
        server_name: str = "",
        metadata: Mapping[str, str | bytes] | None = None,
        keepalive: tuple[float, float] = (30.0, 10.0),
    ) -> None:
        silent, patience = (int(seconds * 1000) for seconds in keepalive)
        options = [
            *OPTIONS,
            ("grpc.keepalive_time_ms", silent),
            ("grpc.keepalive_timeout_ms", patience),
            ("grpc.http2.ping_timeout_ms", patience),  # else a minute, whatever the other says
        ]
        if server_name:
            options.append(("grpc.ssl_target_name_override", server_name))
        self.target = target
        self._metadata = dict(metadata or {})
        self._channel = (
            grpc.aio.insecure_channel(target, options=options)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, options=options)
        )
        self._calls: dict[str, Any] = {}

    async def unary(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
    ) -> Any:
        try:
            return await self._callable(method)(request, timeout=timeout, metadata=self._merged(metadata))
        except grpc.aio.AioRpcError as error:
            raise _from_grpc(error) from None

    async def stream(
        self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None = None
    ) -> AsyncIterator[Any]:
        call = self._callable(method)(request, metadata=self._merged(metadata))
        try:
            if not method.server_streaming:
                yield await call
                return
            async for reply in call:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise _from_grpc(error) from None
        finally:
            call.cancel()
            # Of a call that has ended grpc cancels nothing: whoever makes its requests would wait for ever.
            poller = getattr(call, "_async_request_poller", None)
            if poller is not None:
                poller.cancel()

    async def close(self) -> None:
        await self._channel.close()

    def _callable(self, method: Method) -> Any:
        found = self._calls.get(method.path)
        if found is None:
            kind = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
            found = getattr(self._channel, "_".join(kind))(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.reply.FromString,
            )
            self._calls[method.path] = found
        return found

    def _merged(self, metadata: Mapping[str, str | bytes] | None) -> Any:
        merged = {**self._metadata, **(metadata or {})}
        return tuple(merged.items()) or None


def _from_grpc(error: grpc.aio.AioRpcError) -> RpcError:
    trailers = dict(error.trailing_metadata() or ())
    return RpcError(Code(error.code().value[0]), error.details() or "", trailers=trailers)
