"""ConfigMaps and Secrets on demand: fetched when a pod needs them, shared for a moment by all pods that need the same.

A thousand pods of one namespace start with one GET per second for the root certificate, not with a thousand. What was
changed before a pod was made is at most `FRESH` seconds late in it; kubelet's own cache allows a minute.
"""

from __future__ import annotations

import asyncio
from typing import Any

from actors import Clock
from machinery.client.api import Client, Object
from machinery.client.resources import CONFIG_MAPS, SECRETS
from machinery.errors import NotFound
from machinery.objects.gvk import GVR

FRESH = 1.0
"""Seconds that an answer is good for."""

_Key = tuple[GVR, str, str]


class References:
    """Shared by all pods of an agent."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._held: dict[_Key, tuple[float, Object | None]] = {}
        self._asked: dict[_Key, asyncio.Future[Object | None]] = {}

    async def config_map(self, namespace: str, name: str) -> Object | None:
        """The config map; None when there is none. Raises ApiError when the API does not answer."""
        return await self._get((CONFIG_MAPS, namespace, name))

    async def secret(self, namespace: str, name: str) -> Object | None:
        """The secret; None when there is none. Raises ApiError when the API does not answer."""
        return await self._get((SECRETS, namespace, name))

    async def _get(self, key: _Key) -> Object | None:
        now = self._clock.monotonic()
        held = self._held.get(key)
        if held is not None and held[0] > now:
            return held[1]
        if (asked := self._asked.get(key)) is not None:
            return await asyncio.shield(asked)
        answer: asyncio.Future[Object | None] = asyncio.get_running_loop().create_future()
        self._asked[key] = answer
        try:
            found = await self._fetch(key)
        except BaseException as error:
            # Whoever waits for the same asks for itself; nobody may be left with an unseen exception.
            answer.set_exception(error if isinstance(error, Exception) else ConnectionAbortedError("asker left"))
            answer.exception()
            raise
        finally:
            del self._asked[key]
        if found is not None:
            self._forget_old(now)
            self._held[key] = (now + FRESH, found)
        answer.set_result(found)
        return found

    async def _fetch(self, key: _Key) -> Object | None:
        resource, namespace, name = key
        try:
            return await self._client.get(resource, name, namespace=namespace)
        except NotFound:
            return None

    def _forget_old(self, now: float) -> None:
        if len(self._held) > 256:
            self._held = {key: held for key, held in self._held.items() if held[0] > now}


def data_of(obj: Object) -> dict[str, bytes]:
    """Every key of a ConfigMap or Secret with its bytes."""
    import base64

    if obj.get("kind") == "Secret" or "type" in obj:
        return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
    found: dict[str, Any] = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    found |= {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}
    return found
