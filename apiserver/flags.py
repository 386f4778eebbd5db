"""The flags of an apiserver process, and the Config that they make. Names follow kube-apiserver's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apiserver.auth.config import DEFAULT_ISSUER, AuthConfig
from apiserver.config import Config
from apiserver.storage.keys import root_of
from apiserver.storage.servers import EtcdServers
from machinery.pki.tls import TlsFiles
from machinery.process.settings import setting

_DEFAULTS = Config()


@dataclass(frozen=True, slots=True)
class Flags:
    """See each field's help."""

    bind_address: str = setting("0.0.0.0", help="Address that REST is served on.")
    secure_port: int = setting(_DEFAULTS.secure_port, help="TCP port of REST.")
    grpc_address: str = setting("", help="HOST:PORT or unix:/PATH of gRPC; not served by default.")
    grpc_token_address: str = setting("", help="The same for clients with a token and no certificate.")
    advertise_address: str = setting("", help="IP address of this server as nodes reach it.")
    tls_cert_file: Path | None = setting(None, help="Serving certificate with its chain, PEM.")
    tls_private_key_file: Path | None = setting(None, help="Its private key, PEM.")
    client_ca_file: Path | None = setting(None, help="Authorities whose client certificates are identities.")
    service_account_signing_key_file: Path | None = setting(None, help="Private key that signs tokens.")
    service_account_key_file: tuple[Path, ...] = setting((), help="More keys whose tokens are accepted.")
    service_account_issuer: str = setting(DEFAULT_ISSUER, help="Issuer of the tokens that are signed here.")
    api_audiences: tuple[str, ...] = setting((), help="Audiences of accepted tokens; by default the issuer.")
    anonymous_auth: bool = setting(True, help="Let requests without credentials go on as system:anonymous.")
    service_cluster_ip_range: str = setting(_DEFAULTS.service_cluster_ip_range, help="Network of cluster IPs.")
    service_node_port_range: str = setting("30000-32767", help="Ports that nodes open for services.")
    event_ttl: float = setting(_DEFAULTS.event_ttl, help="How long events are kept; 0 for ever.", unit="s")
    disable_admission_plugins: tuple[str, ...] = setting((), help="Admission plugins that do not run.")
    etcd_servers: str = setting("http://127.0.0.1:2379", help="URLs of the store, comma-separated.")
    etcd_cafile: Path | None = setting(None, help="Authority of the store's certificates.")
    etcd_certfile: Path | None = setting(None, help="Certificate to show to the store.")
    etcd_keyfile: Path | None = setting(None, help="Its private key.")
    etcd_prefix: str = setting(_DEFAULTS.etcd_prefix, help="What the keys begin with in the store.")
    etcd_compaction_interval: float = setting(
        _DEFAULTS.etcd_compaction_interval,
        help="History that the store keeps; 0 leaves compaction to others.",
        unit="s",
    )
    log_level: str = setting("info", help="debug, info, warning or error, also by logger: info,apiserver=debug.")

    def config(self) -> Config:
        """The settings, files read. Raises OSError for a file that cannot be read, ValueError for a bad value."""
        low, _, high = self.service_node_port_range.partition("-")
        return Config(
            bind_address=self.bind_address,
            secure_port=self.secure_port,
            grpc_address=self.grpc_address,
            grpc_token_address=self.grpc_token_address,
            tls_cert=_read(self.tls_cert_file),
            tls_key=_read(self.tls_private_key_file),
            client_ca=_read(self.client_ca_file),
            auth=AuthConfig(
                service_account_issuer=self.service_account_issuer,
                service_account_key=_read(self.service_account_signing_key_file),
                service_account_verification_keys=tuple(_read(path) for path in self.service_account_key_file),
                api_audiences=self.api_audiences,
                anonymous=self.anonymous_auth,
            ),
            service_cluster_ip_range=self.service_cluster_ip_range,
            service_node_port_range=(int(low), int(high)),
            advertise_address=self.advertise_address,
            event_ttl=self.event_ttl,
            etcd_prefix=root_of(self.etcd_prefix).decode(),
            etcd_compaction_interval=self.etcd_compaction_interval,
            admission_plugins_off=frozenset(self.disable_admission_plugins),
        )

    def store(self) -> EtcdServers:
        """The store. Raises ValueError."""
        files = TlsFiles(cert=self.etcd_certfile, key=self.etcd_keyfile, ca=self.etcd_cafile)
        return EtcdServers.parse(self.etcd_servers, files)


def _read(path: Path | None) -> bytes:
    return path.read_bytes() if path is not None else b""
