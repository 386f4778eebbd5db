"""`Stub(channel, "etcdserverpb.KV").Range(request)`: a service's RPCs as methods, over any channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from machinery.rpc.api import Channel
from protos.pool import Method, service


class Stub:
    """The client side of one service.

    Unary RPCs are awaited (`await stub.Get(request, timeout=5.0)`), streaming RPCs are iterated
    (`async for reply in stub.Watch(request_or_request_iterator)`). Raises AttributeError for an unknown RPC.
    """

    def __init__(self, channel: Channel, full_name: str) -> None:
        self._channel = channel
        self._methods = service(full_name)
        self._full_name = full_name

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = self._methods.get(name)
        if method is None:
            raise AttributeError(f"service {self._full_name} has no RPC {name}")
        streaming = method.server_streaming or method.client_streaming
        call = _stream(self._channel, method) if streaming else _unary(self._channel, method)
        setattr(self, name, call)
        return call


def _unary(channel: Channel, method: Method) -> Callable[..., Awaitable[Any]]:
    def call(
        request: Any, *, timeout: float | None = None, metadata: Mapping[str, str | bytes] | None = None
    ) -> Awaitable[Any]:
        return channel.unary(method, request, timeout=timeout, metadata=metadata)

    return call


def _stream(channel: Channel, method: Method) -> Callable[..., AsyncIterator[Any]]:
    def call(request: Any, *, metadata: Mapping[str, str | bytes] | None = None) -> AsyncIterator[Any]:
        return channel.stream(method, request, metadata=metadata)

    return call
