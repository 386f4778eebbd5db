"""From a kubeconfig's target to a gRPC channel."""

from __future__ import annotations

import urllib.parse

from actors import Clock
from machinery.client.kubeconfig import GRPC_EXTENSION, KubeConfigError
from machinery.client.target import Target
from machinery.pki.tls import TlsError, TlsFiles, channel_credentials
from machinery.rpc.api import Channel
from machinery.rpc.renewing import RenewingChannel


def dial(target: Target, *, address: str = "", clock: Clock | None = None) -> Channel:
    """A channel that shows the target's certificate, or else its token. It connects when it is first used.

    address: `host:port` in place of the target's. clock: for a process that stays; it sees certificate files renewed.
    Raises KubeConfigError for a target without a gRPC address, or with a certificate that cannot be used."""
    from machinery.rpc.grpc_channel import GrpcChannel  # 100 ms, needed only here

    where = address or _address(target)
    metadata = {"authorization": f"Bearer {target.token}"} if target.token and not target.certificate else {}
    if not target.ca:
        return GrpcChannel(where, metadata=metadata)

    def connect(now: Target) -> Channel:
        credentials = channel_credentials(now.identity())
        return GrpcChannel(where, credentials=credentials, server_name=target.server_name, metadata=metadata)

    try:
        if clock is None or target.files == TlsFiles():
            return connect(target)
        return RenewingChannel(lambda: connect(target.renewed()), target.files.version, clock=clock)
    except TlsError as error:
        raise KubeConfigError(str(error)) from None


def check_dialable(target: Target) -> None:
    """Raise KubeConfigError, as `dial` would, before there is a loop to dial on."""
    _address(target)
    try:
        target.identity()
    except TlsError as error:
        raise KubeConfigError(str(error)) from None


def _address(target: Target) -> str:
    where = target.grpc if target.certificate else target.grpc_tokens
    if not where:
        host = urllib.parse.urlsplit(target.server).netloc or target.server
        raise KubeConfigError(f"{host} has no gRPC address ({GRPC_EXTENSION}): it was not made by pilot")
    return where
