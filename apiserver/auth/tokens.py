"""Service-account tokens: signing them (TokenRequest) and verifying them.

Claims are kube-apiserver's (`pkg/serviceaccount/claims.go`): the standard ones and, under `kubernetes.io`, the
namespace, the account and what the token is bound to, each with its uid. A token dies with any of them: that is checked
on every use against the watch caches, while a signature that verified is remembered.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from actors.clock import Clock
from apiserver.auth.api import AUTHENTICATED, Caches, IssuedToken
from apiserver.auth.config import AuthConfig
from apiserver.auth.errors import InvalidToken
from apiserver.verbs.context import UserInfo
from machinery.errors import ServiceUnavailable
from machinery.objects import meta, timefmt
from machinery.objects.gvk import GVR

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

Object = dict[str, Any]

log = logging.getLogger(__name__)

ACCOUNTS = GVR("", "v1", "serviceaccounts")
ACCOUNT_USER = "system:serviceaccount:"
ALL_ACCOUNTS = "system:serviceaccounts"
_PRIVATE = "kubernetes.io"
BOUND = {
    "pod": GVR("", "v1", "pods"),
    "secret": GVR("", "v1", "secrets"),
    "node": GVR("", "v1", "nodes"),
}
_REMEMBERED = 2048
_LEEWAY = timedelta(minutes=1)
"""Clocks of hosts differ: a token is good from a minute before it was issued."""
_KUBELET_SECONDS = 3607
_EXTENDED_SECONDS = 365 * 24 * 3600
"""Pods' projected tokens ask for 3607 s; upstream lets them live a year, for clients that never read the file again."""
_DELETED_GRACE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Key:
    """kid: base64url of the SHA-256 of the public key's SubjectPublicKeyInfo."""

    kid: str
    algorithm: str
    public: PublicKeyTypes
    private: PrivateKeyTypes | None = None


