"""The API's pod as its worker knows it: the newest state, and what of it the worker itself wrote.

The worker's own writes come back through the watch, sometimes before the answer to the write and sometimes long after.
Telling them from what others write keeps a start at one write, and puts right a status that somebody else changed.
"""

from __future__ import annotations

import asyncio
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
        self._quiet = asyncio.Event()  # clear while a status is being written
        self._quiet.set()

    def take(self, pod: Object) -> bool:
        """A state from the watch; whether somebody else wrote the status since we did."""
        old, self.pod = self.pod, pod
        version = _version(pod)
        if not self._quiet.is_set():
            return False  # this may be the echo of what is being written: `write` finds out when it has the answer
        if version < self._said_version and self._said is not None:
            self.pod = {**pod, "status": self._said}  # older than what we wrote since
        elif version > self._said_version and pods.status(pod) != pods.status(old):
            self._said = None
            return True
        elif version == self._said_version and pods.status(pod) == self._said:
            self._said = pods.status(pod)  # one copy is enough
        return False

    async def idle(self) -> None:
        """Return when no status is being written: the next is then made from the newest state."""
        await self._quiet.wait()

    async def write(self, client: Client, status: Object) -> bool:
        """Write this status where it differs; whether somebody wrote after us meanwhile. Call it after `idle`.

        A pod that is gone, or another of its name, is left alone: the watch will tell. Raises ApiError."""
        if status == self._said:
            return False
        patch = status_patch(meta.uid(self.pod), pods.status(self.pod), status)
        if patch is None:
            return False
        name, namespace = meta.name(self.pod), meta.namespace(self.pod)
        self._quiet.clear()
        try:
            answer = await client.patch(
                PODS, name, patch, PatchType.STRATEGIC, namespace=namespace, subresource="status"
            )
        except (NotFound, Conflict):
            return False
        finally:
            self._quiet.set()
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
