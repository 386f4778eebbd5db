"""What a gRPC call is to our code, whichever transport carries it.

A *service implementation* is any object whose methods are named as the service's RPCs:

    async def Range(self, request, call): ...            # unary: returns the reply
    async def Snapshot(self, request, call): yield ...   # server streaming: an async generator
    async def Watch(self, requests, call): yield ...     # bidirectional: an async generator over an async iterator

A reply is a message, or `Encoded`; a stream may give `EncodedMany` at once.

A *channel* reaches implementations: over a socket (`grpc_channel.GrpcChannel`) or in this process
(`local.LocalChannel`). Both raise the same `RpcError`. Messages travel unserialized in process, so nobody changes a
message that it received or after it sent it.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from protos.pool import Method

MAX_MESSAGE_BYTES = 512 * 1024 * 1024
"""Largest message of either direction: etcd and the apiserver both speak of objects of up to 1.5 MiB and lists of many,
for which gRPC's default of 4 MiB is too small."""


class Code(enum.IntEnum):
    """gRPC status codes, with gRPC's numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """A call that ended with a status other than OK, on the server's side and on the client's alike.

    `trailers` is the trailing metadata: names in lower case, bytes under names that end in `-bin`, else str.
    """

    def __init__(self, code: Code, message: str, *, trailers: Mapping[str, str | bytes] | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.trailers: Mapping[str, str | bytes] = trailers or {}

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class Encoded:
    """A reply that its service made as bytes: `wire` is the encoded message of class `kind`.

    A socket sends the bytes as they are; in process the caller gets the message, decoded from them. For replies that
    are joined from bytes which were encoded long before, such as a list of stored values."""

    __slots__ = ("kind", "wire")

    def __init__(self, kind: Any, wire: bytes) -> None:
        self.kind = kind
        self.wire = wire

    def message(self) -> Any:
        """The message that the bytes are of."""
        return self.kind.FromString(self.wire)


class EncodedMany:
    """Several replies of a stream that go out together, as `Encoded` each."""

    __slots__ = ("kind", "wires")

    def __init__(self, kind: Any, wires: Sequence[bytes]) -> None:
        self.kind = kind
        self.wires = wires


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the transport proved it: the subject of a verified client certificate, or what the
    composition said when it made an in-process channel. A transport that proved nothing has no Peer."""

    common_name: str
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """The circumstances of one call."""

    peer: Peer | None = None
    metadata: Mapping[str, str | bytes] = field(default_factory=dict)
    address: str = ""
    """The peer's network address; "" in process."""


class Channel(Protocol):
    """A way to call services."""

    async def unary(
        self, method: Method, request: Any, *, timeout: float | None, metadata: Mapping[str, str | bytes] | None
    ) -> Any:
        """One request, one reply. Raises RpcError; DEADLINE_EXCEEDED after `timeout` seconds (None: no limit)."""

    def stream(self, method: Method, request: Any, *, metadata: Mapping[str, str | bytes] | None) -> AsyncIterator[Any]:
        """Replies as they come; `request` is one message, or an async iterator of them for a client-streaming RPC.

        Raises RpcError from the iteration. Ending the iteration early (`aclose`, or cancelling the task that
        iterates) cancels the call."""

    async def close(self) -> None:
        """End the channel and every call on it."""
