"""What is logged of a crash: once, where it is answered for, and with a traceback only where that helps."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from actors import Actor, ActorCrashed, ChildSpec, Intensity, OnLimit, Report, Supervisor, System, VirtualClock
from actors.reports import Crashed, with_traceback


class Fails(Actor):
    """Its setup raises; or, started well, it crashes on every message."""

    def __init__(self, error: Exception, *, at_start: bool = True) -> None:
        self.error = error
        self.at_start = at_start

    async def setup(self) -> None:
        if self.at_start:
            raise self.error

    async def handle(self, message: Any) -> Any:
        raise self.error


def nested(error: Exception, *, at_start: bool = True, **options: Any) -> ChildSpec:
    """An actor that fails so, below two supervisors."""
    leaf = ChildSpec("leaf", lambda: Fails(error, at_start=at_start), **options)
    middle = ChildSpec("middle", lambda: Supervisor([leaf], intensity=Intensity(limit=0)))
    return ChildSpec("root", lambda: Supervisor([middle]))


@pytest.mark.parametrize("error", [OSError(98, "port taken"), ValueError("bug")], ids=["refused", "bug"])
async def test_a_first_start_that_fails_is_raised_not_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "actors")
    with pytest.raises(type(error)) as raised:
        await System(nested(error), clock=VirtualClock()).start()
    assert raised.value is error
    assert [record.levelname for record in caplog.records] == ["INFO"] * 3
    assert [record.exc_info for record in caplog.records] == [None] * 3


async def test_every_parent_hands_the_error_on() -> None:
    reports: list[Report] = []
    error = OSError(98, "port taken")
    with pytest.raises(OSError, match="port taken"):
        await System(nested(error), clock=VirtualClock(), report=reports.append).start()
    assert reports == [Crashed(path, error, handed_on=True) for path in ("middle/leaf", "middle", "root")]


async def test_a_first_start_that_the_supervisor_tries_again_is_a_crash() -> None:
    reports: list[Report] = []
    error = OSError(98, "port taken")
    spec = nested(error, on_limit=OnLimit.FAIL_CHILD)
    async with System(spec, clock=VirtualClock(), report=reports.append):
        assert Crashed("middle/leaf", error, handed_on=False) in reports


async def test_a_crash_that_goes_up_has_one_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "actors")
    clock = VirtualClock()
    async with System(nested(ValueError("bug"), at_start=False), clock=clock) as system:
        with pytest.raises(ActorCrashed):
            await system.ref("middle/leaf").ask("work")
        await clock.settle()
    crashes = [record for record in caplog.records if record.getMessage().startswith("actor crashed actor=")]
    assert [record.args[0] for record in crashes if isinstance(record.args, tuple)] == ["middle/leaf", "middle"]
    assert [bool(record.exc_info and record.exc_info[0]) for record in crashes] == [True, False]


@pytest.mark.parametrize(
    ("error", "shown"),
    [(OSError(13, "no"), False), (TimeoutError(), True), (ValueError("x"), True)],
    ids=["refused", "timeout", "bug"],
)
def test_tracebacks(error: Exception, shown: bool) -> None:
    assert (with_traceback(error) is error) is shown
