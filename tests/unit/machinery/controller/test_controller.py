"""The controller actor: outcomes, errors, watchdog, changes to keys. No API: caches are filled by hand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from actors import ChildSpec, OnLimit, Restart, Supervisor, System, VirtualClock
from machinery.client.api import Client
from machinery.client.resources import PODS
from machinery.controller.controller import Controller, ControllerStats, Environment
from machinery.controller.mapping import itself
from machinery.controller.reconcile import DONE, Outcome, RequeueAfter, TerminalError
from machinery.controller.recorder import Events
from machinery.controller.spec import ControllerContext, ControllerSpec, Watch
from machinery.errors import Conflict, ServiceUnavailable
from machinery.informer import Informers

NO_CLIENT = cast("Client", None)


class Scripted:
    """A reconciler that answers from a script and remembers when it was asked for what."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[float, str]] = []
        self.context: ControllerContext | None = None

    def __call__(self, context: ControllerContext) -> Scripted:
        self.context = context
        return self

    async def reconcile(self, key: str) -> Outcome:
        assert self.context is not None
        self.calls.append((round(self.context.clock.monotonic(), 3), key))
        answer = self.answers.pop(0) if self.answers else DONE
        if isinstance(answer, Exception):
            raise answer
        return answer


class Run:
    """A controller under a supervisor, with what it says."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.stats = ControllerStats()
        self.said: list[tuple[bool, str]] = []
        self.informers = Informers(NO_CLIENT)
        self.supervisor: Supervisor | None = None

    @asynccontextmanager
    async def running(self, spec: ControllerSpec) -> AsyncIterator[Run]:
        environment = Environment(
            client=NO_CLIENT,
            informers=self.informers,
            recorder=Events(NO_CLIENT).recorder("test"),
            config={},
            log=logging.LoggerAdapter(logging.getLogger("test"), {}),
            stats=self.stats,
            changed=lambda active, sub_state: self.said.append((active, sub_state)),
        )
        child = ChildSpec(
            "c", lambda: Controller(spec, environment), restart=Restart.TEMPORARY, on_limit=OnLimit.FAIL_CHILD
        )
        self.supervisor = Supervisor([child])
        root = ChildSpec("root", cast("Callable[[], Any]", lambda: self.supervisor))
        async with System(root, clock=self.clock):
            await self.clock.settle()
            yield self

    @property
    def alive(self) -> bool:
        assert self.supervisor is not None
        return self.supervisor.child("c").alive


@pytest.fixture
def run() -> Run:
    return Run(VirtualClock())


async def test_what_is_done_rests_and_what_is_to_be_looked_at_again_comes_back(run: Run) -> None:
    loop = Scripted(RequeueAfter(5), DONE)
    async with run.running(ControllerSpec("c", make=loop, keys=("k",))):
        assert loop.calls == [(0.0, "k")]
        await run.clock.advance(seconds=30)
        assert loop.calls == [(0.0, "k"), (5.0, "k")]
        assert run.said[-1] == (True, "running 5 workers")


@pytest.mark.parametrize(
    ("error", "errors"),
    [
        pytest.param(ServiceUnavailable("down"), 1, id="the server does not answer"),
        pytest.param(KeyError("spec"), 1, id="a bug"),
        pytest.param(Conflict("newer"), 0, id="a conflict is no error"),
    ],
)
async def test_a_failure_is_tried_again_and_others_go_on(run: Run, error: Exception, errors: int) -> None:
    loop = Scripted(error)
    async with run.running(ControllerSpec("c", make=loop, keys=("bad", "good"), workers=1)):
        assert loop.calls == [(0.0, "bad"), (0.0, "good")]
        await run.clock.advance(seconds=1)
        assert loop.calls[2:] == [(0.005, "bad")]
        assert run.stats.errors == errors
        assert run.alive


async def test_a_terminal_error_is_not_tried_again(run: Run) -> None:
    loop = Scripted(TerminalError("the selector is malformed"))
    async with run.running(ControllerSpec("c", make=loop, keys=("k",))):
        await run.clock.advance(hours=1)
        assert len(loop.calls) == 1
        assert run.stats.last_error == "k: the selector is malformed"


async def test_changes_become_keys_and_the_cache_is_there_before_the_first_look(run: Run) -> None:
    loop = Scripted()
    informer = run.informers.of(PODS)
    spec = ControllerSpec("c", make=loop, watches=(Watch(PODS, when=lambda change: not change.deleted),))
    async with run.running(spec):
        assert run.said == [(False, "syncing caches")]
        informer.replace([_pod("a", "1"), _pod("b", "2")], "2")
        await run.clock.settle()
        assert sorted(key for _, key in loop.calls) == ["ns/a", "ns/b"]
        informer.replace([_pod("a", "3")], "4")
        await run.clock.settle()
        assert [key for _, key in loop.calls[2:]] == ["ns/a"]


async def test_a_resource_can_be_followed_later(run: Run) -> None:
    loop = Scripted()
    async with run.running(ControllerSpec("c", make=loop)):
        assert loop.context is not None
        run.informers.of(PODS).replace([_pod("a", "1")], "1")
        for _ in range(2):
            await loop.context.follow(Watch(PODS, itself))
        await run.clock.settle()
        assert [key for _, key in loop.calls] == ["ns/a"]


async def test_the_watchdog_crashes_a_controller_that_hangs(run: Run) -> None:
    class Hangs:
        def __init__(self, context: ControllerContext) -> None:
            self._forever = asyncio.Event()

        async def reconcile(self, key: str) -> Outcome:
            await self._forever.wait()
            return DONE

    async with run.running(ControllerSpec("c", make=Hangs, keys=("k",), watchdog=10)):
        await run.clock.advance(seconds=9)
        assert run.alive
        await run.clock.advance(seconds=6)
        assert not run.alive


async def test_a_start_that_the_server_refuses_is_tried_until_it_works(run: Run) -> None:
    class Starts(Scripted):
        left = 2

        async def start(self) -> None:
            if self.left:
                self.left -= 1
                raise ServiceUnavailable("not yet")

    loop = Starts()
    async with run.running(ControllerSpec("c", make=loop, keys=("k",))):
        assert loop.calls == []
        await run.clock.advance(seconds=1)
        assert loop.calls == [(0.3, "k")]


def _pod(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": name, "resourceVersion": version}}
