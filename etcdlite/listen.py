"""Listen URLs into addresses and credentials."""

from __future__ import annotations

import pathlib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from etcdlite.config import Config
from machinery.pki.tls import TlsFiles, reloading_server_credentials


@dataclass(frozen=True, slots=True)
class Listener:
    """The addresses of one scheme, which one gRPC server listens on."""

    name: str
    """The scheme: http, https, unix or unixs."""
    addresses: Sequence[str]
    config: Config

    @property
    def secure(self) -> bool:
        """True when it speaks TLS."""
        return self.name in ("https", "unixs")

    def url(self, address: str) -> str:
        """The URL of an address in use."""
        return f"{self.name}://{address.removeprefix('unix:')}"

    def credentials(self) -> ssl.SSLContext | None:
        """None for plain text. The files are read again for connections after they change.

        Raises TlsError for a file that cannot be read."""
        if not self.secure:
            return None
        return _credentials(self.config)


def check_free(config: Config) -> None:
    """Raise OSError, naming the URL, unless every TCP address to listen on can be bound right now."""
    for url in (*config.listen_client_urls, *config.listen_metrics_urls):
        parts = urlsplit(url)
        if parts.scheme.startswith("unix") or not parts.hostname:
            continue
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                parts.hostname, parts.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            flag = "--listen-client-urls" if url in config.listen_client_urls else "--listen-metrics-urls"
            raise OSError(f"cannot listen on {url}: {error.strerror}; choose another {flag}") from None


def listeners(config: Config) -> list[Listener]:
    """One Listener for each scheme among `listen_client_urls`. Raises ValueError for a URL that cannot be served."""
    found: dict[str, list[str]] = {}
    for url in config.listen_client_urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "unix", "unixs"):
            raise ValueError(f"listen-client-urls: {url!r} must begin with http://, https://, unix:// or unixs://")
        if parts.scheme.startswith("unix"):
            address = f"unix:{parts.netloc}{parts.path}"
        elif parts.port is None or not parts.hostname:
            raise ValueError(f"listen-client-urls: {url!r} must name a host and a port")
        else:
            address = parts.netloc
        found.setdefault(parts.scheme, []).append(address)
    if any(scheme in ("https", "unixs") for scheme in found) and not (config.cert_file and config.key_file):
        raise ValueError("listen-client-urls: https needs cert-file and key-file")
    if config.client_cert_auth and not config.trusted_ca_file:
        raise ValueError("client-cert-auth needs trusted-ca-file")
    return [Listener(scheme, addresses, config) for scheme, addresses in found.items()]


def check_metrics_urls(config: Config) -> None:
    """Raise ValueError for one of `listen_metrics_urls` that cannot be served."""
    for url in config.listen_metrics_urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ValueError(f"listen-metrics-urls: {url!r} must begin with http:// or https://")
        if parts.port is None or not parts.hostname:
            raise ValueError(f"listen-metrics-urls: {url!r} must name a host and a port")
        if parts.scheme == "https" and not (config.cert_file and config.key_file):
            raise ValueError("listen-metrics-urls: https needs cert-file and key-file")


def metrics_credentials(config: Config) -> ssl.SSLContext | None:
    """For `listen_metrics_urls` that speak TLS, as the client URLs do. Raises TlsError."""
    if not any(url.startswith("https:") for url in config.listen_metrics_urls):
        return None
    return _credentials(config, protocols=("http/1.1",))


def _credentials(config: Config, *, protocols: Sequence[str] = ("h2",)) -> ssl.SSLContext:
    cert, key, ca = (
        pathlib.Path(name) if name else None for name in (config.cert_file, config.key_file, config.trusted_ca_file)
    )
    files = TlsFiles(cert, key, ca)
    return reloading_server_credentials(files, require_client=config.client_cert_auth, protocols=protocols)
