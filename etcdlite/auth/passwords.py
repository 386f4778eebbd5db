"""Hashes of passwords, made and compared in a thread.

scrypt of the standard library, not etcd's bcrypt: the hashes never leave this store, so nothing gains by a dependency
for the same format, and scrypt needs memory as well as time to guess. Each hash carries its own parameters, so those
made with another cost stay good.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os

from actors import Clock

MIN_COST, DEFAULT_COST, MAX_COST = 4, 10, 16
"""As bcrypt's cost: one more takes twice as long. 10 takes about 50 ms and 16 MiB."""
AT_ONCE = 2
"""Hashes computed at a time: each takes memory, and threads that commits need too."""

_PREFIX = b"$scrypt$"
_BLOCK = 8
_SALT_BYTES = 16
_HASH_BYTES = 32


class Passwords:
    """cost: of new hashes, between MIN_COST and MAX_COST. Raises ValueError for others."""

    def __init__(self, cost: int = DEFAULT_COST, *, clock: Clock) -> None:
        if not MIN_COST <= cost <= MAX_COST:
            raise ValueError(f"bcrypt-cost: {cost} is not between {MIN_COST} and {MAX_COST}")
        self._cost = cost
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> bytes:
        """The hash to keep, of any password, "" too."""
        salt = os.urandom(_SALT_BYTES)
        digest = await self._compute(password, salt, self._cost)
        return b"%b%d$%b$%b" % (_PREFIX, self._cost, base64.b64encode(salt), base64.b64encode(digest))

    async def match(self, password: str, hashed: bytes) -> bool:
        """True when this hash was made of this password; never for b""."""
        parameters = _parse(hashed)
        if parameters is None:
            return False
        cost, salt, expected = parameters
        return hmac.compare_digest(await self._compute(password, salt, cost), expected)

    async def _compute(self, password: str, salt: bytes, cost: int) -> bytes:
        async with self._turns:
            with self._clock.external("password hash"):
                return await asyncio.to_thread(_scrypt, password.encode(), salt, cost)


def is_hash(hashed: bytes) -> bool:
    """True for what `Passwords.hash` makes."""
    return _parse(hashed) is not None


def _scrypt(password: bytes, salt: bytes, cost: int) -> bytes:
    rounds = 1 << (cost + 4)
    memory = 128 * _BLOCK * rounds + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=rounds, r=_BLOCK, p=1, maxmem=memory, dklen=_HASH_BYTES)


def _parse(hashed: bytes) -> tuple[int, bytes, bytes] | None:
    """(cost, salt, digest), or None."""
    if not hashed.startswith(_PREFIX):
        return None
    try:
        cost, salt, digest = hashed.removeprefix(_PREFIX).split(b"$")
        parsed = int(cost), base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except (ValueError, binascii.Error):
        return None
    return parsed if MIN_COST <= parsed[0] <= MAX_COST and parsed[1] and len(parsed[2]) == _HASH_BYTES else None
