"""Who calls: the transport's proof, or the token in the metadata, handed to the authenticator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from apiserver.auth.api import Authenticator, Credentials, Impersonation
from apiserver.verbs.context import UserInfo
from machinery.rpc.api import Call

Identify = Callable[[Call], Awaitable[UserInfo]]

_EXTRA = "impersonate-extra-"


def identify(authenticator: Authenticator) -> Identify:
    """The identity of a call. It raises Unauthorized and Forbidden, as the authenticator does."""

    async def user_of(call: Call) -> UserInfo:
        return await authenticator.authenticate(credentials(call))

    return user_of


def credentials(call: Call) -> Credentials:
    """What a call proves. Impersonation goes by the REST headers' names, several groups joined by commas."""
    scheme, _, token = _text(call, "authorization").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    asked = [key for key in call.metadata if key.startswith("impersonate-")]
    return Credentials(peer=call.peer, bearer=bearer, impersonate=_impersonation(call, asked) if asked else None)


def _impersonation(call: Call, keys: Sequence[str]) -> Impersonation:
    groups = tuple(filter(None, _text(call, "impersonate-group").split(",")))
    extra = {key.removeprefix(_EXTRA): (_text(call, key),) for key in keys if key.startswith(_EXTRA)}
    return Impersonation(_text(call, "impersonate-user"), groups, _text(call, "impersonate-uid"), extra)


def _text(call: Call, key: str) -> str:
    value = call.metadata.get(key, "")
    return value if isinstance(value, str) else ""
