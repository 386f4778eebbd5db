"""Listen URLs into addresses and credentials."""

from __future__ import annotations

import errno
import os
import pathlib
import socket
import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from etcdlite import selfsigned
from etcdlite.config import Config
from machinery.pki.policy import ServerPolicy
from machinery.pki.tls import TlsError, TlsFiles, reloading_server_credentials

BOTH = ("http/1.1", "h2")
"""What client URLs speak over TLS, by preference: gRPC's clients offer h2 alone, others get what monitoring speaks."""


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
    """Raise OSError, naming URL and flag, unless every address to listen on can be bound right now."""
    for url in (*config.listen_client_urls, *config.listen_metrics_urls):
        parts = urlsplit(url)
        try:
            if parts.scheme.startswith("unix"):
                _probe_path(f"{parts.netloc}{parts.path}")
            else:
                _probe_port(parts.hostname or "", parts.port or 0)
        except OSError as error:
            flag = "--listen-client-urls" if url in config.listen_client_urls else "--listen-metrics-urls"
            raise OSError(f"cannot listen on {url}: {error.strerror or error}; choose another {flag}") from None


def _probe_port(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _probe_path(path: str) -> None:
    """A socket that nobody answers on was left behind by a server that was killed, and makes way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            probe.bind(path)
            os.unlink(path)
            return
        if not stat.S_ISSOCK(mode):
            raise FileExistsError(errno.EEXIST, "a file that is no socket is there")
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            directory = os.path.dirname(path) or "."
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, f"{directory} cannot be written") from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def listeners(config: Config) -> list[Listener]:
    """One Listener for each scheme among `listen_client_urls`. Raises ValueError for a URL that cannot be served."""
    found: dict[str, list[str]] = {}
    for url in config.listen_client_urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "unix", "unixs"):
            raise ValueError(f"--listen-client-urls: {url!r} must begin with http://, https://, unix:// or unixs://")
        if parts.scheme.startswith("unix"):
            address = f"unix:{parts.netloc}{parts.path}"
        elif not _has_port(parts):
            raise ValueError(f"--listen-client-urls: {url!r} must name a host and a port of 0 to 65535")
        else:
            address = parts.netloc
        found.setdefault(parts.scheme, []).append(address)
    if any(scheme in ("https", "unixs") for scheme in found):
        _check_certificate(config, "listen-client-urls")
    for name in ("client_cert_auth", "client_crl_file", "client_cert_allowed_hostname"):
        if getattr(config, name) and not config.trusted_ca_file:
            raise ValueError(f"--{name.replace('_', '-')} needs --trusted-ca-file")
    _policy(config)
    return [Listener(scheme, addresses, config) for scheme, addresses in found.items()]


def check_metrics_urls(config: Config) -> None:
    """Raise ValueError for one of `listen_metrics_urls` that cannot be served."""
    for url in config.listen_metrics_urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ValueError(f"--listen-metrics-urls: {url!r} must begin with http:// or https://")
        if not _has_port(parts):
            raise ValueError(f"--listen-metrics-urls: {url!r} must name a host and a port of 0 to 65535")
        if parts.scheme == "https":
            _check_certificate(config, "listen-metrics-urls")


def metrics_credentials(config: Config) -> ssl.SSLContext | None:
    """For `listen_metrics_urls` that speak TLS, as the client URLs do. Raises TlsError."""
    if not any(url.startswith("https:") for url in config.listen_metrics_urls):
        return None
    return _credentials(config, protocols=("http/1.1",))


def check_tls(config: Config) -> None:
    """Raise TlsError, naming the file, unless TLS can be spoken where a URL asks for it. May make a certificate."""
    if speaks_tls(config):
        _credentials(config)


def speaks_tls(config: Config) -> bool:
    """Whether a URL asks for TLS."""
    urls = (*config.listen_client_urls, *config.listen_metrics_urls)
    return any(urlsplit(url).scheme in ("https", "unixs") for url in urls)


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port is not None and bool(parts.hostname)
    except ValueError:  # it is beyond 65535, or no number
        return False


def _check_certificate(config: Config, flag: str) -> None:
    if config.cert_file and config.key_file:
        return
    if config.cert_file or config.key_file or not config.auto_tls:
        raise ValueError(f"--{flag}: https needs --cert-file and --key-file")
    if config.data_dir is None:
        raise ValueError("--auto-tls needs --data-dir, where the certificate is kept")
    if config.self_signed_cert_validity <= 0:
        raise ValueError("--self-signed-cert-validity: must be a year at least")


def _credentials(config: Config, *, protocols: Sequence[str] = BOTH) -> ssl.SSLContext:
    files = _files(config)
    try:
        # As in etcd, an authority alone demands certificates of every client; what they are called counts only with
        # client-cert-auth.
        return reloading_server_credentials(
            files, require_client=bool(config.trusted_ca_file), protocols=protocols, policy=_policy(config)
        )
    except TlsError as error:
        named = ", ".join(str(path) for path in (files.cert, files.key, files.ca, files.crl) if path is not None)
        raise error if named and str(error).startswith("cannot read") else TlsError(f"{error} ({named})") from None


def _files(config: Config) -> TlsFiles:
    """Where the certificate, its key and the authorities are. Raises TlsError when there can be none."""
    cert, key, ca, crl = (
        pathlib.Path(name) if name else None
        for name in (config.cert_file, config.key_file, config.trusted_ca_file, config.client_crl_file)
    )
    if cert is None and config.data_dir is not None:
        hosts = [urlsplit(url).hostname or "" for url in config.listen_client_urls]
        directory = pathlib.Path(config.data_dir) / "fixtures" / "client"
        cert, key = selfsigned.ensure(directory, hosts, years=config.self_signed_cert_validity)
    return TlsFiles(cert, key, ca, crl)


def _policy(config: Config) -> ServerPolicy:
    """Raises TlsError for what is unknown."""
    return ServerPolicy(
        config.tls_min_version, config.tls_max_version, config.cipher_suites, config.client_cert_allowed_hostname
    )
