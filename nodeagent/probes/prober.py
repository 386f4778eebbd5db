"""Running probes: one loop per probe of a running container, and what one probe is.

Rules and texts: kubelet's pkg/kubelet/prober. A loop sleeps between probes and reports changes of its verdict; it
belongs to the worker of its pod, which ends it together with the container.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actors import Clock
from machinery.rpc import Code, RpcError
from nodeagent.errors import ProbeFailed, rpc_text
from nodeagent.pods.events import PodEvents
from nodeagent.probes.network import Network
from nodeagent.probes.threshold import Threshold
from nodeagent.runtime.cri import Cri

Object = Mapping[str, Any]

KINDS = {"startup": "startupProbe", "readiness": "readinessProbe", "liveness": "livenessProbe"}


@dataclass(frozen=True, slots=True)
class Target:
    """The container that a probe asks."""

    spec: Object
    container_id: str
    ip: str
    started_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A probe's verdict changed."""

    kind: str
    container_id: str
    ok: bool
    container: str
    """Its name."""


class Prober:
    """Probes the containers of one node."""

    def __init__(self, cri: Cri, network: Network, clock: Clock) -> None:
        self._cri = cri
        self._network = network
        self._clock = clock

    async def watch(
        self,
        kind: str,
        target: Target,
        events: PodEvents,
        *,
        may_run: Callable[[], bool],
        report: Callable[[Verdict], Awaitable[None]],
    ) -> None:
        """Probe until cancelled; a startup probe until it succeeded, a failed liveness probe no more.

        may_run: whether it is this probe's turn (the others wait for the startup probe)."""
        probe = target.spec[KINDS[kind]]
        period = float(probe.get("periodSeconds") or 10)
        threshold = Threshold(int(probe.get("successThreshold") or 1), int(probe.get("failureThreshold") or 3))
        since = self._clock.now().timestamp() - target.started_at
        delay = float(probe.get("initialDelaySeconds") or 0) - since
        if delay > 0:
            await self._clock.sleep(delay)
        while True:
            if may_run():
                failure = await self.once(probe, target)
                if failure is not None:
                    said = f"{kind.capitalize()} probe failed: {failure}"
                    events.warning("Unhealthy", said, container=target.spec)
                if threshold.record(failure is None):
                    await report(Verdict(kind, target.container_id, failure is None, target.spec["name"]))
                    if (kind == "startup") or (kind == "liveness" and failure is not None):
                        return
            await self._clock.sleep(period)

    async def once(self, probe: Object, target: Target) -> str | None:
        """One probe: None when it succeeded, else its output."""
        timeout = float(probe.get("timeoutSeconds") or 1)
        try:
            if "exec" in probe:
                return await self._exec(probe["exec"].get("command") or [], target, int(timeout))
            if "httpGet" in probe:
                answer = await http_get(self._network, probe["httpGet"], target, timeout)
                if 200 <= answer.status < 400:
                    return None
                return f"HTTP probe failed with statuscode: {answer.status}"
            if "tcpSocket" in probe:
                handler = probe["tcpSocket"]
                port = port_number(handler.get("port"), target.spec)
                await self._network.tcp(handler.get("host") or target.ip, port, timeout=timeout)
                return None
            if "grpc" in probe:
                handler = probe["grpc"]
                said = await self._network.grpc(
                    target.ip, int(handler["port"]), handler.get("service") or "", timeout=timeout
                )
                return None if said == "SERVING" else f'service unhealthy (responded with "{said}")'
        except ProbeFailed as error:
            return str(error)
        return "missing probe handler"

    async def _exec(self, command: list[str], target: Target, timeout: int) -> str | None:
        try:
            result = await self._cri.exec_sync(target.container_id, command, timeout=timeout)
        except RpcError as error:
            if error.code is Code.DEADLINE_EXCEEDED:
                return f'command timed out: "{" ".join(command)}" timed out after {timeout}s'
            return rpc_text(error)
        if result.exit_code == 0:
            return None
        return (result.stdout + result.stderr)[:10240].decode(errors="replace")


async def http_get(network: Network, handler: Object, target: Target, timeout: float) -> Any:
    """The answer to an httpGet handler of a probe or a hook. Raises ProbeFailed."""
    scheme = str(handler.get("scheme") or "HTTP").lower()
    host = handler.get("host") or target.ip
    path = str(handler.get("path") or "/")
    port = port_number(handler.get("port"), target.spec)
    shown = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{shown}:{port}{path if path.startswith('/') else '/' + path}"
    headers = {each["name"]: each["value"] for each in handler.get("httpHeaders") or ()}
    return await network.http(url, headers=headers, timeout=timeout)


def port_number(port: Any, container: Object) -> int:
    """A port given by number or by name. Raises ProbeFailed."""
    if isinstance(port, int):
        return port
    for each in container.get("ports") or ():
        if each.get("name") == port:
            return int(each["containerPort"])
    if str(port).isdigit():
        return int(port)
    raise ProbeFailed(f"couldn't find port: {port!r}")
