"""The supervision tree of a controllermgr.

    controllermgr ── informers ── one actor per resource
                  ├─ events            writes Events
                  ├─ loops (one for all) ── units ── one controller per active unit
                  │                      └─ manager
                  └─ elector           only with leader election

The informers are shared by all controllers, and outlive their crashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from actors import ChildSpec, Clock, Ref, Strategy, Supervisor
from controllermgr.config import Config, selects, unknown_names
from controllermgr.control import UnitsService
from controllermgr.errors import BadConfig
from controllermgr.manager import Lead, Manager, UnitSupervisor, UnitTable, Yield
from controllermgr.registry import collect
from machinery.client.api import Client
from machinery.controller.elector import Elector, LeaseSettings
from machinery.controller.recorder import Events
from machinery.controller.spec import ControllerSpec
from machinery.informer import Informers

LEASE = "kube-controller-manager"


def check(config: Config, extra: Sequence[ControllerSpec] = ()) -> Mapping[str, ControllerSpec]:
    """The controllers that there are, by name. Raises BadConfig when the configuration names one that there is not."""
    specs = collect(extra)
    if unknown := unknown_names(config.controllers, specs):
        raise BadConfig(f"--controllers: {unknown[0]!r} is not in the list of known controllers")
    return specs


class ControllerManager:
    """All loops over one API. `client` speaks as `system:kube-controller-manager`.

    extra: further controllers beside the registered ones. Raises BadConfig for names of controllers that do not exist.
    """

    def __init__(self, config: Config, *, clock: Clock, client: Client, extra: Sequence[ControllerSpec] = ()) -> None:
        self.config = config
        self._clock = clock
        self._client = client
        self._specs = check(config, extra)
        self.informers = Informers(client)
        self._events = Events(client)
        self._table = UnitTable()
        self._units: UnitSupervisor | None = None
        self._manager: Ref | None = None
        self._ready = asyncio.Event()
        self._working = asyncio.Event()

    def spec(self) -> ChildSpec:
        """The tree; started by whoever composes it."""
        return ChildSpec("controllermgr", start=lambda: Supervisor(self._children()))

    def services(self) -> Mapping[str, object]:
        """`pilot.v1.Units`."""
        return {"pilot.v1.Units": UnitsService(lambda: self._manager, self._table)}

    async def ready(self) -> None:
        """Return when the manager runs and has told its units to start (or waits for its turn to lead)."""
        await self._ready.wait()

    async def working(self) -> None:
        """Return when it does what it is there for, which takes an API that answers: the caches of all units that it
        runs are filled, or another leads and it waits for its turn."""
        await self._working.wait()

    def _children(self) -> Sequence[ChildSpec]:
        children = [self.informers.spec(), self._events.spec(), ChildSpec("loops", start=self._loops)]
        if self.config.leader_elect:
            children.append(ChildSpec("elector", start=self._elector))
        return children

    def _loops(self) -> Supervisor:
        return Supervisor(
            [ChildSpec("units", start=self._unit_supervisor), ChildSpec("manager", start=self._start_manager)],
            strategy=Strategy.ONE_FOR_ALL,
        )

    def _unit_supervisor(self) -> UnitSupervisor:
        self._units = UnitSupervisor()
        return self._units

    def _running_units(self) -> UnitSupervisor:
        assert self._units is not None, "the units' supervisor starts before the manager"
        return self._units

    def _start_manager(self) -> Manager:
        return Manager(
            self._specs,
            client=self._client,
            informers=self.informers,
            events=self._events,
            supervisor=self._running_units,
            table=self._table,
            selected=lambda spec: selects(self.config.controllers, spec),
            settings=self.config.unit_settings(),
            drop_ins=self.config.drop_in_dir,
            lead_at_once=not self.config.leader_elect,
            attached=self._attach,
            settled=self._working.set,
        )

    def _attach(self, manager: Ref) -> None:
        self._manager = manager
        self._ready.set()

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
            recorder=self._events.recorder(LEASE),
            started=self._lead,
            stopped=self._yield,
            following=lambda leader: self._working.set(),
        )

    async def _lead(self) -> None:
        await self._tell_manager(Lead())

    async def _yield(self) -> None:
        await self._tell_manager(Yield())

    async def _tell_manager(self, message: Lead | Yield) -> None:
        assert self._manager is not None, "the elector starts after the manager"
        await self._manager.ask(message)
