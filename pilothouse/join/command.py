"""The words that make another host join."""

from __future__ import annotations

import urllib.parse

from pilothouse import pki
from pilothouse.init import certs
from pilothouse.init.settings import InitError, InitSettings


def join_command(settings: InitSettings, token: str) -> str:
    """`pilot join HOST:PORT --token ... --discovery-token-ca-cert-hash ...` for the control plane on this host.

    Raises InitError before phase `certs`."""
    authority = certs.load(settings, "ca")
    if authority is None:
        raise InitError(f"{settings.pki} has no certificate authority")
    return words(settings.server, token, authority.certificate)


def words(server: str, token: str, ca: bytes) -> str:
    """The same from a server's URL and its authority's certificate."""
    endpoint = urllib.parse.urlsplit(server).netloc
    return f"pilot join {endpoint} --token {token} --discovery-token-ca-cert-hash {pki.public_key_hash(ca)}"
