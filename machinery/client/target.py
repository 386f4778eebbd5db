"""Where a client connects and what it shows: one context of a kubeconfig, its files read and data decoded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from machinery.client.kubeconfig import GRPC_EXTENSION, Entry, KubeConfig, KubeConfigError, data, extension, file
from machinery.pki.tls import Identity, TlsFiles


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster as somebody. PEM values are bytes, b"" when there is none.

    server: the base URL of REST. server_name: the name that its certificate must have, "" for the URL's host.
    grpc, grpc_tokens: `host:port` of the gRPC API for clients with a certificate, and for those with only a token;
        "" in a kubeconfig that pilot did not make. units: where controllers are steered, "" for the gRPC address.
    impersonate, impersonate_groups: `as` and `as-groups` of the user's entry.
    files: where certificate, key and ca were read from, for who runs long enough to see them renewed.
    """

    server: str
    grpc: str = ""
    grpc_tokens: str = ""
    units: str = ""
    namespace: str = ""
    ca: bytes = b""
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    impersonate: str = ""
    impersonate_groups: tuple[str, ...] = ()
    files: TlsFiles = field(default_factory=TlsFiles)

    def identity(self) -> Identity:
        """What to show and whom to trust. Raises TlsError for a certificate and a key that are no pair."""
        return Identity(self.certificate, self.key, self.ca).checked()

    def renewed(self) -> Target:
        """The same with what the files hold now. Raises TlsError for a file that cannot be read."""
        now = self.files.read()
        return replace(self, certificate=now.cert or self.certificate, key=now.key or self.key, ca=now.ca or self.ca)


def target(config: KubeConfig, context: str | None = None, *, cluster_name: str = "", user_name: str = "") -> Target:
    """What a context (default: the current one) says; its cluster and user may be replaced by others of the file.

    Raises KubeConfigError for what is missing or cannot be read, and for credentials of a kind that we do not have."""
    chosen = config.context(context)
    cluster = config.cluster(cluster_name or str(chosen.body.get("cluster") or ""))
    addresses = extension(cluster.body, GRPC_EXTENSION) or {}
    user_name = user_name or str(chosen.body.get("user") or "")
    user = config.user(user_name) if user_name else Entry("", {}, chosen.path)
    for plug_in in ("exec", "auth-provider"):
        if user.body.get(plug_in):
            raise KubeConfigError(
                f'user "{user.name}" gets its credentials from a plug-in ({plug_in}), which is not supported: '
                "give it a token or a client certificate"
            )
    return Target(
        server=str(cluster.body.get("server") or ""),
        grpc=str(addresses.get("address") or ""),
        grpc_tokens=str(addresses.get("tokenAddress") or ""),
        units=str(addresses.get("unitsAddress") or ""),
        namespace=str(chosen.body.get("namespace") or ""),
        ca=data(cluster, "certificate-authority"),
        insecure=bool(cluster.body.get("insecure-skip-tls-verify")),
        server_name=str(cluster.body.get("tls-server-name") or ""),
        proxy=str(cluster.body.get("proxy-url") or ""),
        certificate=data(user, "client-certificate"),
        key=data(user, "client-key"),
        token=_token(user),
        impersonate=str(user.body.get("as") or ""),
        impersonate_groups=tuple(user.body.get("as-groups") or ()),
        files=TlsFiles(
            cert=file(user, "client-certificate"),
            key=file(user, "client-key"),
            ca=file(cluster, "certificate-authority"),
        ),
    )


def _token(user: Entry) -> str:
    """`token`, else what `tokenFile` holds; as in client-go the file wins when both are there."""
    if not user.body.get("tokenFile"):
        return str(user.body.get("token") or "")
    file = user.path.parent / str(user.body["tokenFile"])
    try:
        return file.read_text().strip()
    except OSError as error:
        raise KubeConfigError(f'unable to read tokenFile {file} for "{user.name}": {error.strerror}') from None
