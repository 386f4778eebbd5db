"""`pilot units`: the controllers as systemd shows its units; start, stop, and their journals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cli.command import Command
from cli.errors import CliError, UsageError
from cli.flags import Flag, Kind, Parsed, switch
from cli.output.table import columns

if TYPE_CHECKING:
    from cli.context import Session


STATES = ("active", "activating", "backoff", "deactivating", "inactive", "failed")


async def list_units(session: Session, flags: Parsed) -> int:
    if flags.args:
        raise UsageError(f'unknown command "{flags.args[0]}" for "pilot units"')
    unknown = [state for state in flags["state"] if state not in STATES]
    if unknown:
        raise UsageError(f"--state must be of {', '.join(STATES)}, not {unknown[0]}")
    stub, messages = await _stub(session)
    reply = await stub.ListUnits(messages.ListUnitsRequest())
    units = [unit for unit in reply.units if not flags["state"] or unit.active_state in flags["state"]]
    rows = [
        [
            unit.name,
            unit.active_state,
            unit.sub_state,
            "enabled" if unit.enabled else "disabled",
            str(unit.restarts),
            str(unit.queue_depth),
            str(unit.reconciles),
            str(unit.errors),
            unit.description,
        ]
        for unit in units
    ]
    header = ["UNIT", "ACTIVE", "SUB", "ENABLED", "RESTARTS", "QUEUE", "RECONCILES", "ERRORS", "DESCRIPTION"]
    for line in columns(rows, header=header):
        print(line)
    return 0


async def status(session: Session, flags: Parsed) -> int:
    stub, messages = await _stub(session)
    names = flags.args
    if not names:
        raise UsageError("name at least one unit; 'pilot units' lists them")
    units = {unit.name: unit for unit in (await stub.ListUnits(messages.ListUnitsRequest())).units}
    for name in names:
        unit = units.get(name)
        if unit is None:
            raise CliError(f"Unit {name} could not be found.", hint="'pilot units' lists them.", exit_code=4)
        print(f"● {unit.name} - {unit.description}")
        print(f"     Loaded: loaded ({'enabled' if unit.enabled else 'disabled'})")
        print(f"     Active: {unit.active_state} ({unit.sub_state}) since {unit.since}")
        if unit.result:
            print(f"     Result: {unit.result}")
        if unit.after:
            print(f"      After: {' '.join(unit.after)}")
        print(
            f"      Queue: {unit.queue_depth} waiting, {unit.reconciles} reconciled, {unit.errors} errors, "
            f"{unit.restarts} restarts"
        )
        if unit.last_error:
            print(f" Last error: {unit.last_error}")
        async for reply in stub.Journal(messages.JournalRequest(name=name, lines=10)):
            for entry in reply.entries:
                print(f"{entry.time} {entry.level} {entry.message}")
    return 0


async def control(session: Session, flags: Parsed, *, verb: str) -> int:
    stub, messages = await _stub(session)
    if not flags.args:
        raise UsageError("name at least one unit; 'pilot units' lists them")
    verbs = [verb, _AT_ONCE[verb]] if verb in _AT_ONCE and flags["now"] else [verb]
    for name in flags.args:
        for each in verbs:
            unit = await stub.Control(messages.ControlRequest(name=name, verb=each))
        print(f"{unit.name}: {unit.active_state} ({unit.sub_state})", flush=True)
    return 0


async def journal(session: Session, flags: Parsed) -> int:
    stub, messages = await _stub(session)
    if len(flags.args) != 1:
        raise UsageError("name one unit; 'pilot units' lists them")
    request = messages.JournalRequest(name=flags.args[0], lines=flags["lines"], follow=flags["follow"])
    async for reply in stub.Journal(request):
        for entry in reply.entries:
            print(f"{entry.time} {entry.level} {entry.message}", flush=True)
    return 0


async def _stub(session: Session) -> tuple[Any, Any]:
    from machinery.rpc import Stub
    from protos.pool import messages

    return Stub(await session.units_channel(), "pilot.v1.Units"), messages("pilot.v1")


_VERBS = {
    "start": "Start (activate) one or more units",
    "stop": "Stop (deactivate) one or more units",
    "restart": "Stop and start one or more units",
    "reset-failed": "Reset the failed state of units that hit their start limit",
    "enable": "Start one or more units whenever the manager starts",
    "disable": "Keep one or more units from starting when the manager does",
}
_AT_ONCE = {"enable": "start", "disable": "stop"}

COMMAND = Command(
    name="units",
    summary="See and steer the controllers, as systemctl does services.",
    usage="units [COMMAND] [UNIT...] [flags]",
    run=list_units,
    flags=(Flag("state", "Only units in these states.", kind=Kind.LIST, default=[]),),
    examples="""
# All controllers, and one in detail
pilot units
pilot units status deployment

# Stop one, see what it said
pilot units stop job
pilot units journal job
""",
    subcommands={
        "list": Command(
            "list",
            "List units",
            "units list [flags]",
            list_units,
            (Flag("state", "Only units in these states.", kind=Kind.LIST, default=[]),),
        ),
        "status": Command("status", "Show runtime status of one or more units", "units status UNIT...", status),
        "journal": Command(
            "journal",
            "Show what a unit logged",
            "units journal UNIT [flags]",
            journal,
            (
                switch("follow", "Follow the journal.", short="f"),
                Flag("lines", "Number of entries to show.", short="", kind=Kind.INT, default=50),
            ),
        ),
        **{
            verb: Command(
                verb,
                summary,
                f"units {verb} UNIT..." + (" [--now]" if verb in _AT_ONCE else ""),
                partial(control, verb=verb),
                (switch("now", f"Also {_AT_ONCE[verb]} them."),) if verb in _AT_ONCE else (),
            )
            for verb, summary in _VERBS.items()
        },
    },
)
