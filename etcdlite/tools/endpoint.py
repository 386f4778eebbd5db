"""A running store, as the tools reach it: etcdctl's flags and environment."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from etcdlite.tools.failure import ToolError
from machinery.rpc import Stub
from protos.pool import messages

if TYPE_CHECKING:
    from machinery.rpc.grpc_channel import GrpcChannel

_GRPC = "failed to connect to all addresses; last error: "
DEFAULT = "127.0.0.1:2379"
_REASONS = (
    ("Connection refused", "connection refused; is it running there?"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is of no authority in --cacert"),
    ("WRONG_VERSION_NUMBER", "it speaks no TLS; is it http://...?"),
    ("Socket closed", "it closed the connection; is it https://..., or does it want --cert and --key?"),
    ("errors resolving ", "its host is not known"),
    ("No such file or directory", "there is no such socket; is it running there?"),
    ("Connection reset", "it closed the connection; is it https://..., or does it want --cert and --key?"),
)
"""What gRPC says, and what is wrong then."""


def add_flags(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """The flags that say where a store is and who asks. optional: there is another way than a running store."""
    variables = os.environ
    group = parser.add_argument_group("a running store (each flag also from the environment, as ETCDCTL_NAME)")
    group.add_argument(
        "--endpoints",
        metavar="URL",
        default=variables.get("ETCDCTL_ENDPOINTS", None if optional else DEFAULT),
        help=f"where it listens: HOST:PORT, http://..., https://... or unix://PATH (default {DEFAULT})",
    )
    for name, help in (
        ("cacert", "authorities of its certificate (PEM)"),
        ("cert", "client certificate (PEM)"),
        ("key", "its key (PEM)"),
    ):
        group.add_argument(f"--{name}", metavar="FILE", default=variables.get(f"ETCDCTL_{name.upper()}", ""), help=help)
    group.add_argument("--user", metavar="NAME[:PASSWORD]", default=variables.get("ETCDCTL_USER", ""), help="who asks")
    group.add_argument("--password", default=variables.get("ETCDCTL_PASSWORD", ""), help="unless --user has it")
    group.add_argument(
        "--command-timeout", metavar="SECONDS", type=_seconds, default=20.0, help="of one call (default 20)"
    )


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


@contextlib.asynccontextmanager
async def connected(arguments: argparse.Namespace) -> AsyncIterator[GrpcChannel]:
    """A channel to the endpoint. Raises ToolError, TlsError, RpcError."""
    from machinery.rpc.grpc_channel import GrpcChannel

    endpoint = arguments.endpoints or DEFAULT
    if "," in endpoint:
        raise ToolError(f"--endpoints: one store at a time, not {endpoint}")
    target, secure = address(endpoint)
    channel = GrpcChannel(target, credentials=_credentials(arguments) if secure or arguments.cacert else None)
    try:
        if not arguments.user:
            yield channel
            return
        token = await _token(channel, arguments)
        known = GrpcChannel(
            target,
            credentials=_credentials(arguments) if secure or arguments.cacert else None,
            metadata={"token": token},
        )
        try:
            yield known
        finally:
            await known.close()
    finally:
        await channel.close()


def unreachable(endpoint: str, said: str) -> str:
    """Why a call did not come through, in words. said: gRPC's."""
    reason = next((text for sign, text in _REASONS if sign in said), said.removeprefix(_GRPC))
    return f"{endpoint}: cannot be reached: {reason}"


def address(endpoint: str) -> tuple[str, bool]:
    """gRPC's target, and whether it speaks TLS. Raises ToolError."""
    if endpoint.startswith("unix:/") and "://" not in endpoint:
        return endpoint, False
    parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if parts.scheme in ("unix", "unixs"):
        return f"unix:{parts.netloc}{parts.path}", parts.scheme == "unixs"
    if parts.scheme not in ("http", "https") or not _host_and_port(parts):
        raise ToolError(f"--endpoints: {endpoint!r} is not HOST:PORT, http://..., https://... or unix://PATH")
    return parts.netloc, parts.scheme == "https"


def _host_and_port(parts: SplitResult) -> bool:
    try:
        return bool(parts.hostname and parts.port)
    except ValueError:
        return False  # a port that is none


def _credentials(arguments: argparse.Namespace) -> object:
    from machinery.pki.tls import TlsFiles, channel_credentials

    files = (Path(name) if name else None for name in (arguments.cert, arguments.key, arguments.cacert))
    return channel_credentials(TlsFiles(*files).read())


async def _token(channel: GrpcChannel, arguments: argparse.Namespace) -> str:
    name, colon, password = arguments.user.partition(":")
    password = password if colon else arguments.password
    if not password:
        if not sys.stdin.isatty():
            raise ToolError("--user: the password is missing; give NAME:PASSWORD or --password")
        password = getpass.getpass()
    request = messages("etcdserverpb").AuthenticateRequest(name=name, password=password)
    reply = await Stub(channel, "etcdserverpb.Auth").Authenticate(request, timeout=arguments.command_timeout)
    return str(reply.token)
