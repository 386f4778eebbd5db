"""The supervision tree of a scheduler.

scheduler ── informers ── one actor per resource
          ├─ events            writes Events
          ├─ core (one for all) ── api       one actor per binding and preemption under way
          │                     ├─ reporter  writes conditions
          │                     └─ cycle     owns cache and queue, places pods
          └─ elector           only with leader election
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from actors import Actor, ChildSpec, Clock, DynamicSupervisor, Ref, Strategy, Supervisor
from machinery.client.api import Client
from machinery.controller.elector import Elector, LeaseSettings
from machinery.controller.recorder import Events
from machinery.informer.informer import Informers
from scheduler.config import Config

if TYPE_CHECKING:
    from scheduler.diagnosis import Decision

LEASE = "kube-scheduler"


class Scheduler:
    """Places the pods that name it. `client` speaks as `system:kube-scheduler`.

    Raises BadConfig for names of plugins that do not exist (when its tree starts).
    """

    def __init__(self, config: Config, *, clock: Clock, client: Client) -> None:
        self.config = config
        self._clock = clock
        self._client = client
        self.informers = Informers(client)
        self._events = Events(client)
        self._pool: DynamicSupervisor | None = None
        self._core: Supervisor | None = None
        self._cycle: Ref | None = None
        self._leads = not config.leader_elect
        self._ready = asyncio.Event()

    def spec(self) -> ChildSpec:
        """The tree; started by whoever composes it."""
        return ChildSpec("scheduler", start=lambda: Supervisor(self._children()))

    def services(self) -> Mapping[str, object]:
        """None: a scheduler only calls."""
        return {}

    async def ready(self) -> None:
        """Return when nodes and pods are known, so that pods are being placed."""
        await self._ready.wait()

    async def why(self, namespace: str, name: str) -> Decision | None:
        """The last decision about a pod; None when there was none, or it was long ago."""
        from scheduler.cycle import Why

        if self._cycle is None:
            return None
        decision: Decision | None = await self._cycle.ask(Why(f"{namespace}/{name}"))
        return decision

    def _children(self) -> Sequence[ChildSpec]:
        children = [self.informers.spec(), self._events.spec(), ChildSpec("core", start=self._start_core)]
        if self.config.leader_elect:
            children.append(ChildSpec("elector", start=self._elector))
        return children

    def _start_core(self) -> Supervisor:
        self._core = Supervisor(
            [
                ChildSpec("api", start=self._start_pool),
                ChildSpec("reporter", start=self._reporter),
                ChildSpec("cycle", start=self._start_cycle),
            ],
            strategy=Strategy.ONE_FOR_ALL,
        )
        return self._core

    def _start_pool(self) -> DynamicSupervisor:
        self._pool = DynamicSupervisor()
        return self._pool

    def _running_pool(self) -> DynamicSupervisor:
        assert self._pool is not None, "the pool starts before the cycle"
        return self._pool

    def _reporter(self) -> Actor:
        from scheduler.reporter import Reporter

        return Reporter(self._client)

    def _reporter_ref(self) -> Ref:
        assert self._core is not None, "the reporter starts before the cycle"
        return self._core.child("reporter")

    def _start_cycle(self) -> Actor:
        from scheduler.cycle import Cycle  # NumPy comes with it: nothing before this needs it

        return Cycle(
            self.config,
            client=self._client,
            informers=self.informers,
            recorder=self._events.recorder(self.config.scheduler_name),
            pool=self._running_pool,
            reporter=self._reporter_ref,
            leads=self._leads,
            synced=self._ready.set,
            attached=self._attach,
        )

    def _attach(self, cycle: Ref) -> None:
        self._cycle = cycle

    def _elector(self) -> Elector:
        return Elector(
            self._client,
            LeaseSettings(
                name=LEASE,
                identity=self.config.identity,
                lease_duration=self.config.leader_elect_lease_duration,
                renew_deadline=self.config.leader_elect_renew_deadline,
                retry_period=self.config.leader_elect_retry_period,
            ),
            recorder=self._events.recorder(self.config.scheduler_name),
            started=self._lead,
            stopped=self._yield,
        )

    async def _lead(self) -> None:
        from scheduler.cycle import Lead

        self._leads = True
        if self._cycle is not None:
            await self._cycle.ask(Lead())

    async def _yield(self) -> None:
        from scheduler.cycle import Yield

        self._leads = False
        if self._cycle is not None:
            await self._cycle.ask(Yield())
