"""The whole of authentication and authorization, put together for one server."""

from __future__ import annotations

from actors.clock import Clock
from apiserver.auth.api import Caches
from apiserver.auth.authn import RequestAuthenticator
from apiserver.auth.authz import AuthorizerChain, build_authorizer
from apiserver.auth.config import AuthConfig
from apiserver.auth.guard import RbacGuard
from apiserver.auth.node import ATTACHMENTS, CLAIMS, PODS
from apiserver.auth.rbac import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, RbacPolicy
from apiserver.auth.reviews import ReviewService
from apiserver.auth.tokens import ACCOUNTS, BOUND, ServiceAccountTokens

READS = tuple(
    dict.fromkeys(
        (
            *(CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS),
            *(ACCOUNTS, PODS, CLAIMS, ATTACHMENTS),
            *BOUND.values(),
        )
    )
)
"""The kinds whose caches must be loaded before a decision is right."""


class Auth:
    """The parts that the edges and verbs are given. Holds no task and no connection: it reads the caches it is given,
    and has those that it decides by kept loaded."""

    def __init__(self, config: AuthConfig, *, caches: Caches, clock: Clock) -> None:
        self.tokens = ServiceAccountTokens(config, caches=caches, clock=clock)
        self.policy = RbacPolicy(caches)
        self.authorizer: AuthorizerChain = build_authorizer(config, policy=self.policy, caches=caches)
        self.authenticator = RequestAuthenticator(
            config, caches=caches, clock=clock, tokens=self.tokens, authorizer=self.authorizer
        )
        self.guard = RbacGuard(self.policy, self.authorizer)
        self.reviews = ReviewService(
            authenticator=self.authenticator, authorizer=self.authorizer, tokens=self.tokens, caches=caches
        )
        for resource in READS:
            caches.keep(resource)