class ServiceAccountTokens:
    """Signs and verifies. Implements `api.TokenIssuer`. Keys are parsed when they are first needed."""

    def __init__(self, config: AuthConfig, *, caches: Caches, clock: Clock) -> None:
        self._config = config
        self._caches = caches
        self._clock = clock
        self._keys: dict[str, _Key] | None = None
        self._signing: _Key | None = None
        self._verified: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences of this server itself."""
        return self._config.api_audiences or (self._config.service_account_issuer,)

    def issue(
        self, account: Object, spec: Mapping[str, Any], *, bound: Object | None, node: Object | None
    ) -> IssuedToken:
        import jwt

        self._load()
        if self._signing is None or self._signing.private is None:
            raise ServiceUnavailable("this server has no key to sign service account tokens with")
        seconds = int(spec["expirationSeconds"])
        if self._config.max_token_seconds:
            seconds = min(seconds, self._config.max_token_seconds)
        audiences = list(spec.get("audiences") or self.audiences)
        now = self._clock.now()
        private: Object = {
            "namespace": meta.namespace(account),
            "serviceaccount": {"name": meta.name(account), "uid": meta.uid(account)},
        }
        if bound is not None:
            kind = str((spec.get("boundObjectRef") or {}).get("kind", "")).lower()
            private[kind] = {"name": meta.name(bound), "uid": meta.uid(bound)}
        if node is not None:
            private["node"] = {"name": meta.name(node), "uid": meta.uid(node)}
        lives = seconds
        if seconds == _KUBELET_SECONDS and "pod" in private and set(audiences) <= set(self.audiences):
            private["warnafter"] = _epoch(now) + seconds
            lives = _EXTENDED_SECONDS
        claims = {
            "aud": audiences,
            "exp": _epoch(now) + lives,
            "iat": _epoch(now),
            "iss": self._config.service_account_issuer,
            "jti": str(uuid4()),
            _PRIVATE: private,
            "nbf": _epoch(now),
            "sub": f"{ACCOUNT_USER}{meta.namespace(account)}:{meta.name(account)}",
        }
        token = jwt.encode(
            claims,
            self._signing.private,  # type: ignore[arg-type]  # RSA or EC by construction
            algorithm=self._signing.algorithm,
            headers={"kid": self._signing.kid},
        )
        return IssuedToken(token, timefmt.format(now + timedelta(seconds=seconds)))

    def verify(self, token: str, *, audiences: Sequence[str] = ()) -> tuple[UserInfo, tuple[str, ...]] | None:
        """The account of a token and the audiences it is good for. None when the token is not one of this issuer's, so
        that another authenticator may know it. Raises InvalidToken."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._check_signature(token)
            if claims is None:
                return None
            self._verified[token] = claims
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        good_for = self._check_claims(claims, audiences or self.audiences)
        return self._user(claims), good_for

    def jwks(self) -> Object:
        from jwt.algorithms import ECAlgorithm, RSAAlgorithm

        keys = []
        for key in self._load().values():
            algorithm: Any = RSAAlgorithm if key.algorithm.startswith("RS") else ECAlgorithm
            document = algorithm.to_jwk(key.public, as_dict=True)
            document.pop("key_ops", None)
            keys.append({"use": "sig", "kid": key.kid, "alg": key.algorithm, **document})
        return {"keys": keys}

    def openid_configuration(self) -> Object:
        issuer = self._config.service_account_issuer
        return {
            "issuer": issuer,
            "jwks_uri": self._config.jwks_uri or f"{issuer.rstrip('/')}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": sorted({key.algorithm for key in self._load().values()}),
        }

    def _check_signature(self, token: str) -> Mapping[str, Any] | None:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return None
        if unverified.get("iss") != self._config.service_account_issuer:
            return None
        key = self._load().get(str(header.get("kid", "")))
        if key is None:
            raise InvalidToken("no key verifies this service account token")
        try:
            # Times and audiences are checked on every use, by this server's clock.
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.public,  # type: ignore[arg-type]  # RSA or EC by construction
                algorithms=[key.algorithm],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise InvalidToken(f"invalid service account token: {error}") from error
        return claims

    def _check_claims(self, claims: Mapping[str, Any], audiences: Sequence[str]) -> tuple[str, ...]:
        now = self._clock.now()
        if now >= _time(claims.get("exp")):
            raise InvalidToken("service account token has expired")
        if now + _LEEWAY < _time(claims.get("nbf")):
            raise InvalidToken("service account token is not valid yet")
        said = claims.get("aud")
        offered = {said} if isinstance(said, str) else set(said or ())
        good_for = tuple(each for each in audiences if each in offered)
        if not good_for:
            raise InvalidToken(f"token audiences {sorted(offered)} is invalid for the target audiences {[*audiences]}")
        return good_for

    def _user(self, claims: Mapping[str, Any]) -> UserInfo:
        private = claims.get(_PRIVATE) or {}
        namespace = str(private.get("namespace", ""))
        account = private.get("serviceaccount") or {}
        name, uid = str(account.get("name", "")), str(account.get("uid", ""))
        if claims.get("sub") != f"{ACCOUNT_USER}{namespace}:{name}":
            raise InvalidToken("service account token names another subject than its account")
        stored = self._caches.get(ACCOUNTS, namespace, name)
        if stored is None or meta.uid(stored) != uid:
            raise InvalidToken("service account token has been invalidated")
        extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims.get('jti', '')}",)}
        for kind, resource in BOUND.items():
            reference = private.get(kind)
            if reference:
                self._check_bound(kind, resource, namespace if kind != "node" else "", reference, pod="pod" in private)
                if kind != "secret":
                    extra[f"authentication.kubernetes.io/{kind}-name"] = (str(reference.get("name")),)
                    extra[f"authentication.kubernetes.io/{kind}-uid"] = (str(reference.get("uid")),)
        groups = (ALL_ACCOUNTS, f"{ALL_ACCOUNTS}:{namespace}", AUTHENTICATED)
        return UserInfo(f"{ACCOUNT_USER}{namespace}:{name}", groups, uid, extra)

    def _check_bound(
        self, kind: str, resource: GVR, namespace: str, reference: Mapping[str, Any], *, pod: bool
    ) -> None:
        if kind == "node" and pod:
            # Beside a pod the node is information; the pod alone decides.
            return
        stored = self._caches.get(resource, namespace, str(reference.get("name", "")))
        if stored is None or meta.uid(stored) != reference.get("uid"):
            raise InvalidToken(f"service account token has been invalidated: its {kind} is gone")
        deleted = meta.deletion_time(stored)
        if deleted is not None and deleted + _DELETED_GRACE < self._clock.now():
            raise InvalidToken(f"service account token has been invalidated: its {kind} is being deleted")

    def _load(self) -> dict[str, _Key]:
        if self._keys is None:
            keys: dict[str, _Key] = {}
            if self._config.service_account_key:
                self._signing = load_key(self._config.service_account_key)
                keys[self._signing.kid] = self._signing
            for pem in self._config.service_account_verification_keys:
                key = load_key(pem)
                keys.setdefault(key.kid, key)
            self._keys = keys
        return self._keys


def load_key(pem: bytes) -> _Key:
    """A PEM key: private, public, or in a certificate. Raises ValueError for what is neither RSA nor elliptic curve."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    private: PrivateKeyTypes | None = None
    public: PublicKeyTypes
    if b"PRIVATE KEY" in pem:
        private = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError("a service account key is an RSA or elliptic curve key")
        public = private.public_key()
    elif b"CERTIFICATE" in pem:
        public = x509.load_pem_x509_certificate(pem).public_key()
    else:
        public = serialization.load_pem_public_key(pem)
    if isinstance(public, rsa.RSAPublicKey):
        algorithm = "RS256"
    elif isinstance(public, ec.EllipticCurvePublicKey):
        algorithm = {256: "ES256", 384: "ES384", 521: "ES512"}[public.curve.key_size]
    else:
        raise ValueError("a service account key is an RSA or elliptic curve key")
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    kid = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    return _Key(kid, algorithm, public, private)


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _time(claim: object) -> datetime:
    """A NumericDate; what is none is long past, so that a token without `exp` is an expired one."""
    if isinstance(claim, int | float) and not isinstance(claim, bool):
        return datetime.fromtimestamp(claim, UTC)
    return datetime.fromtimestamp(0, UTC)
