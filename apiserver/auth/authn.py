"""Who asks: certificate, bearer token, or nobody; then whom they ask to be taken for.

The order is upstream's: a client certificate decides before a token; among tokens static ones, service accounts,
bootstrap tokens. Whoever does not get in learns only `Unauthorized`; why goes to the log.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Sequence

from actors.clock import Clock
from apiserver.auth import bootstrap_tokens
from apiserver.auth.api import (
    ANONYMOUS,
    AUTHENTICATED,
    UNAUTHENTICATED,
    Attributes,
    Authorizer,
    Caches,
    Credentials,
    Impersonation,
)
from apiserver.auth.authz import refusal
from apiserver.auth.config import AuthConfig
from apiserver.auth.errors import InvalidToken
from apiserver.auth.tokens import ACCOUNT_USER, ALL_ACCOUNTS, ServiceAccountTokens
from apiserver.verbs.context import UserInfo
from machinery.errors import InternalError, Unauthorized
from machinery.rpc.api import Peer

log = logging.getLogger(__name__)


class RequestAuthenticator:
    """Implements `api.Authenticator`."""

    def __init__(
        self,
        config: AuthConfig,
        *,
        caches: Caches,
        clock: Clock,
        tokens: ServiceAccountTokens,
        authorizer: Authorizer,
    ) -> None:
        self._anonymous = config.anonymous
        # Kept and looked up by digest, so that the time of a look-up tells nothing of the token.
        self._static = {_digest(token): _with_authenticated(user) for token, user in config.static_tokens.items()}
        self._caches = caches
        self._clock = clock
        self._tokens = tokens
        self._authorizer = authorizer

    async def authenticate(self, credentials: Credentials) -> UserInfo:
        user = self._identify(credentials)
        if credentials.impersonate is None:
            return user
        return self._impersonate(user, credentials.impersonate)

    async def authenticate_token(self, token: str, *, audiences: Sequence[str]) -> tuple[UserInfo, tuple[str, ...]]:
        try:
            return self._of_token(token, audiences)
        except InvalidToken as error:
            raise Unauthorized(str(error)) from error

    def _identify(self, credentials: Credentials) -> UserInfo:
        if credentials.peer is not None:
            return _of_peer(credentials.peer)
        if credentials.bearer:
            try:
                return self._of_token(credentials.bearer, ())[0]
            except InvalidToken as error:
                log.info("authentication failed reason=%s", error)
                raise Unauthorized("Unauthorized") from error
        if not self._anonymous:
            raise Unauthorized("Unauthorized")
        return UserInfo(ANONYMOUS, (UNAUTHENTICATED,))

    def _of_token(self, token: str, audiences: Sequence[str]) -> tuple[UserInfo, tuple[str, ...]]:
        own = self._tokens.audiences
        static = self._static.get(_digest(token))
        if static is None:
            found = self._tokens.verify(token, audiences=audiences)
            if found is not None:
                return found
            static = bootstrap_tokens.authenticate(token, caches=self._caches, clock=self._clock)
        if static is None:
            raise InvalidToken("invalid bearer token")
        # A token without audiences of its own is for this server.
        good_for = tuple(each for each in audiences if each in own) if audiences else own
        if not good_for:
            raise InvalidToken(f"token audiences {[*own]} is invalid for the target audiences {[*audiences]}")
        return static, good_for

    def _impersonate(self, user: UserInfo, wanted: Impersonation) -> UserInfo:
        if not wanted.user:
            raise InternalError(f"requested {_requested(wanted)} without impersonating a user")
        namespace, account = _account(wanted.user)
        if account:
            self._require(user, "serviceaccounts", account, namespace=namespace)
        else:
            self._require(user, "users", wanted.user)
        for group in wanted.groups:
            self._require(user, "groups", group)
        for key, values in wanted.extra.items():
            for value in values:
                self._require(user, "userextras", value, group="authentication.k8s.io", subresource=key)
        if wanted.uid:
            self._require(user, "uids", wanted.uid, group="authentication.k8s.io")
        groups = list(wanted.groups)
        if account and not groups:
            groups = [ALL_ACCOUNTS, f"{ALL_ACCOUNTS}:{namespace}"]
        marker = UNAUTHENTICATED if wanted.user == ANONYMOUS else AUTHENTICATED
        if not {AUTHENTICATED, UNAUTHENTICATED} & set(groups):
            groups.append(marker)
        return UserInfo(wanted.user, tuple(groups), wanted.uid, dict(wanted.extra))

    def _require(
        self, user: UserInfo, resource: str, name: str, *, namespace: str = "", group: str = "", subresource: str = ""
    ) -> None:
        attributes = Attributes(
            user=user,
            verb="impersonate",
            group=group,
            version="v1",
            resource=resource,
            subresource=subresource,
            namespace=namespace,
            name=name,
        )
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision)


def _of_peer(peer: Peer) -> UserInfo:
    return _with_authenticated(UserInfo(peer.common_name, peer.organizations))


def _with_authenticated(user: UserInfo) -> UserInfo:
    if user.name == ANONYMOUS or {AUTHENTICATED, UNAUTHENTICATED} & set(user.groups):
        return user
    return UserInfo(user.name, (*user.groups, AUTHENTICATED), user.uid, user.extra)


def _account(user: str) -> tuple[str, str]:
    """(namespace, name) of the service account that a user name is; ("", "") for another user."""
    if not user.startswith(ACCOUNT_USER):
        return "", ""
    namespace, colon, name = user[len(ACCOUNT_USER) :].partition(":")
    return (namespace, name) if colon and namespace and name and ":" not in name else ("", "")


def _requested(wanted: Impersonation) -> str:
    parts = [f"group {group}" for group in wanted.groups]
    parts += [f"extra {key}" for key in wanted.extra]
    parts += [f"uid {wanted.uid}"] if wanted.uid else []
    return ", ".join(parts)


def _digest(token: str) -> bytes:
    return hmac.digest(b"static", token.encode(), hashlib.sha256)
