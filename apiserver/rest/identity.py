"""The credentials that a request carries: certificate, bearer token, impersonation headers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from apiserver.auth.api import Credentials, Impersonation
from machinery.rpc.api import Peer

_IMPERSONATE = "impersonate-"
_EXTRA = "impersonate-extra-"


def credentials_of(request: web.BaseRequest) -> Credentials:
    """What a request proves; nothing is checked here but the shape."""
    headers = request.headers
    authorization = headers.get("Authorization", "")
    scheme, _, token = authorization.partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    impersonate = None
    if any(value and name.lower().startswith(_IMPERSONATE) for name, value in headers.items()):
        impersonate = impersonation(headers.items())
    return Credentials(peer_of(request.transport), bearer, impersonate)


def peer_of(transport: asyncio.BaseTransport | None) -> Peer | None:
    """The subject of the certificate that the handshake verified; None without one."""
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        return None
    return subject(certificate)


def subject(certificate: dict[str, Any]) -> Peer | None:
    """CN is the user, every O a group. A certificate without a CN identifies nobody."""
    name, organizations = "", []
    for pairs in certificate.get("subject", ()):
        for key, value in pairs:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                organizations.append(value)
    return Peer(name, tuple(organizations)) if name else None


def impersonation(headers: Iterable[tuple[str, str]]) -> Impersonation:
    """The `Impersonate-*` headers; keys of extras are percent-encoded and lower-cased, as upstream reads them."""
    user, uid = "", ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for name, value in headers:
        lower = name.lower()
        if lower == "impersonate-user":
            user = value
        elif lower == "impersonate-uid":
            uid = value
        elif lower == "impersonate-group":
            groups.append(value)
        elif lower.startswith(_EXTRA):
            extra.setdefault(unquote(lower[len(_EXTRA) :]), []).append(value)
    return Impersonation(user, tuple(groups), uid, {key: tuple(values) for key, values in extra.items()})
