"""Serves service implementations over gRPC sockets: one supervised actor per set of listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from actors import Actor
from machinery.rpc.api import Call, Code, Peer, RpcError
from machinery.rpc.grpc_channel import MAX_MESSAGE_BYTES
from machinery.rpc.local import surprise
from protos.pool import Method, service

OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

log = logging.getLogger(__name__)


class GrpcServer(Actor):
    """Listens on `addresses` ("host:port", port 0 for any free one, or "unix:/path") and serves `services`.

    credentials: `grpc.ServerCredentials`; None serves plain text.
    bound: called with the addresses in use, ports filled in, once the server accepts calls.
    grace: seconds that calls in flight get when the server stops.
    """

    def __init__(
        self,
        services: Mapping[str, object],
        addresses: Sequence[str],
        *,
        credentials: Any = None,
        bound: Callable[[Sequence[str]], None] = lambda addresses: None,
        grace: float = 0.5,
    ) -> None:
        self._services = services
        self._addresses = addresses
        self._credentials = credentials
        self._bound = bound
        self._grace = grace
        self._server: Any = None

    async def setup(self) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        for name, implementation in self._services.items():
            self._server.add_generic_rpc_handlers((_handlers(name, implementation),))
        bound = [self._listen(address) for address in self._addresses]
        await self._server.start()
        self._bound(bound)

    async def handle(self, message: object) -> None:
        raise TypeError(f"a gRPC server takes no messages, got {message!r}")

    async def teardown(self) -> None:
        if self._server is not None:
            await self._server.stop(self._grace)

    def _listen(self, address: str) -> str:
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            reason = str(error).partition("; set GRPC_VERBOSITY")[0]
            raise OSError(f"cannot listen on {address}: {reason}") from None
        if address.startswith("unix:"):
            return address
        return f"{address.rpartition(':')[0]}:{port}"


def _handlers(name: str, implementation: object) -> Any:
    table = {
        method.name: _handler(method, getattr(implementation, method.name))
        for method in service(name).values()
        if hasattr(implementation, method.name)
    }
    return grpc.method_handlers_generic_handler(name, table)


def _handler(method: Method, function: Any) -> Any:
    kind = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
    make = getattr(grpc, f"{'_'.join(kind)}_rpc_method_handler")
    serve = _serve_stream(method, function) if method.server_streaming else _serve_unary(method, function)
    # Requests are decoded here: gRPC would tell a client of a malformed one with the name of a Python exception.
    return make(serve, response_serializer=method.reply.SerializeToString)


def _decode(method: Method, data: bytes) -> Any:
    """The request. Raises RpcError INTERNAL for bytes that are none, as gRPC servers do in every language."""
    try:
        return method.request.FromString(data)
    except DecodeError as error:
        raise RpcError(Code.INTERNAL, f"grpc: failed to unmarshal the received message: {error}") from None


async def _decode_each(method: Method, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for data in requests:
        yield _decode(method, data)


def _serve_unary(method: Method, function: Any) -> Any:
    async def serve(request: Any, context: Any) -> Any:
        try:
            decoded = _decode_each(method, request) if method.client_streaming else _decode(method, request)
            return await function(decoded, _call(context))
        except (RpcError, asyncio.CancelledError) as error:
            await _abort(context, error)
        except Exception as error:
            await _abort(context, surprise(method, error))

    return serve


def _serve_stream(method: Method, function: Any) -> Any:
    async def serve(request: Any, context: Any) -> AsyncIterator[Any]:
        replies = None
        try:
            decoded = _decode_each(method, request) if method.client_streaming else _decode(method, request)
            replies = function(decoded, _call(context))
            async for reply in replies:
                yield reply
        except (RpcError, asyncio.CancelledError) as error:
            await _abort(context, error)
        except Exception as error:
            await _abort(context, surprise(method, error))
        finally:
            if replies is not None:
                await replies.aclose()

    return serve


async def _abort(context: Any, error: BaseException) -> None:
    if not isinstance(error, RpcError):
        raise error
    code = next(code for code in grpc.StatusCode if code.value[0] == error.code)
    if error.code is Code.OK:
        code = grpc.StatusCode.UNKNOWN
    await context.abort(code, error.message, tuple(error.trailers.items()))


def _call(context: Any) -> Call:
    metadata = dict(context.invocation_metadata() or ())
    return Call(peer=_peer(context), metadata=metadata, address=context.peer())


def _peer(context: Any) -> Peer | None:
    """The subject of the verified client certificate. gRPC verifies the chain; the subject is read from the PEM."""
    pem = context.auth_context().get("x509_pem_cert")
    if not pem:
        return None
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_pem_x509_certificate(pem[0]).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    organizations = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return Peer(
        common_name=str(names[0].value) if names else "",
        organizations=tuple(str(organization.value) for organization in organizations),
    )
