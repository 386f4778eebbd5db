"""The settings of authentication and authorization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apiserver.verbs.context import UserInfo

DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """How this server knows who asks and what they may."""

    service_account_issuer: str = DEFAULT_ISSUER
    """`iss` of the tokens that are signed here, and the base of the OpenID discovery document."""

    service_account_key: bytes = b""
    """PEM private key (RSA or EC P-256/384/521) that signs tokens. b"": no tokens are issued."""

    service_account_verification_keys: tuple[bytes, ...] = ()
    """PEM keys, public or private, whose tokens are accepted besides the signing key's."""

    api_audiences: tuple[str, ...] = ()
    """Audiences of tokens that this server takes. Default: the issuer."""

    max_token_seconds: int = 0
    """The longest life of a token that somebody asks for; 0 is 2^32 seconds, as upstream."""

    anonymous: bool = True
    """Whether requests without credentials go on as system:anonymous (RBAC then decides) or are refused with 401."""

    static_tokens: Mapping[str, UserInfo] = field(default_factory=dict)
    """Bearer tokens of fixed identities, for embedding and tests."""

    authorize: bool = True
    """False lets everybody do everything (AlwaysAllow)."""

    jwks_uri: str = ""
    """`jwks_uri` of the discovery document; default: the issuer's /openid/v1/jwks."""
