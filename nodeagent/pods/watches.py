"""Which probes run for a pod: one background loop of the worker per probe of a running container."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from actors import Ref
from machinery.objects import pod as pods
from nodeagent.pods import plan as plans
from nodeagent.pods.events import PodEvents
from nodeagent.pods.memory import Memory
from nodeagent.probes.prober import KINDS, Prober, Target, Verdict
from nodeagent.runtime.model import Container, Observed

Object = Mapping[str, Any]


class ProbeWatches:
    """The probe loops of one pod. spawn: starts a background task of the worker; verdicts go to `worker`."""

    def __init__(
        self, prober: Prober, memory: Memory, spawn: Callable[..., asyncio.Task[Any]], worker: Ref, events: PodEvents
    ) -> None:
        self._prober = prober
        self._memory = memory
        self._spawn = spawn
        self._worker = worker
        self._events = events
        self._running: dict[tuple[str, str], asyncio.Task[Any]] = {}

    def watch(self, pod: Object, observed: Observed, ip: str) -> None:
        """Run a loop for every probe of every running container, and no other."""
        wanted: dict[tuple[str, str], tuple[Object, Container]] = {}
        specs: tuple[Object, ...] = (*pods.init_containers(pod), *pods.containers(pod))
        for spec in specs:
            probes = [kind for kind, key in KINDS.items() if spec.get(key)]
            container = observed.latest(spec["name"]) if probes else None
            if container is None or not container.running or container.id in self._memory.unhealthy:
                continue
            for kind in probes:
                if kind != "startup" or container.id not in self._memory.started:
                    wanted[container.id, kind] = (spec, container)
        for key in [key for key in self._running if key not in wanted]:
            self._running.pop(key).cancel()
        for key, (probed, running) in wanted.items():
            if key not in self._running:
                self._running[key] = self._begin(key[1], probed, running, ip)

    def stop(self) -> None:
        """End all loops."""
        for task in self._running.values():
            task.cancel()
        self._running.clear()

    def _begin(self, kind: str, spec: Object, container: Container, ip: str) -> asyncio.Task[Any]:
        target = Target(spec, container.id, ip, container.started_at / 1e9)

        def may_run() -> bool:
            return kind == "startup" or plans.started(spec, container, self._memory)

        async def report(verdict: Verdict) -> None:
            await self._worker.tell(verdict)

        loop = self._prober.watch(kind, target, self._events, may_run=may_run, report=report)
        return self._spawn(loop, name=f"{kind} {container.name}")
