"""The header fields of a request: which call it is, and who makes it (gRPC over HTTP/2, "Requests")."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from machinery.rpc.api import Call, Code, Peer, RpcError
from machinery.rpc.counts import CallCounts
from machinery.rpc.http2.hpack import Field
from protos.pool import Method

_PRIVATE = frozenset((b"te", b"content-type", b"grpc-encoding", b"grpc-timeout", b"grpc-accept-encoding"))
"""Fields that belong to the protocol, not to the call's metadata."""


class NotGrpc(ValueError):
    """A well-formed request of something else; status is the HTTP status to answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Malformed(ValueError):
    """Not a request at all."""


@dataclass(frozen=True, slots=True)
class Handler:
    """An RPC, the function that serves it, and what is counted of it."""

    method: Method
    function: Any
    counts: CallCounts = field(default_factory=CallCounts)


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's fields say. handler: None when there is no such RPC, `refusal` says why. encoding: of the
    messages that are marked as compressed."""

    call: Call
    handler: Handler | None
    refusal: RpcError | None
    encoding: str


def parse(fields: Iterable[Field], handlers: Mapping[str, Handler], *, peer: Peer | None, address: str) -> Head:
    """Raises NotGrpc, Malformed."""
    pseudo: dict[bytes, bytes] = {}
    private: dict[bytes, bytes] = {}
    metadata: dict[str, str | bytes] = {}
    for name, value in fields:
        if name.startswith(b":"):
            if metadata or private or name in pseudo:
                raise Malformed
            pseudo[name] = value
        elif name in _PRIVATE:
            private[name] = value
        elif name != name.lower():
            raise Malformed
        else:
            key = name.decode("ascii", "replace")
            metadata[key] = _binary(value) if key.endswith("-bin") else value.decode("utf-8", "replace")
    if b":path" not in pseudo or b":method" not in pseudo or b":scheme" not in pseudo:
        raise Malformed
    if pseudo[b":method"] != b"POST":
        raise NotGrpc(405)
    if not private.get(b"content-type", b"").startswith(b"application/grpc"):
        raise NotGrpc(415)
    path = pseudo[b":path"].decode("utf-8", "replace")
    handler = handlers.get(path)
    refusal = None
    if handler is None:
        refusal = RpcError(Code.UNIMPLEMENTED, _unknown(path, handlers))
    call = Call(peer=peer, metadata=metadata, address=address)
    return Head(call, handler, refusal, private.get(b"grpc-encoding", b"identity").decode("ascii", "replace"))


def peer_of(certificate: Mapping[str, Any] | None) -> Peer | None:
    """Whose certificate it is, as `ssl` tells of one that it verified; None without one."""
    if not certificate:
        return None
    names = [pair for relative in certificate.get("subject", ()) for pair in relative]
    return Peer(
        common_name=next((value for name, value in names if name == "commonName"), ""),
        organizations=tuple(value for name, value in names if name == "organizationName"),
    )


def address_of(name: Any) -> str:
    """A socket's peer as gRPC writes it: `ipv4:HOST:PORT`, `ipv6:[HOST]:PORT`, `unix:PATH`."""
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
    return "unix:" + (name if isinstance(name, str) else "")


def _unknown(path: str, handlers: Mapping[str, Handler]) -> str:
    service, _, method = path[1:].rpartition("/")
    if any(known.startswith(f"/{service}/") for known in handlers):
        return f"unknown method {method} for service {service}"
    return f"unknown service {service}"


def _binary(value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        raise Malformed from None
