"""Bootstrap tokens: the Secrets that let a host ask for its first certificate.

Format and fields: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import base64
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from machinery.client.api import Client, DeleteOptions, Object
from machinery.client.resources import SECRETS
from machinery.errors import AlreadyExists
from machinery.objects import timefmt
from pilothouse.init.settings import InitError

NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers:kubeadm:default-node-token"
USAGES = ("authentication", "signing")
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Token:
    """A bootstrap token as it is stored. expires: None is never."""

    id: str
    secret: str
    expires: datetime | None
    usages: Sequence[str]
    description: str
    groups: Sequence[str]

    @property
    def text(self) -> str:
        return f"{self.id}.{self.secret}"


def generate() -> str:
    """A new token, `abcdef.0123456789abcdef`."""
    return ".".join("".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (6, 16))


def split(token: str) -> tuple[str, str]:
    """(id, secret). Raises InitError."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise InitError('the bootstrap token was not of the form "[a-z0-9]{6}.[a-z0-9]{16}"')
    return found[1], found[2]


def check_ttl(seconds: float) -> None:
    """Raises InitError for the lifetime of a token that would have run out before it is made."""
    if seconds < 0:
        raise InitError(f"a token cannot be good for {timefmt.format_duration(seconds)}; 0 is for ever")


async def create(client: Client, token: str, *, ttl: float, now: datetime, description: str = "") -> Token:
    """Store a token; ttl in seconds, 0 for ever.

    Raises InitError when it is malformed or negative, and when the token's id is taken by another."""
    identity, secret = split(token)
    check_ttl(ttl)
    expires = now + timedelta(seconds=ttl) if ttl else None
    data = {
        "token-id": identity,
        "token-secret": secret,
        **{f"usage-bootstrap-{usage}": "true" for usage in USAGES},
        "auth-extra-groups": GROUP,
    }
    if description:
        data["description"] = description
    if expires:
        data["expiration"] = timefmt.format(expires)
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"bootstrap-token-{identity}", "namespace": NAMESPACE},
        "type": TYPE,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }
    try:
        made = await client.create(SECRETS, body, namespace=NAMESPACE)
    except AlreadyExists:
        made = await client.get(SECRETS, body["metadata"]["name"], namespace=NAMESPACE)  # type: ignore[index]  # ours
        if parse(made).secret != secret:
            raise InitError(f'a token with id "{identity}" already exists') from None
    return parse(made)


async def listed(client: Client) -> list[Token]:
    """All of them, in the order of their ids."""
    page = await client.list(SECRETS, namespace=NAMESPACE, field_selector=f"type={TYPE}")
    return sorted((parse(secret) for secret in page.items), key=lambda token: token.id)


async def delete(client: Client, token: str) -> str:
    """Remove a token by itself or by its id; answers the id. Raises NotFound."""
    identity = token.partition(".")[0]
    if not re.fullmatch(r"[a-z0-9]{6}", identity):
        raise InitError(f'"{token}" is neither a token nor its id of six characters')
    await client.delete(SECRETS, f"bootstrap-token-{identity}", namespace=NAMESPACE, options=DeleteOptions())
    return identity


def parse(secret: Object) -> Token:
    """A Secret as the token that it holds."""
    data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    usages = [usage for usage in USAGES if data.get(f"usage-bootstrap-{usage}") == "true"]
    return Token(
        id=data.get("token-id", ""),
        secret=data.get("token-secret", ""),
        expires=timefmt.parse_optional(data.get("expiration")),
        usages=usages,
        description=data.get("description", ""),
        groups=[group for group in data.get("auth-extra-groups", "").split(",") if group],
    )
