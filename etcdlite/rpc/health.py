"""grpc.health.v1.Health: SERVING while the store runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

from actors import Clock
from etcdlite.parts import Parts
from machinery.rpc.api import Call, Code, RpcError
from protos.pool import messages

pb = messages("grpc.health.v1")

INTERVAL = 5.0
"""Seconds between looks of a health watch."""


class Health:
    """services: the full names that can be asked for, beside the server as a whole ("")."""

    def __init__(self, parts: Parts, *, services: Collection[str], clock: Clock) -> None:
        self._parts = parts
        self._services = services
        self._clock = clock

    async def Check(self, request: Any, call: Call) -> Any:
        if request.service and request.service not in self._services:
            raise RpcError(Code.NOT_FOUND, f"unknown service {request.service}")
        return self._status()

    async def Watch(self, request: Any, call: Call) -> AsyncIterator[Any]:
        if request.service and request.service not in self._services:
            yield pb.HealthCheckResponse(status=pb.HealthCheckResponse.SERVICE_UNKNOWN)
            return
        said = None
        while True:
            status = self._status()
            if status != said:
                said = status
                yield status
            await self._clock.sleep(INTERVAL)

    def _status(self) -> Any:
        status = pb.HealthCheckResponse
        return status(status=status.SERVING if self._parts.open.is_set() else status.NOT_SERVING)
