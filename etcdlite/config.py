"""Settings of one store, named after etcd's flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from machinery.process.settings import setting

MIB = 1024 * 1024
MESSAGE_OVERHEAD = 512 * 1024
"""Bytes over the largest write that a message may have, and at which responses to watches are split; as in etcd."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the store can be told. The defaults are etcd's where it has one."""

    name: str = "default"
    """The member's name."""
    data_dir: str | None = None
    """Directory of the database, made where it is missing. Without one everything is in memory, and gone at the end."""
    listen_client_urls: tuple[str, ...] = setting(
        (),
        help="Where gRPC is served: http://HOST:PORT, https://HOST:PORT, unix://PATH or unixs://PATH; port 0 for a "
        "free one.",
        shown="http://127.0.0.1:2379",
    )
    """Without one in a Config, `services()` alone reaches the store."""
    advertise_client_urls: tuple[str, ...] = setting(
        (), help="What the member list tells clients.", shown="where it listens"
    )
    listen_metrics_urls: tuple[str, ...] = ()
    """More addresses for /metrics, /health, /livez, /readyz and /version, over HTTP alone: `http://HOST:PORT`, or
    `https://HOST:PORT` with the certificate of the client URLs. The client URLs serve them as well."""
    metrics: Literal["basic", "extensive"] = "basic"
    """`extensive` adds how long gRPC calls take, by method."""
    unsafe_no_fsync: bool = False
    """Do not wait for the disk. A crash of the machine, not one of the process, may then lose what was acknowledged or
    the whole file."""
    log_level: Literal["debug", "info", "warn", "error", "panic", "fatal"] = "info"
    """From which level on to log; `panic` and `fatal` say nothing short of the end."""
    log_format: Literal["console", "json"] = "console"
    """A line of text per record, or a JSON object as etcd writes them."""
    log_outputs: tuple[str, ...] = ("default",)
    """Where logs go: `stderr` (`default` as well), `stdout`, or files."""
    cert_file: str = ""
    """The server's certificate (PEM), for https. Read again when it changes."""
    key_file: str = ""
    """Its key (PEM)."""
    trusted_ca_file: str = ""
    """Authorities of client certificates (PEM). Clients without a certificate of theirs are refused."""
    client_cert_auth: bool = False
    """The common name of a client's certificate is the user who calls, where no token says otherwise. Needs
    `trusted_ca_file`."""
    client_crl_file: str = ""
    """A list of revoked client certificates (PEM). Read again when it changes."""
    client_cert_allowed_hostname: tuple[str, ...] = ()
    """Host names or IP addresses: a client's certificate must be for one of them."""
    auto_tls: bool = False
    """Without `cert_file`: make a certificate for https that signs itself, in `fixtures/client` of `data_dir`."""
    self_signed_cert_validity: int = setting(1, help="How long such a certificate is good for.", unit="years")
    cipher_suites: tuple[str, ...] = ()
    """Suites for TLS 1.2, by Go's names as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256. Without it OpenSSL chooses."""
    tls_min_version: str = "TLS1.2"
    """TLS1.2 or TLS1.3."""
    tls_max_version: str = ""
    """The same; without it the newest that there is."""
    auth_token: str = "simple"
    """What Authenticate hands out: `simple`, or `jwt,sign-method=RS256,priv-key=FILE,pub-key=FILE,ttl=5m`."""
    auth_token_ttl: int = setting(300, help="Time after its last use that a simple token is good for.", unit="s")
    bcrypt_cost: int = 10
    """How much work a hash of a password is, 4 to 16: one more takes twice as long and twice the memory."""
    quota_backend_bytes: int = 2048 * MIB
    """Size, in bytes, at which writes that grow the store are refused until the alarm is disarmed. 0: 2 GiB. Less: no
    such limit."""
    experimental_initial_corrupt_check: bool = False
    """Read and check the whole database before serving it: some seconds for each GiB."""
    max_request_bytes: int = 3 * MIB // 2
    """Largest write, in bytes."""
    max_txn_ops: int = 128
    """Most compares, or operations of one branch, of a transaction."""
    auto_compaction_mode: Literal["periodic", "revision"] = "periodic"
    """What `auto_compaction_retention` counts."""
    auto_compaction_retention: str = "0"
    """History kept: in mode periodic a duration as `90m` (a bare number is hours), in mode revision how many revisions.
    "0": all, until a client compacts."""
    watch_progress_notify_interval: float = setting(
        600.0, help="Time between progress notifications, 0.1 at least. 0: the default.", unit="s"
    )
    cache_bytes: int = setting(64 * MIB, unit="bytes")
    """Records kept in memory beside the file, in bytes. Without a data directory all are kept."""
