"""The actor that shows a renewed serving certificate without a restart: it looks at the files once a minute."""

from __future__ import annotations

from collections.abc import Callable

from actors import Actor
from machinery.pki.tls import TlsError, TlsFiles

LOOK_SECONDS = 60.0


class Renewal(Actor):
    """renew: takes the new (certificate, key), both PEM; raises TlsError when they do not fit."""

    def __init__(self, files: TlsFiles, renew: Callable[[bytes, bytes], None]) -> None:
        self._files = files
        self._renew = renew

    async def setup(self) -> None:
        self.spawn(self._look(), name="look")

    async def _look(self) -> None:
        seen = self._files.version()
        while True:
            await self.clock.sleep(LOOK_SECONDS)
            version = self._files.version()
            if version == seen:
                continue
            try:
                identity = self._files.read()
                self._renew(identity.cert, identity.key)
            except TlsError as error:
                # Half-written, or wrong: what is shown stays valid until somebody puts it right.
                self.log.warning("renewed certificate not taken error=%s", error)
                continue
            seen = version
            self.log.info("serving certificate renewed")
