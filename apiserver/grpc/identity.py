"""Who calls: the transport's proof, or the token in the metadata, handed to the authenticator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

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
    groups = tuple(filter(None, _text(call, "impersonate-group").split(",")))
    extra = {key.removeprefix(_EXTRA): (str(value),) for key, value in call.metadata.items() if key.startswith(_EXTRA)}
    user, uid = _text(call, "impersonate-user"), _text(call, "impersonate-uid")
    impersonate = Impersonation(user, groups, uid, extra) if user or groups or uid or extra else None
    return Credentials(peer=call.peer, bearer=bearer, impersonate=impersonate)


def _text(call: Call, key: str) -> str:
    value = call.metadata.get(key, "")
    return value if isinstance(value, str) else ""
