"""One actor and its address: tell, ask, crash, restart, finish, background tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from actors import (
    Actor,
    ActorCrashed,
    AskTimeout,
    ChildSpec,
    DeadlockError,
    DeadRef,
    MailboxFull,
    MailboxSpec,
    Overflow,
    Ref,
    Restart,
    Supervisor,
    System,
    VirtualClock,
)


class Refused(Exception):
    pass


class Echo(Actor):
    """Does what the message, a function of the actor, says."""

    rejects = (Refused,)

    def __init__(self, life: list[str] | None = None) -> None:
        self.life = life if life is not None else []

    async def setup(self) -> None:
        self.life.append("setup")

    async def handle(self, message: Any) -> Any:
        if callable(message):
            result = message(self)
            return await result if asyncio.iscoroutine(result) else result
        if isinstance(message, Exception):
            raise message
        self.life.append(message)
        return message

    async def teardown(self) -> None:
        self.life.append("teardown")


@asynccontextmanager
async def running(
    make: Callable[[], Actor], *, restart: Restart = Restart.PERMANENT, clock: VirtualClock | None = None
) -> AsyncIterator[tuple[Ref, VirtualClock]]:
    clock = clock or VirtualClock()
    root = ChildSpec("root", lambda: Supervisor([ChildSpec("it", make, restart=restart)]))
    async with System(root, clock=clock) as system:
        yield system.ref("it"), clock


async def test_a_life_in_order() -> None:
    life: list[str] = []
    async with running(lambda: Echo(life)) as (ref, clock):
        assert ref.tell_nowait("a")
        await ref.tell("b")
        assert await ref.ask("c") == "c"
        assert ref.alive
        assert ref.path == "it"
    assert life == ["setup", "a", "b", "c", "teardown"]
    assert not ref.alive
    for send in (ref.tell("x"), ref.ask("x"), ref.ask("x", timeout=1)):
        with pytest.raises(DeadRef):
            await send
    with pytest.raises(DeadRef):
        ref.tell_nowait("x")
    await clock.settle()
    assert life[-1] == "teardown"


async def test_rejections_answer_the_asker_and_change_nothing() -> None:
    life: list[str] = []
    async with running(lambda: Echo(life)) as (ref, _):
        with pytest.raises(Refused, match="no"):
            await ref.ask(Refused("no"))
        await ref.tell(Refused("to nobody"))
        assert await ref.ask("on") == "on"
    assert life == ["setup", "on", "teardown"]


async def test_a_crash_restarts_a_new_object_behind_the_same_address() -> None:
    lives: list[Echo] = []

    def make() -> Echo:
        lives.append(Echo())
        return lives[-1]

    async with running(make) as (ref, _):
        asking = asyncio.ensure_future(ref.ask(ValueError("boom")))
        await asyncio.sleep(0)
        ref.tell_nowait("waits for the next life")
        with pytest.raises(ActorCrashed, match="boom") as caught:
            await asking
        assert isinstance(caught.value.__cause__, ValueError)
        assert await ref.ask("after") == "after"
    assert [echo.life for echo in lives] == [
        ["setup", "teardown"],
        ["setup", "waits for the next life", "after", "teardown"],
    ]


async def test_an_ask_from_inside_its_own_handler_is_refused() -> None:
    async with running(Echo) as (ref, _):

        async def ask_itself(actor: Echo) -> str:
            with pytest.raises(DeadlockError, match="it -> it"):
                await actor.ref.ask("x")
            with pytest.raises(DeadlockError):
                await actor.ref.stop()
            return "refused"

        assert await ref.ask(ask_itself) == "refused"


async def test_a_ring_of_asks_is_refused_too() -> None:
    children = [ChildSpec(name, Echo) for name in ("a", "b", "c")]
    async with System(ChildSpec("root", lambda: Supervisor(children)), clock=VirtualClock()) as system:

        async def close_the_ring(_: Echo) -> str:
            with pytest.raises(DeadlockError, match="c -> a -> b -> c"):
                await system.ref("a").ask("x")
            return "refused"

        def pass_on(to: str, message: Any) -> Any:
            return lambda _: system.ref(to).ask(message)

        assert await system.ref("a").ask(pass_on("b", pass_on("c", close_the_ring))) == "refused"


async def test_a_background_task_may_ask_its_own_actor() -> None:
    async with running(Echo) as (ref, _):
        answers: list[str] = []

        async def background(actor: Echo) -> None:
            answers.append(await actor.ref.ask("from behind"))

        await ref.ask(lambda actor: actor.spawn(background(actor), name="asker").get_name())
        await ref.ask("x")
        assert answers == ["from behind"]


async def test_a_failing_background_task_crashes_its_actor_even_in_mid_message() -> None:
    lives: list[Echo] = []

    def make() -> Echo:
        lives.append(Echo())
        return lives[-1]

    async def fail() -> None:
        raise RuntimeError("in the background")

    async def wait_for_ever(actor: Echo) -> None:
        actor.spawn(fail(), name="failing")
        await asyncio.Event().wait()

    async with running(make) as (ref, _):
        with pytest.raises(ActorCrashed, match="in the background"):
            await ref.ask(wait_for_ever)
        assert await ref.ask("alive again") == "alive again"
    assert lives[0].life == ["setup", "teardown"]


async def test_background_tasks_end_before_teardown() -> None:
    life: list[str] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            life.append("background ended")

    async with running(lambda: Echo(life)) as (ref, clock):
        await ref.ask(lambda actor: actor.spawn(background(), name="b") and None)
        await clock.settle()
    assert life == ["setup", "background ended", "teardown"]


async def test_ask_timeouts_follow_the_clock_and_abandoned_asks_are_not_handled() -> None:
    life: list[str] = []
    async with running(lambda: Echo(life)) as (ref, clock):
        release = asyncio.Event()
        busy = asyncio.ensure_future(ref.ask(lambda _: release.wait()))
        late = asyncio.ensure_future(ref.ask("late", timeout=5))
        await clock.advance(seconds=4)
        assert not late.done()
        await clock.advance(seconds=1)
        with pytest.raises(AskTimeout, match="within 5s"):
            await late
        gone = asyncio.ensure_future(ref.ask("gone"))
        await clock.settle()
        gone.cancel()
        release.set()
        await busy
        await clock.settle()
    assert life == ["setup", "teardown"]


async def test_finish_ends_a_transient_actor_for_good_and_restarts_a_permanent_one() -> None:
    for restart, alive in ((Restart.TRANSIENT, False), (Restart.PERMANENT, True)):
        async with running(Echo, restart=restart) as (ref, clock):
            await ref.ask(lambda actor: actor.finish())
            await clock.settle()
            assert ref.alive is alive


async def test_stop_finishes_the_message_in_hand_and_drops_the_rest() -> None:
    async with running(Echo) as (ref, clock):
        release = asyncio.Event()

        async def work(_: Echo) -> str:
            await release.wait()
            return "finished"

        in_hand = asyncio.ensure_future(ref.ask(work))
        waiting = asyncio.ensure_future(ref.ask("never"))
        await clock.settle()
        stopping = asyncio.ensure_future(ref.stop())
        await clock.settle()
        assert not stopping.done()
        release.set()
        await stopping
        assert await in_hand == "finished"
        with pytest.raises(DeadRef):
            await waiting


class Slow(Echo):
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=1, overflow=Overflow.CLOSE)


async def test_an_actor_that_is_too_slow_for_a_closing_mailbox_is_crashed() -> None:
    async with running(Slow, restart=Restart.TEMPORARY) as (ref, clock):
        asking = asyncio.ensure_future(ref.ask(lambda _: asyncio.Event().wait()))
        await clock.settle()
        assert ref.tell_nowait("waits")
        assert not ref.tell_nowait("too much")
        with pytest.raises(ActorCrashed) as caught:
            await asking
        assert isinstance(caught.value.__cause__, MailboxFull)
        await clock.settle()
        assert not ref.alive


class Small(Echo):
    mailbox: ClassVar[MailboxSpec] = MailboxSpec(capacity=1)


async def test_asks_wait_for_room_and_time_out_waiting() -> None:
    async with running(Small) as (ref, clock):
        release = asyncio.Event()
        busy = asyncio.ensure_future(ref.ask(lambda _: release.wait()))
        await clock.settle()
        assert ref.tell_nowait("fills the mailbox")
        assert not ref.tell_nowait("no room")
        late = asyncio.ensure_future(ref.ask("late", timeout=1))
        patient = asyncio.ensure_future(ref.ask("patient"))
        await clock.advance(seconds=1)
        with pytest.raises(AskTimeout):
            await late
        release.set()
        await busy
        assert await patient == "patient"


async def test_a_busy_actor_lets_others_run() -> None:
    async with running(Echo) as (ref, clock):
        turns = 0

        def again(actor: Echo) -> None:
            nonlocal turns
            turns += 1
            if turns < 10_000 and not stop:
                actor.ref.tell_nowait(again)

        stop = False
        ref.tell_nowait(again)
        for _ in range(20):
            await asyncio.sleep(0)
        stop = True
        await clock.settle()
        assert 0 < turns < 10_000


async def test_slow_messages_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Echo) as (ref, clock):
        asking = asyncio.ensure_future(ref.ask(lambda actor: actor.clock.sleep(60)))
        await clock.advance(minutes=1)
        await asking
    assert "slow handler actor=it message=function seconds=60.000" in caplog.text


async def test_log_lines_name_the_actor(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(Echo) as (ref, _):
        await ref.ask(lambda actor: actor.log.info("served percent=%d", 50))
    assert "served percent=50 actor=it" in caplog.text
