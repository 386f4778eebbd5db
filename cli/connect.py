"""From a kubeconfig context to a gRPC channel."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

from cli.errors import CliError
from cli.flags import Parsed
from machinery.client import kubeconfig
from machinery.client.kubeconfig import Entry, KubeConfig, KubeConfigError

if TYPE_CHECKING:
    from machinery.rpc.api import Channel

NO_CONTEXT = (
    "Start a cluster with 'pilot up', choose a context with 'pilot config use-context NAME', "
    "or name a file with --kubeconfig."
)


def connect(config: KubeConfig, flags: Parsed) -> Channel:
    """A channel to the gRPC API of the chosen context, with its credentials. Raises CliError saying what is missing."""
    try:
        context = config.context(flags["context"] or None)
        cluster = config.cluster(flags["cluster"] or str(context.body.get("cluster", "")))
        user_name = flags["user"] or str(context.body.get("user", ""))
        user = config.user(user_name) if user_name else None
        return _channel(cluster, user, flags)
    except KubeConfigError as error:
        raise CliError(str(error), hint=NO_CONTEXT) from None


def _channel(cluster: Entry, user: Entry | None, flags: Parsed) -> Channel:
    import grpc

    from machinery.rpc.grpc_channel import GrpcChannel

    token = flags["token"] or (_token(user) if user else "")
    metadata = {"authorization": f"Bearer {token}"} if token else {}
    # a certificate would win over the token that was asked for
    certificate = kubeconfig.data(user, "client-certificate") if user and not token else b""
    key = kubeconfig.data(user, "client-key") if user and not token else b""
    target = flags["server"] or _address(cluster, "address" if certificate else "tokenAddress")
    ca = kubeconfig.data(cluster, "certificate-authority")
    if not ca:
        return GrpcChannel(target, metadata=metadata)
    credentials = grpc.ssl_channel_credentials(ca, key or None, certificate or None)
    return GrpcChannel(
        target, credentials=credentials, server_name=str(cluster.body.get("tls-server-name") or ""), metadata=metadata
    )


def _address(cluster: Entry, field: str) -> str:
    extension = kubeconfig.extension(cluster.body, kubeconfig.GRPC_EXTENSION)
    if extension and extension.get(field):
        return str(extension[field])
    server = urllib.parse.urlsplit(str(cluster.body.get("server", ""))).netloc or "?"
    raise CliError(
        f'cluster "{cluster.name}" ({server}) has no gRPC address: it was not made by pilot',
        hint=f"Use kubectl for it, or set --server HOST:PORT (extension {kubeconfig.GRPC_EXTENSION} of the cluster).",
    )


def _token(user: Entry) -> str:
    if user.body.get("token"):
        return str(user.body["token"])
    if user.body.get("tokenFile"):
        try:
            return (user.path.parent / str(user.body["tokenFile"])).read_text().strip()
        except OSError as error:
            raise KubeConfigError(f'cannot read tokenFile of user "{user.name}": {error.strerror}') from None
    return ""
