"""Stopping containers: preStop hook, TERM, grace, KILL. Rules and texts: kubelet's killContainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from machinery.objects import pod as pods
from machinery.rpc import RpcError
from nodeagent.pods.context import NodeContext
from nodeagent.pods.events import PodEvents
from nodeagent.pods.hooks import HookFailed
from nodeagent.pods.plan import spec_named
from nodeagent.probes.prober import KINDS, Target
from nodeagent.runtime.model import Container

Object = Mapping[str, Any]

MIN_GRACE = 2
"""Seconds that a container gets after its preStop hook used up the grace period."""


class Ender:
    """Stops the containers of one pod."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node

    async def stop(
        self, pod: Object, container: Container, *, ip: str, grace: int, message: str, events: PodEvents
    ) -> None:
        """Stop it and wait until it has ended. grace: seconds for hook and container together.

        A runtime that fails to is asked again at the next look at the pod: RpcError is not raised."""
        spec = spec_named(pod, container.name)
        events.normal("Killing", message or f"Stopping container {container.name}", container=spec)
        clock = self._node.clock
        hook = ((spec or {}).get("lifecycle") or {}).get("preStop")
        if hook and spec is not None and grace > 0:
            began = clock.monotonic()
            try:
                async with clock.timeout(grace):
                    await self._node.hooks.run(hook, Target(spec, container.id, ip, container.started_at / 1e9))
            except HookFailed:
                events.warning("FailedPreStopHook", "PreStopHook failed", container=spec)
            except TimeoutError:
                pass  # the hook has used the whole grace period; upstream says nothing either
            grace = max(MIN_GRACE, grace - int(clock.monotonic() - began))
        try:
            await self._node.cri.stop_container(container.id, grace=grace)
        except RpcError as error:
            said = f"error killing pod: failed to stop container {container.name}: {error.message}"
            events.warning("FailedKillPod", said)


def probe_grace(pod: Object, container: Container, message: str) -> int:
    """The grace of a container that its probe condemned: the probe's own, else the pod's."""
    spec = spec_named(pod, container.name) or {}
    for kind in ("startup", "liveness"):
        own = (spec.get(KINDS[kind]) or {}).get("terminationGracePeriodSeconds")
        if own is not None and f"failed {kind} probe" in message:
            return int(own)
    return pods.grace_seconds(pod)
