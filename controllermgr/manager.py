"""The actor that runs the units: it owns their states, launches their controllers, and does what the table asks.

A unit's controller is a temporary child of `UnitSupervisor`: it is never restarted there, its end is told to the
manager, and the manager decides (`unit.TABLE`). So a controller that crashes concerns its unit alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from actors import Actor, ChildSpec, DeadRef, DynamicSupervisor, OnLimit, Ref, Restart
from actors.cell import Cell
from actors.clock import Timer
from controllermgr import dropin
from controllermgr.errors import BadVerb, NoSuchUnit, StartLimitHit
from controllermgr.journal import Journal, UnitLog
from controllermgr.unit import Act, Event, State, Unit, check_order
from machinery.client.api import Client
from machinery.controller.controller import Controller, ControllerStats, Environment, WatchdogExpired
from machinery.controller.recorder import Events
from machinery.controller.spec import ControllerSpec
from machinery.informer import Informers

log = logging.getLogger(__name__)

VERBS = ("start", "stop", "restart", "reset-failed", "enable", "disable")
SETTLED = (State.ACTIVE, State.FAILED, State.INACTIVE)
"""States in which a unit keeps nobody waiting who comes after it."""


@dataclass(frozen=True, slots=True)
class Control:
    """Ask: do `verb` to the unit and answer its UnitStatus. Raises NoSuchUnit, BadVerb, StartLimitHit."""

    name: str
    verb: str


@dataclass(frozen=True, slots=True)
class ListUnits:
    """Ask: the UnitStatus of every unit, by name."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Tell: start all enabled units (we are the leader, or need not be)."""


@dataclass(frozen=True, slots=True)
class Yield:
    """Tell: stop all units (somebody else leads)."""


@dataclass(frozen=True, slots=True)
class ControllerProgressed:
    name: str
    run: int
    active: bool
    sub_state: str


@dataclass(frozen=True, slots=True)
class ControllerExited:
    name: str
    run: int
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class BackoffElapsed:
    name: str
    run: int


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """What is told about one unit."""

    name: str
    description: str
    state: State
    sub_state: str
    enabled: bool
    after: tuple[str, ...]
    restarts: int
    since: datetime | None
    result: str
    last_error: str
    stats: ControllerStats


@dataclass(slots=True)
class Entry:
    """A unit with all that belongs to it."""

    spec: ControllerSpec
    unit: Unit
    journal: Journal
    log: UnitLog
    stats: ControllerStats = field(default_factory=ControllerStats)
    run: int = 0
    """Counts launches; news of a former run is not heard."""
    waiting: bool = False
    """Activating, and not yet launched for the sake of the order."""
    timer: Timer | None = None


class UnitSupervisor(DynamicSupervisor):
    """The parent of all running controllers; `exited` is told of each that ended by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.exited: Callable[[str, BaseException | None], None] = lambda name, error: None

    def child_exited(self, cell: Cell, error: BaseException | None) -> None:
        super().child_exited(cell, error)
        self.exited(cell.spec.name, error)


class UnitTable:
    """The units as others may read them while the manager runs: journals and states, never changed from outside."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def resolve(self, name: str) -> Entry:
        """The unit of that name or alias. Raises NoSuchUnit."""
        found = self.entries.get(name) or self.entries.get(name.removesuffix("-controller"))
        if found is None:
            for entry in self.entries.values():
                if name in entry.spec.aliases or name.removesuffix("-controller") in entry.spec.aliases:
                    return entry
            raise NoSuchUnit(name)
        return found


