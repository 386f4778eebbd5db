"""grpc.health.v1.Health: SERVING while the store runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

from etcdlite.parts import Parts
from machinery.rpc.api import Call, Code, RpcError
from protos.pool import messages

pb = messages("grpc.health.v1")


class Health:
    """services: the full names that can be asked for, beside the server as a whole ("").

    Alarms do not count, as in etcd: a store that takes no more writes still serves."""

    def __init__(self, parts: Parts, *, services: Collection[str]) -> None:
        self._parts = parts
        self._services = services

    async def Check(self, request: Any, call: Call) -> Any:
        if request.service and request.service not in self._services:
            raise RpcError(Code.NOT_FOUND, "unknown service")
        return self._status()

    async def Watch(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """The status now and whenever it changes. A service that this server does not have is not an error here: as
        the protocol wants it, the call goes on."""
        known = not request.service or request.service in self._services
        said = None
        while True:
            status = self._status() if known else pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != said:
                said = status
                yield status
            else:
                await self._parts.changed()

    def _status(self) -> Any:
        status = pb.HealthCheckResponse
        return status(status=status.SERVING if self._parts.open.is_set() else status.NOT_SERVING)
