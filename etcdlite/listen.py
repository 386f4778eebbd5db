"""Listen URLs into addresses and credentials."""

from __future__ import annotations

import pathlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
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

    def credentials(self) -> Any:
        """`grpc.ServerCredentials`, None for plain text. The files are read again for connections after they change.

        Raises TlsError for a file that cannot be read."""
        if not self.secure:
            return None
        config = self.config
        cert, key, ca = (
            pathlib.Path(name) if name else None for name in (config.cert_file, config.key_file, config.trusted_ca_file)
        )
        return reloading_server_credentials(TlsFiles(cert, key, ca), require_client=config.client_cert_auth)


def check_free(config: Config) -> None:
    """Raise OSError, naming the URL, unless every TCP address to listen on can be bound right now."""
    for url in config.listen_client_urls:
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
            raise OSError(f"cannot listen on {url}: {error.strerror}; choose another --listen-client-urls") from None


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
