"""From a kubeconfig's target to a gRPC channel."""

from __future__ import annotations

import urllib.parse

from machinery.client.kubeconfig import GRPC_EXTENSION, KubeConfigError
from machinery.client.target import Target
from machinery.rpc.api import Channel


def dial(target: Target, *, address: str = "") -> Channel:
    """A channel that shows the target's certificate, or else its token. It connects when it is first used.

    address: `host:port` in place of the target's. Raises KubeConfigError for a target without a gRPC address."""
    import grpc  # 100 ms, needed only here

    from machinery.rpc.grpc_channel import GrpcChannel

    certified = bool(target.certificate)
    where = address or _address(target)
    metadata = {"authorization": f"Bearer {target.token}"} if target.token and not certified else {}
    if not target.ca:
        return GrpcChannel(where, metadata=metadata)
    credentials = grpc.ssl_channel_credentials(target.ca, target.key or None, target.certificate or None)
    return GrpcChannel(where, credentials=credentials, server_name=target.server_name, metadata=metadata)


def check_dialable(target: Target) -> None:
    """Raise KubeConfigError, as `dial` would, before there is a loop to dial on."""
    _address(target)


def _address(target: Target) -> str:
    where = target.grpc if target.certificate else target.grpc_tokens
    if not where:
        host = urllib.parse.urlsplit(target.server).netloc or target.server
        raise KubeConfigError(f"{host} has no gRPC address ({GRPC_EXTENSION}): it was not made by pilot")
    return where