class Manager(Actor):
    """See the module. specs: the controllers; selected: whether a unit is enabled when no drop-in says so.

    settings: by unit, what the process's flags say to its controller; a drop-in's `config` goes before it.
    settled: called when we lead and no enabled unit is on its way any more.
    """

    rejects = (NoSuchUnit, BadVerb, StartLimitHit)

    def __init__(
        self,
        specs: Mapping[str, ControllerSpec],
        *,
        client: Client,
        informers: Informers,
        events: Events,
        supervisor: Callable[[], UnitSupervisor],
        table: UnitTable,
        selected: Callable[[ControllerSpec], bool],
        settings: Mapping[str, Mapping[str, Any]],
        drop_ins: Path | None = None,
        lead_at_once: bool = True,
        attached: Callable[[Ref], None] = lambda ref: None,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._specs = specs
        self._client = client
        self._informers = informers
        self._events = events
        self._supervisor_of = supervisor
        self._table = table
        self._selected = selected
        self._settings = settings
        self._drop_ins = drop_ins
        self._lead_at_once = lead_at_once
        self._attached = attached
        self._settled = settled
        self._leading = False

    async def setup(self) -> None:
        self._supervisor = self._supervisor_of()
        self._supervisor.exited = self._exited
        loaded = await asyncio.to_thread(self._load) if self._drop_ins else {}
        self._table.entries.clear()
        for name, spec in self._specs.items():
            drop_in = loaded.get(name, dropin.DropIn())
            spec = drop_in.spec(spec)
            enabled = self._selected(spec) if drop_in.enabled is None else drop_in.enabled
            journal = Journal(self.clock)
            unit = Unit(name, enabled, drop_in.limits(), since=self.clock.now())
            self._table.entries[name] = Entry(spec, unit, journal, UnitLog(log, name, journal))
        check_order({name: entry.spec.after for name, entry in self._table.entries.items()})
        self._attached(self.ref)
        if self._lead_at_once:
            await self._lead()

    async def teardown(self) -> None:
        for entry in self._table.entries.values():
            if entry.timer is not None:
                entry.timer.cancel()

    async def handle(self, message: Any) -> Any:
        match message:
            case ListUnits():
                return [status_of(self._table.entries[name]) for name in sorted(self._table.entries)]
            case Control(name, verb):
                entry = self._table.resolve(name)
                await self._control(entry, verb)
                return status_of(entry)
            case ControllerProgressed(name, run, active, sub_state):
                entry = self._table.entries[name]
                if run == entry.run:
                    if active:
                        await self._on(entry, Event.READY)
                    entry.unit.sub_state = sub_state
            case ControllerExited(name, run, error):
                entry = self._table.entries[name]
                if run == entry.run:
                    self._note_exit(entry, error)
                    await self._on(entry, Event.CRASHED)
            case BackoffElapsed(name, run):
                entry = self._table.entries[name]
                if run == entry.run:
                    await self._on(entry, Event.ELAPSED)
            case Lead():
                await self._lead()
            case Yield():
                await self._yield()
        return None

    # -- what people and the election ask

    async def _control(self, entry: Entry, verb: str) -> None:
        match verb:
            case "start":
                await self._start(entry)
            case "stop":
                await self._on(entry, Event.STOP)
            case "restart":
                await self._on(entry, Event.STOP)
                await self._start(entry)
            case "reset-failed":
                await self._on(entry, Event.RESET)
            case "enable" | "disable":
                entry.unit.enabled = verb == "enable"
                if self._drop_ins is not None:
                    await asyncio.to_thread(
                        dropin.write_enablement, self._drop_ins, entry.unit.name, enabled=entry.unit.enabled
                    )
                entry.log.info("unit %sd", verb)
            case _:
                raise BadVerb(verb, VERBS)

    async def _start(self, entry: Entry) -> None:
        await self._on(entry, Event.START)
        if entry.unit.state is State.FAILED:
            raise StartLimitHit(entry.unit.name)

    async def _lead(self) -> None:
        self._leading = True
        # All are activating before the first is launched, so that the order holds whatever the table's order is.
        for entry in self._table.entries.values():
            if entry.unit.enabled:
                await self._on(entry, Event.START, launch=False)
        await self._launch_ready()

    async def _yield(self) -> None:
        self._leading = False
        for entry in reversed(list(self._table.entries.values())):
            await self._on(entry, Event.STOP)

    # -- what the table asks

    async def _on(self, entry: Entry, event: Event, *, launch: bool = True) -> None:
        unit, former = entry.unit, entry.unit.state
        act = unit.on(event, now=self.clock.now(), at=self.clock.monotonic())
        if unit.state is former:
            return
        entry.log.info("unit %s", unit.state.value)
        match act:
            case Act.LAUNCH:
                self._cancel(entry)
                entry.waiting = True
            case Act.WAIT:
                run = entry.run
                entry.timer = self.clock.call_later(unit.delay, lambda: self._tell(BackoffElapsed(unit.name, run)))
            case Act.CANCEL:
                self._cancel(entry)
            case Act.HALT:
                entry.waiting = False
                entry.run += 1  # nothing the ending run says counts any more
                await self._supervisor.stop_child(unit.name)
                await self._on(entry, Event.ENDED)
            case Act.NOTHING:
                pass
        if launch:
            await self._launch_ready()

    async def _launch_ready(self) -> None:
        entries = self._table.entries
        for entry in list(entries.values()):
            if not entry.waiting:
                continue
            holding = [name for name in entry.spec.after if name in entries and entries[name].unit.state not in SETTLED]
            if holding:
                entry.unit.sub_state = f"waiting for {', '.join(holding)}"
                continue
            entry.waiting = False
            await self._launch(entry)
        if self._leading and all(entry.unit.state in SETTLED for entry in entries.values()):
            self._settled()

    async def _launch(self, entry: Entry) -> None:
        entry.run += 1
        run, name = entry.run, entry.unit.name
        environment = Environment(
            client=self._client,
            informers=self._informers,
            recorder=self._events.recorder(entry.spec.source),
            config=self._settings.get(name, {}),
            log=entry.log,
            stats=entry.stats,
            changed=lambda active, sub_state: self._tell(ControllerProgressed(name, run, active, sub_state)),
        )
        await self._supervisor.stop_child(name)  # forgets what is left of a run that crashed
        await self._supervisor.start_child(
            ChildSpec(
                name,
                start=lambda: Controller(entry.spec, environment),
                restart=Restart.TEMPORARY,
                on_limit=OnLimit.FAIL_CHILD,
            )
        )

    def _note_exit(self, entry: Entry, error: BaseException | None) -> None:
        if error is None:
            entry.unit.crashed("the controller ended", "exit")
            entry.log.warning("controller ended by itself")
            return
        result = "watchdog" if isinstance(error, WatchdogExpired) else "exception"
        entry.unit.crashed(repr(error), result)
        entry.log.error("controller crashed", exc_info=error)

    def _exited(self, name: str, error: BaseException | None) -> None:
        entry = self._table.entries.get(name)
        if entry is not None:
            self._tell(ControllerExited(name, entry.run, error))

    def _tell(self, message: Any) -> None:
        with contextlib.suppress(DeadRef):  # the manager is ending, and so are its units
            self.ref.tell_nowait(message)

    def _cancel(self, entry: Entry) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None

    def _load(self) -> Mapping[str, dropin.DropIn]:
        assert self._drop_ins is not None
        return {name: dropin.load(self._drop_ins, name) for name in self._specs}


def status_of(entry: Entry) -> UnitStatus:
    """What is told about a unit."""
    unit = entry.unit
    return UnitStatus(
        name=unit.name,
        description=entry.spec.description,
        state=unit.state,
        sub_state=unit.sub_state,
        enabled=unit.enabled,
        after=entry.spec.after,
        restarts=unit.restarts,
        since=unit.since,
        result=unit.result,
        last_error=unit.last_error or entry.stats.last_error,
        stats=entry.stats,
    )
