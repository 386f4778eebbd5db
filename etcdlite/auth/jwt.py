"""Tokens signed with a key, which any server with that key takes: `--auth-token jwt,sign-method=RS256,priv-key=FILE`.

A token holds the user, the auth revision at which they were authenticated, and when it ends. It is good until then;
but once the auth revision has moved on, what it asks for is refused as old and its user authenticates again.

Source: etcd's `server/auth/jwt.go` and `options.go`.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from actors import Clock
from etcdlite.auth.check import Caller
from etcdlite.auth.tokens import DEFAULT_TTL, SimpleTokens, Tokens
from etcdlite.errors import VerifyOnly
from etcdlite.store.compaction import parse_duration

if TYPE_CHECKING:
    from jwt.algorithms import Algorithm

METHODS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Methods with a pair of keys."""
SECRET_METHODS = ("HS256", "HS384", "HS512")
"""Methods with one key, which is in the file of `priv-key`."""


def make_tokens(option: str, ttl: float, *, clock: Clock) -> Tokens:
    """The tokens that `--auth-token` asks for. ttl: seconds, of simple ones. Raises ValueError."""
    kind, *words = option.split(",")
    settings = dict(word.partition("=")[::2] for word in words)
    if len(settings) < len(words) or not all(settings.values()):
        raise ValueError("--auth-token: every option after the kind must be NAME=VALUE, each name once")
    if kind == "simple":
        return SimpleTokens(ttl, clock=clock)
    if kind == "jwt":
        return JwtTokens(settings, clock=clock)
    raise ValueError(f"--auth-token: {kind!r} is neither simple nor jwt")


class JwtTokens:
    """settings: sign-method, priv-key and pub-key (PEM files; the secret's file for HS*), ttl (a duration as 5m).

    With a public key alone it takes tokens and makes none. Raises ValueError for settings that cannot work."""

    def __init__(self, settings: Mapping[str, str], *, clock: Clock) -> None:
        unknown = sorted(settings.keys() - {"sign-method", "priv-key", "pub-key", "ttl"})
        if unknown:
            raise ValueError(f"--auth-token: jwt has no option {', '.join(unknown)}")
        method = settings.get("sign-method", "")
        if method not in (*METHODS, *SECRET_METHODS):
            raise ValueError(f"--auth-token: sign-method must be one of {', '.join((*METHODS, *SECRET_METHODS))}")
        self._method = method
        self._ttl = _seconds(settings["ttl"]) if "ttl" in settings else DEFAULT_TTL
        self._clock = clock
        file = settings.get("priv-key", "")
        self._private, self._public = _keys(method, file, settings.get("pub-key", ""))
        if self._private is not None:
            _try(method, self._private, file)

    def assign(self, name: str, revision: int) -> str:
        import jwt

        if self._private is None:
            raise VerifyOnly
        claims = {"username": name, "revision": revision, "exp": int(self._clock.now().timestamp() + self._ttl)}
        return jwt.encode(claims, self._private, algorithm=self._method)

    def caller(self, token: str, revision: int) -> Caller | None:
        import jwt

        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            claims = jwt.decode(token, self._public, algorithms=[self._method], options=options)
        except jwt.PyJWTError:
            return None
        now = self._clock.now().timestamp()
        name, made_at = claims.get("username"), claims.get("revision", 0)
        ends, begins, issued = claims.get("exp", now + 1), claims.get("nbf", 0), claims.get("iat", 0)
        if not isinstance(name, str) or not all(map(_is_number, (made_at, ends, begins, issued))):
            return None
        if now >= ends or now < begins or now < issued:
            return None
        return Caller(name, int(made_at))

    def forget(self, name: str) -> None:
        """Signed tokens stay good until they end; what a deleted user asks for is refused for want of permissions."""

    def clear(self) -> None:
        """The same."""


def _seconds(duration: str) -> float:
    if duration.isdecimal():
        raise ValueError(f"--auth-token: the ttl {duration!r} has no unit; write for example '5m'")
    return parse_duration(duration)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _keys(method: str, private_file: str, public_file: str) -> tuple[Any, Any]:
    """The keys to sign with (None: there is none) and to verify with. Raises ValueError naming the file."""
    import jwt

    if method in SECRET_METHODS:
        if not private_file:
            raise ValueError(f"--auth-token: {method} needs priv-key, a file that holds the secret")
        secret = _read(private_file)
        if not secret:
            raise ValueError(f"--auth-token: {private_file} is empty")
        return secret, secret
    algorithm = jwt.get_algorithm_by_name(method)
    private = _load(algorithm, private_file, method) if private_file else None
    public = _load(algorithm, public_file, method) if public_file else None
    if private is not None and not hasattr(private, "public_key"):
        raise ValueError(f"--auth-token: {private_file} holds no private key")
    if public is not None and hasattr(public, "public_key"):
        raise ValueError(f"--auth-token: {public_file} holds no public key")
    if private is None:
        if public is None:
            raise ValueError(f"--auth-token: {method} needs priv-key, or pub-key to take tokens made elsewhere")
        return None, public
    own = private.public_key()
    if public is not None and public != own:
        raise ValueError(f"--auth-token: {private_file} and {public_file} do not belong together")
    return private, own


def _try(method: str, key: Any, file: str) -> None:
    """Sign something: a curve or a secret may not be one for this method. Raises ValueError."""
    import jwt

    try:
        jwt.encode({}, key, algorithm=method)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise ValueError(f"--auth-token: {file} holds no key for {method}: {error}") from None


def _load(algorithm: Algorithm, file: str, method: str) -> Any:
    import jwt

    content = _read(file)
    try:
        return algorithm.prepare_key(content)
    except (ValueError, TypeError, jwt.InvalidKeyError) as error:
        raise ValueError(f"--auth-token: {file} holds no key for {method}: {error}") from None


def _read(file: str) -> bytes:
    try:
        return pathlib.Path(file).read_bytes()
    except OSError as error:
        raise ValueError(f"--auth-token: cannot read {file}: {error.strerror}") from None
