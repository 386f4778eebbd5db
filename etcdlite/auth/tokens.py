"""What a user shows instead of a password: a random name that this server remembers for a while after each use.

They live in memory alone: after a restart clients authenticate again, which etcd's clients do by themselves when they
are told that a token is invalid. Signed tokens are in `jwt`.
"""

from __future__ import annotations

import secrets
import string
from collections import OrderedDict
from typing import Protocol

from actors import Clock
from etcdlite.auth.check import Caller

DEFAULT_TTL = 300.0
"""Seconds after its last use that a simple token is good for, and after its making that a signed one is."""
_LETTERS = 16


class Tokens(Protocol):
    """Kinds of tokens."""

    def assign(self, name: str, revision: int) -> str:
        """A new token of a user who was authenticated at an auth revision. Raises AuthError when it cannot."""
        ...

    def caller(self, token: str, revision: int) -> Caller | None:
        """Who shows this token, at the auth revision now; None for one that is not good."""
        ...

    def forget(self, name: str) -> None:
        """A user's tokens shall not be good any more, where that is in this server's hands."""
        ...

    def clear(self) -> None:
        """The same for all."""
        ...


class SimpleTokens:
    """ttl: seconds after the last use; not above zero: DEFAULT_TTL."""

    def __init__(self, ttl: float = DEFAULT_TTL, *, clock: Clock) -> None:
        self._ttl = ttl if ttl > 0 else DEFAULT_TTL
        self._clock = clock
        self._made = 0
        self._tokens: OrderedDict[str, tuple[str, float]] = OrderedDict()  # -> (user, deadline), earliest first

    def assign(self, name: str, revision: int) -> str:
        self._expire()
        self._made += 1
        letters = "".join(secrets.choice(string.ascii_letters) for _ in range(_LETTERS))
        token = f"{letters}.{self._made}"
        self._tokens[token] = (name, self._clock.monotonic() + self._ttl)
        return token

    def caller(self, token: str, revision: int) -> Caller | None:
        self._expire()
        found = self._tokens.get(token)
        if found is None:
            return None
        self._tokens[token] = (found[0], self._clock.monotonic() + self._ttl)
        self._tokens.move_to_end(token)
        return Caller(found[0], revision)

    def forget(self, name: str) -> None:
        for token in [token for token, (owner, _) in self._tokens.items() if owner == name]:
            del self._tokens[token]

    def clear(self) -> None:
        self._tokens.clear()

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._tokens:
            token, (_, deadline) = next(iter(self._tokens.items()))
            if deadline > now:
                return
            del self._tokens[token]
