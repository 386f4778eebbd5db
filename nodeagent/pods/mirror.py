"""The API's pod as its worker knows it: the newest state, and what of it the worker itself wrote.

The worker's own writes come back through the watch, sometimes before the answer to the write and sometimes long after.
Telling them from what others write keeps a start at one write, and puts right a status that somebody else changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from machinery.client.api import Client, PatchType
from machinery.client.resources import PODS
from machinery.errors import Conflict, NotFound
from machinery.objects import meta
from machinery.objects import pod as pods
from nodeagent.pods.patch import status_patch

Object = dict[str, Any]


class PodMirror:
    """See the module. `pod` is read-only to others."""

    def __init__(self, pod: Object) -> None:
        self.pod = pod
        self._said: Object | None = None
        self._said_version = 0
        self._writing = asyncio.Lock()

    def take(self, pod: Object) -> bool:
        """A state from the watch; whether somebody else wrote the status since we did."""
        old, self.pod = self.pod, pod
        version = _version(pod)
        if self._writing.locked():
            return False  # this may be the echo of what is being written: `write` finds out when it has the answer
        if version < self._said_version and self._said is not None:
            self.pod = {**pod, "status": self._said}  # older than what we wrote since
        elif version > self._said_version and pods.status(pod) != pods.status(old):
            self._said = None
            return True
        elif version == self._said_version and pods.status(pod) == self._said:
            self._said = pods.status(pod)  # one copy is enough
        return False

    async def write(self, client: Client, make: Callable[[], Object]) -> bool:
        """Write the status where it differs; whether somebody wrote after us meanwhile.

        make: the status, made when no other is being written, so from the newest state. A pod that is gone, or another
        of its name, is left alone: the watch will tell. Raises ApiError."""
        async with self._writing:
            return await self._write(client, make())

    async def _write(self, client: Client, status: Object) -> bool:
        if status == self._said:
            return False
        patch = status_patch(meta.uid(self.pod), pods.status(self.pod), status)
        if patch is None:
            return False
        name, namespace = meta.name(self.pod), meta.namespace(self.pod)
        try:
            answer = await client.patch(
                PODS, name, patch, PatchType.STRATEGIC, namespace=namespace, subresource="status"
            )
        except (NotFound, Conflict):
            return False
        self._said = status
        self._said_version = _version(answer)
        if _version(self.pod) > self._said_version:
            self._said = None
            return True
        if _version(self.pod) < self._said_version:
            self.pod = {**self.pod, "status": status}
        return False


def _version(pod: Object) -> int:
    return int(meta.resource_version(pod) or 0)
