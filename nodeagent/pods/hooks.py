"""Lifecycle hooks: what a pod asks to be done right after a container's start and right before its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors import Clock
from machinery.rpc import RpcError
from nodeagent.errors import ProbeFailed
from nodeagent.probes.network import Network
from nodeagent.probes.prober import Target, http_get
from nodeagent.runtime.cri import Cri

Object = Mapping[str, Any]
HTTP_TIMEOUT = 30.0


class HookFailed(Exception):
    """The hook did not do its work; the text says why."""


class Hooks:
    """Runs the hooks of one node's containers."""

    def __init__(self, cri: Cri, network: Network, clock: Clock) -> None:
        self._cri = cri
        self._network = network
        self._clock = clock

    async def run(self, handler: Object, target: Target) -> None:
        """Do what the handler says, to its end. Raises HookFailed."""
        try:
            if "exec" in handler:
                command = handler["exec"].get("command") or []
                result = await self._cri.exec_sync(target.container_id, command, timeout=0)
                if result.exit_code:
                    raise HookFailed(f"command '{' '.join(command)}' exited with {result.exit_code}")
            elif "httpGet" in handler:
                answer = await http_get(self._network, handler["httpGet"], target, HTTP_TIMEOUT)
                if answer.status >= 400:
                    raise HookFailed(f"HTTP hook answered {answer.status}")
            elif "sleep" in handler:
                await self._clock.sleep(float(handler["sleep"].get("seconds") or 0))
            else:
                raise HookFailed("invalid handler: it names no exec, httpGet or sleep")
        except RpcError as error:
            raise HookFailed(error.message) from None
        except ProbeFailed as error:
            raise HookFailed(str(error)) from None
