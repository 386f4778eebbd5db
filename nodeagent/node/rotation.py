"""Renews the agent's own client certificate while it runs, as kubelet does (RotateKubeletClientCertificate).

Between 70 and 90 percent of the certificate's life, at a moment of its own for every node, the agent makes a new key,
asks for a certificate as the node that it is, and replaces the file that holds both in one step. Whoever dies in
between leaves the old pair, which is good for weeks, or the new one. Connections show the new certificate by
`machinery.rpc.renewing`; pods never notice. Numbers are client-go's certificate manager's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from actors import Actor
from machinery.client.api import Client
from machinery.errors import ApiError
from machinery.pki import request
from machinery.pki.files import write_file
from machinery.pki.tls import Identity, TlsError

EARLIEST, LATEST = 0.7, 0.9
ANSWER_SECONDS = 15 * 60.0
"""How long one request may wait for its certificate."""
FIRST_RETRY, LAST_RETRY = 2.0, 32.0
LOOK_SECONDS = 3600.0
"""The longest sleep: the clock may be set meanwhile, the file replaced."""


def deadline(begin: datetime, end: datetime, *, chance: float) -> datetime:
    """When to renew a certificate that is valid from `begin` to `end`; chance: 0 to 1, this node's own."""
    return begin + (end - begin) * (EARLIEST + (LATEST - EARLIEST) * chance)


class Rotation(Actor):
    """Keeps the certificate in `path` (with its key) from running out.

    client: asks as the node. renewed: called when the file holds a new pair. chance: see `deadline`."""

    def __init__(
        self, client: Client, node: str, path: Path, *, renewed: Callable[[], None], chance: float | None = None
    ) -> None:
        self._client = client
        self._node = node
        self._path = path
        self._renewed = renewed
        self._chance = random.random() if chance is None else chance

    async def setup(self) -> None:
        self.spawn(self._keep(), name="keep")

    async def handle(self, message: object) -> None:
        raise TypeError(f"the rotation takes no messages, got {message!r}")

    async def _keep(self) -> None:
        retry = FIRST_RETRY
        while True:
            wait = await self._seconds_left()
            if wait > 0:
                await self.clock.sleep(min(wait, LOOK_SECONDS))
                continue
            try:
                await self._renew()
                retry = FIRST_RETRY
                await self.clock.sleep(LAST_RETRY)  # a signer whose certificates are due at once is not flooded
            except (ApiError, request.RequestError, TlsError, OSError) as error:
                self.log.warning("client certificate not renewed, will retry error=%s", error)
                await self.clock.sleep(retry)
                retry = min(2 * retry, LAST_RETRY)

    async def _seconds_left(self) -> float:
        """Until the certificate in the file is due; 0 when there is none that could be used."""
        try:
            with self.clock.external("read certificate"):
                both = await asyncio.to_thread(self._path.read_bytes)
            Identity(both, both).checked()
        except (OSError, TlsError) as error:
            self.log.error("client certificate unusable, asking for another error=%s", error)
            return 0.0
        begin, end = request.validity(both)
        return (deadline(begin, end, chance=self._chance) - self.clock.now()).total_seconds()

    async def _renew(self) -> None:
        self.log.info("renewing client certificate node=%s", self._node)
        issued = await request.obtain(self._client, self._node, clock=self.clock, timeout=ANSWER_SECONDS)
        Identity(issued.certificate, issued.key).checked()
        with self.clock.external("write certificate"):
            await asyncio.to_thread(write_file, self._path, issued.certificate + issued.key, secret=True)
        self.log.info(
            "client certificate renewed node=%s until=%s", self._node, request.validity(issued.certificate)[1]
        )
        self._renewed()
