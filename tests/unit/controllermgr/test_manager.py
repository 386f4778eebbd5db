"""The manager with real controllers that watch nothing: order, crashes, limits, control, journal, drop-ins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from actors import System, VirtualClock
from controllermgr.app import ControllerManager
from controllermgr.config import Config
from machinery.client.api import Client
from machinery.controller.reconcile import DONE, Outcome
from machinery.controller.spec import ControllerContext, ControllerSpec
from machinery.errors import ServiceUnavailable
from machinery.rpc import Call, Code, LocalChannel, Peer, RpcError, Stub
from protos.pool import messages

PB = messages("pilot.v1")
NO_CLIENT = cast("Client", None)


class Quiet:
    """Does nothing."""

    def __init__(self, context: ControllerContext) -> None:
        context.log.info("made with %s", dict(context.config))

    async def reconcile(self, key: str) -> Outcome:
        return DONE


class Broken:
    """Cannot even be made, as often as it says."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, context: ControllerContext) -> Quiet:
        if self.left:
            self.left -= 1
            raise RuntimeError("no luck")
        return Quiet(context)


class Slow(Quiet):
    """Becomes active when the server answers, which it does at second 5."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._clock = context.clock

    async def start(self) -> None:
        if self._clock.monotonic() < 5:
            raise ServiceUnavailable("not yet")


class Units:
    """The service as `pilot units` calls it."""

    def __init__(self, app: ControllerManager, clock: VirtualClock) -> None:
        self.clock = clock
        self.stub = Stub(LocalChannel(app.services()), "pilot.v1.Units")

    async def list(self) -> dict[str, Any]:
        return {unit.name: unit for unit in (await self.stub.ListUnits(PB.ListUnitsRequest())).units}

    async def control(self, name: str, verb: str) -> Any:
        unit = await self.stub.Control(PB.ControlRequest(name=name, verb=verb))
        await self.clock.settle()
        return unit

    async def state(self, name: str) -> str:
        return str((await self.list())[name].active_state)

    async def journal(self, name: str) -> list[str]:
        replies = self.stub.Journal(PB.JournalRequest(name=name))
        return [entry.message for entry in (await anext(replies)).entries]


@asynccontextmanager
async def running(specs: Sequence[ControllerSpec], **config: Any) -> AsyncIterator[Units]:
    from controllermgr.registry import CONTROLLERS

    clock = VirtualClock()
    only_ours = ("*", *(f"-{name}" for name in CONTROLLERS), *config.pop("patterns", ()))
    app = ControllerManager(Config(controllers=only_ours, **config), clock=clock, client=NO_CLIENT, extra=specs)
    async with System(app.spec(), clock=clock):
        await app.ready()
        await clock.settle()
        yield Units(app, clock)


async def test_enabled_units_are_active_and_others_are_not() -> None:
    off = ControllerSpec("off", make=Quiet, enabled=False)
    async with running([ControllerSpec("on", make=Quiet, workers=3), off]) as units:
        found = await units.list()
        assert (found["on"].active_state, found["on"].sub_state, found["on"].enabled) == (
            "active",
            "running 3 workers",
            True,
        )
        assert (found["off"].active_state, found["off"].enabled) == ("inactive", False)
        assert found["deployment"].active_state == "inactive"
        await units.control("off", "start")
        assert await units.state("off") == "active"


async def test_a_unit_waits_for_those_it_comes_after() -> None:
    specs = [ControllerSpec("second", make=Quiet, after=("first",)), ControllerSpec("first", make=Slow)]
    async with running(specs) as units:
        found = await units.list()
        assert (found["first"].active_state, found["first"].sub_state) == ("activating", "starting")
        assert (found["second"].active_state, found["second"].sub_state) == ("activating", "waiting for first")
        await units.clock.advance(seconds=10)
        assert (await units.state("first"), await units.state("second")) == ("active", "active")


async def test_a_crash_concerns_its_unit_alone_and_is_tried_again() -> None:
    specs = [ControllerSpec("bad", make=Broken(2)), ControllerSpec("good", make=Quiet)]
    async with running(specs) as units:
        found = await units.list()
        assert (found["bad"].active_state, found["bad"].result) == ("backoff", "exception")
        assert found["bad"].last_error == "RuntimeError('no luck')"
        assert found["good"].active_state == "active"
        await units.clock.advance(seconds=1)
        found = await units.list()
        assert (found["bad"].active_state, found["bad"].restarts, found["bad"].result) == ("active", 2, "")
        assert await units.journal("bad") == [
            "unit activating",
            "controller crashed error=RuntimeError('no luck')",
            "unit backoff",
            "unit activating",
            "controller crashed error=RuntimeError('no luck')",
            "unit backoff",
            "unit activating",
            "made with {}",
            "unit active",
        ]


async def test_a_unit_that_crashes_too_often_fails_until_reset() -> None:
    async with running([ControllerSpec("bad", make=Broken(5))]) as units:
        await units.clock.advance(seconds=20)
        assert (await units.list())["bad"].result == "start-limit-hit"
        assert await units.state("bad") == "failed"
        await units.control("bad", "reset-failed")
        assert await units.state("bad") == "inactive"
        await units.control("bad", "start")
        assert await units.state("bad") == "active"


async def test_starting_too_often_by_hand_is_refused() -> None:
    async with running([ControllerSpec("on", make=Quiet)]) as units:
        for _ in range(4):
            await units.control("on", "restart")
        with pytest.raises(RpcError, match="started too often") as raised:
            await units.control("on", "restart")
        assert raised.value.code is Code.FAILED_PRECONDITION


async def test_stop_and_names_with_the_controller_suffix_or_an_alias() -> None:
    async with running([ControllerSpec("on", make=Quiet, aliases=("alias",))]) as units:
        assert (await units.control("on-controller", "stop")).active_state == "inactive"
        assert (await units.control("alias", "start")).name == "on"
        assert await units.state("on") == "active"


@pytest.mark.parametrize(
    ("name", "verb", "code"),
    [("nobody", "start", Code.NOT_FOUND), ("on", "explode", Code.INVALID_ARGUMENT)],
)
async def test_what_cannot_be_done_is_said(name: str, verb: str, code: Code) -> None:
    async with running([ControllerSpec("on", make=Quiet)]) as units:
        with pytest.raises(RpcError) as raised:
            await units.control(name, verb)
        assert raised.value.code is code
        assert await units.state("on") == "active"


async def test_drop_ins_change_a_unit_and_enablement_lasts(tmp_path: Path) -> None:
    folder = tmp_path / "on.d"
    folder.mkdir()
    (folder / "10-more.yaml").write_text("workers: 7\nconfig: {a: 1, b: 2}\n")
    (folder / "20-less.yaml").write_text("config: {b: 3}\n")
    spec = ControllerSpec("on", make=Quiet, config={"a": 0, "c": 0})
    async with running([spec], drop_in_dir=tmp_path) as units:
        assert (await units.list())["on"].sub_state == "running 7 workers"
        assert "made with {'a': 1, 'c': 0, 'b': 3}" in await units.journal("on")
        await units.control("on", "disable")
        assert await units.state("on") == "active", "as with systemd, disabling does not stop"
    async with running([spec], drop_in_dir=tmp_path) as units:
        found = await units.list()
        assert (found["on"].active_state, found["on"].enabled) == ("inactive", False)


async def test_only_administrators_steer_over_a_socket() -> None:
    clock = VirtualClock()
    app = ControllerManager(Config(), clock=clock, client=NO_CLIENT)
    service = cast("Any", app.services()["pilot.v1.Units"])
    for peer in (None, Peer("bob", ("developers",))):
        with pytest.raises(RpcError) as raised:
            await service.ListUnits(PB.ListUnitsRequest(), Call(peer=peer, address="ipv4:10.0.0.1:5"))
        assert raised.value.code is Code.PERMISSION_DENIED
    with pytest.raises(RpcError) as raised:
        await service.ListUnits(PB.ListUnitsRequest(), Call(peer=Peer("admin", ("system:masters",)), address="x"))
    assert raised.value.code is Code.UNAVAILABLE, "allowed, but nothing runs yet"


async def test_a_journal_is_followed() -> None:
    async with running([ControllerSpec("on", make=Quiet)]) as units:
        replies = units.stub.Journal(PB.JournalRequest(name="on", lines=1, follow=True))
        assert [entry.message for entry in (await anext(replies)).entries] == ["unit active"]
        await units.control("on", "stop")
        assert [entry.message for entry in (await anext(replies)).entries] == ["unit deactivating", "unit inactive"]
        await replies.aclose()
