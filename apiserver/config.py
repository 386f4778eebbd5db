"""The settings of one API server, named after kube-apiserver's flags where it has them."""

from __future__ import annotations

from dataclasses import dataclass, field

from apiserver.auth.config import AuthConfig
from apiserver.storage.keys import DEFAULT_PREFIX


@dataclass(frozen=True, slots=True)
class Config:
    """An API server without addresses serves in process only."""

    bind_address: str = ""
    """Address that REST is served on over TLS; "" serves no REST."""

    secure_port: int = 6443
    """TCP port of REST; 0 lets the system choose (see `ApiServer.rest_port`)."""

    grpc_address: str = ""
    """`host:port` (port 0: any free one) or `unix:/path` that gRPC is served on; "" serves no gRPC on a socket.
    With `client_ca` every client must show a certificate."""

    grpc_token_address: str = ""
    """As `grpc_address`, for clients that have a bearer token and no certificate (a node that joins)."""

    tls_cert: bytes = b""
    """PEM serving certificate with its chain, for both listeners. b"" serves plain text."""

    tls_key: bytes = b""
    """PEM private key of the serving certificate."""

    client_ca: bytes = b""
    """PEM authorities whose client certificates are identities. b"": certificates are not asked for."""

    auth: AuthConfig = field(default_factory=AuthConfig)
    """Tokens, anonymous requests, and whether rights are checked."""

    service_cluster_ip_range: str = "10.96.0.0/16"
    """The network of services' cluster IPs; its first address is that of the `kubernetes` service."""

    service_node_port_range: tuple[int, int] = (30000, 32767)
    """The ports that nodes open for services, both ends included."""

    advertise_address: str = ""
    """The IP address of this server's REST listener as nodes reach it, for the endpoints of the `kubernetes` service.
    "": the bind address when it is a plain one; none is published while that is unknown."""

    event_ttl: float = 3600.0
    """Seconds that an event is kept after it was last written; 0 keeps it until somebody deletes it."""

    etcd_prefix: str = DEFAULT_PREFIX
    """What the keys of this cluster begin with in the store."""

    etcd_compaction_interval: float = 300.0
    """Seconds of history that the store keeps; 0 leaves compaction to others."""

    admission_plugins_off: frozenset[str] = frozenset()
    """Names of admission plugins that do not run (see `admission.registry.PLUGINS`)."""

    seed: int | None = None
    """Seeds generated names and uids, for tests that compare runs; None is different every time."""
