"""Bootstrap tokens: `ID.SECRET`, kept as Secrets of type bootstrap.kubernetes.io/token in kube-system.

They let a host that has nothing yet ask for its certificate. Rules after kube-apiserver's
`plugin/pkg/auth/authenticator/token/bootstrap`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from typing import Any

from actors.clock import Clock
from apiserver.auth.api import AUTHENTICATED, Caches
from apiserver.auth.errors import InvalidToken
from apiserver.verbs.context import UserInfo
from machinery.objects import meta, timefmt
from machinery.objects.gvk import GVR

SECRETS = GVR("", "v1", "secrets")
NAMESPACE = "kube-system"
TYPE = "bootstrap.kubernetes.io/token"
NAME_PREFIX = "bootstrap-token-"
GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


def authenticate(token: str, *, caches: Caches, clock: Clock) -> UserInfo | None:
    """The user of a bootstrap token; None for a text of another shape. Raises InvalidToken."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    token_id, secret = match.groups()
    stored = caches.get(SECRETS, NAMESPACE, NAME_PREFIX + token_id)
    if stored is None or meta.is_deleting(stored) or stored.get("type") != TYPE:
        raise InvalidToken("bootstrap token is not known")
    data = stored.get("data") or {}
    if not hmac.compare_digest(_value(data, "token-secret"), secret) or _value(data, "token-id") != token_id:
        raise InvalidToken("bootstrap token is not known")
    expires = _value(data, "expiration")
    if expires and _expired(expires, clock):
        raise InvalidToken("bootstrap token has expired")
    if _value(data, "usage-bootstrap-authentication") != "true":
        raise InvalidToken("bootstrap token may not be used to authenticate")
    extra = {group for group in _value(data, "auth-extra-groups").split(",") if group}
    for group in extra:
        if _EXTRA_GROUP.fullmatch(group) is None:
            raise InvalidToken(f"bootstrap token names a group that it may not give: {group}")
    return UserInfo(f"system:bootstrap:{token_id}", (*sorted({GROUP, *extra}), AUTHENTICATED))


def _value(data: Mapping[str, Any], key: str) -> str:
    try:
        return base64.b64decode(data.get(key) or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _expired(text: str, clock: Clock) -> bool:
    try:
        return timefmt.parse(text) <= clock.now()
    except ValueError:
        # What nobody can read is over.
        return True
