"""The gRPC service `pilot.v1.Units`: the units as `pilot units` shows and steers them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from actors import ActorCrashed, DeadRef, Ref
from controllermgr.errors import BadVerb, NoSuchUnit, StartLimitHit
from controllermgr.journal import Entry
from controllermgr.manager import Control, ListUnits, UnitStatus, UnitTable
from machinery.objects import timefmt
from machinery.rpc import Call, Code, RpcError
from protos.pool import messages

ADMINISTRATORS = "system:masters"


def administrators_only(call: Call) -> None:
    """Raise PERMISSION_DENIED unless the caller's certificate is an administrator's, or the call is in process."""
    if call.peer is None and not call.address:
        return
    if call.peer is None or ADMINISTRATORS not in call.peer.organizations:
        raise RpcError(Code.PERMISSION_DENIED, f"units are steered by members of {ADMINISTRATORS} only")


class UnitsService:
    """manager: the running manager's address, None while there is none."""

    def __init__(
        self,
        manager: Callable[[], Ref | None],
        table: UnitTable,
        *,
        authorize: Callable[[Call], None] = administrators_only,
    ) -> None:
        self._manager = manager
        self._table = table
        self._authorize = authorize
        self._pb = messages("pilot.v1")

    async def ListUnits(self, request: Any, call: Call) -> Any:
        self._authorize(call)
        units: Sequence[UnitStatus] = await self._ask(ListUnits())
        return self._pb.ListUnitsReply(units=[self._unit(unit) for unit in units])

    async def Control(self, request: Any, call: Call) -> Any:
        self._authorize(call)
        return self._unit(await self._ask(Control(request.name, request.verb)))

    async def Journal(self, request: Any, call: Call) -> AsyncIterator[Any]:
        self._authorize(call)
        try:
            journal = self._table.resolve(request.name).journal
        except NoSuchUnit as error:
            raise RpcError(Code.NOT_FOUND, str(error)) from error
        if not request.follow:
            yield self._lines(journal.read(request.lines))
            return
        async for entries in journal.follow(request.lines):
            yield self._lines(entries)

    async def _ask(self, message: Any) -> Any:
        manager = self._manager()
        if manager is None:
            raise RpcError(Code.UNAVAILABLE, "the controller manager is not running")
        try:
            return await manager.ask(message)
        except NoSuchUnit as error:
            raise RpcError(Code.NOT_FOUND, str(error)) from error
        except BadVerb as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from error
        except StartLimitHit as error:
            raise RpcError(Code.FAILED_PRECONDITION, str(error)) from error
        except (DeadRef, ActorCrashed) as error:
            raise RpcError(Code.UNAVAILABLE, "the controller manager is not running") from error

    def _unit(self, unit: UnitStatus) -> Any:
        return self._pb.Unit(
            name=unit.name,
            description=unit.description,
            active_state=unit.state.value,
            sub_state=unit.sub_state,
            enabled=unit.enabled,
            after=unit.after,
            restarts=unit.restarts,
            since=timefmt.format(unit.since) if unit.since else "",
            result=unit.result,
            last_error=unit.last_error,
            queue_depth=unit.stats.queue_depth,
            reconciles=unit.stats.reconciles,
            errors=unit.stats.errors,
        )

    def _lines(self, entries: Sequence[Entry]) -> Any:
        return self._pb.JournalReply(
            entries=[
                self._pb.JournalEntry(time=timefmt.format_micro(entry.time), level=entry.level, message=entry.message)
                for entry in entries
            ]
        )
