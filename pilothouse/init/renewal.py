"""The actor that renews a control plane's certificates while it runs.

It does what the phases `certs` and `kubeconfig` do at every start; the components look at the files by themselves.
"""

from __future__ import annotations

import asyncio

from actors import Actor
from pilothouse.init import certs, kubeconfigs
from pilothouse.init.settings import InitError, InitSettings

LOOK_SECONDS = 12 * 3600.0
"""A certificate is renewed when a third of its life is left: four months of a year."""


class Renewal(Actor):
    """Looks at the certificates twice a day."""

    def __init__(self, settings: InitSettings) -> None:
        self._settings = settings

    async def setup(self) -> None:
        self.spawn(self._look(), name="look")

    async def handle(self, message: object) -> None:
        raise TypeError(f"the renewal takes no messages, got {message!r}")

    async def _look(self) -> None:
        while True:
            await self.clock.sleep(LOOK_SECONDS)
            try:
                with self.clock.external("certificates"):
                    await asyncio.to_thread(self._renew)
            except (OSError, InitError) as error:
                # What is in use is good for months: there is time to put it right, and to try again.
                self.log.error("certificates cannot be renewed error=%s", error)

    def _renew(self) -> None:
        def say(line: str) -> None:
            self.log.info("%s", line)

        certs.run(self._settings, now=self.clock.now(), say=say)
        kubeconfigs.run(self._settings, say=say)
