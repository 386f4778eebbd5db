"""Where a gRPC client connects and what it shows: one context of a kubeconfig, for the components' processes."""

from __future__ import annotations

from dataclasses import dataclass, field

from machinery.client import kubeconfig
from machinery.client.kubeconfig import KubeConfig, KubeConfigError
from machinery.rpc.api import Channel


@dataclass(frozen=True, slots=True)
class GrpcTarget:
    """A cluster's gRPC address as somebody. PEM values are bytes, b"" when there is none.

    server_name: the name that the server's certificate must have, "" for the address's host.
    """

    address: str
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    server_name: str = ""

    def channel(self) -> Channel:
        """A new channel, over TLS when there is an authority. Must be made inside the event loop that uses it."""
        import grpc

        from machinery.rpc.grpc_channel import GrpcChannel

        credentials = (
            grpc.ssl_channel_credentials(self.ca, self.key or None, self.certificate or None) if self.ca else None
        )
        metadata = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return GrpcChannel(self.address, credentials=credentials, server_name=self.server_name, metadata=metadata)


def grpc_target(config: KubeConfig, context: str | None = None) -> GrpcTarget:
    """What a context (default: the current one) says. Raises KubeConfigError for what is missing or unreadable."""
    chosen = config.context(context)
    cluster = config.cluster(str(chosen.body.get("cluster") or ""))
    user = config.user(str(chosen.body.get("user") or ""))
    extension = kubeconfig.extension(cluster.body, kubeconfig.GRPC_EXTENSION) or {}
    if not extension.get("address"):
        raise KubeConfigError(
            f'cluster "{cluster.name}" names no gRPC address (extension {kubeconfig.GRPC_EXTENSION}): '
            "it was not made by pilot"
        )
    return GrpcTarget(
        address=str(extension["address"]),
        ca=kubeconfig.data(cluster, "certificate-authority"),
        certificate=kubeconfig.data(user, "client-certificate"),
        key=kubeconfig.data(user, "client-key"),
        token=str(user.body.get("token") or ""),
        server_name=str(cluster.body.get("tls-server-name") or ""),
    )
