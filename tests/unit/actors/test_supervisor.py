"""Trees: order, strategies, restart policies, limits, stop timeouts, dynamic children, the tree snapshot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import (
    Actor,
    ActorCrashed,
    ChildSpec,
    DeadRef,
    DynamicSupervisor,
    Intensity,
    OnLimit,
    Ref,
    Report,
    Restart,
    RestartLimit,
    Strategy,
    Supervisor,
    System,
    VirtualClock,
    render,
)
from actors.reports import LimitReached, StopTimeout

SOON = Intensity(jitter=0)


class Worker(Actor):
    """Writes its life into a shared list; crashes, finishes or hangs when told."""

    def __init__(self, name: str, life: list[str]) -> None:
        self.name = name
        self.life = life

    async def setup(self) -> None:
        self.life.append(f"+{self.name}")

    async def handle(self, message: Any) -> Any:
        if message == "crash":
            raise ValueError(f"crash of {self.name}")
        if message == "finish":
            self.finish()
        if message == "hang":
            await self.clock.sleep(1e9)
        return self.name

    async def teardown(self) -> None:
        self.life.append(f"-{self.name}")


def workers(life: list[str], *names: str, **options: Any) -> list[ChildSpec]:
    return [ChildSpec(name, lambda name=name: Worker(name, life), **options) for name in names]


def tree(children: list[ChildSpec], **options: Any) -> ChildSpec:
    return ChildSpec("root", lambda: Supervisor(children, **options))


async def crash(ref: Ref) -> None:
    with pytest.raises(ActorCrashed):
        await ref.ask("crash")


async def test_children_start_in_order_and_stop_in_reverse() -> None:
    life: list[str] = []
    nested = ChildSpec("nested", lambda: Supervisor(workers(life, "b", "c")))
    root = tree([*workers(life, "a"), nested, *workers(life, "d")])
    async with System(root, clock=VirtualClock()) as system:
        assert life == ["+a", "+b", "+c", "+d"]
        assert await system.ref("nested/c").ask("x") == "c"
        with pytest.raises(KeyError):
            system.ref("nested/x")
        life.clear()
    assert life == ["-d", "-c", "-b", "-a"]


@pytest.mark.parametrize(
    ("strategy", "after"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b"]),
        (Strategy.ONE_FOR_ALL, ["-b", "-c", "-a", "+a", "+b", "+c"]),
        (Strategy.REST_FOR_ONE, ["-b", "-c", "+b", "+c"]),
    ],
    ids=lambda value: value.value if isinstance(value, Strategy) else "",
)
async def test_strategies(strategy: Strategy, after: list[str]) -> None:
    life: list[str] = []
    clock = VirtualClock()
    async with System(tree(workers(life, "a", "b", "c"), strategy=strategy), clock=clock) as system:
        life.clear()
        await crash(system.ref("b"))
        await clock.settle()
        assert life == after
        assert [await system.ref(name).ask("x") for name in "abc"] == ["a", "b", "c"]


async def test_a_group_restart_replaces_no_temporary_child() -> None:
    life: list[str] = []
    clock = VirtualClock()
    children = [*workers(life, "a"), *workers(life, "t", restart=Restart.TEMPORARY)]
    async with System(tree(children, strategy=Strategy.ONE_FOR_ALL), clock=clock) as system:
        life.clear()
        await crash(system.ref("a"))
        await clock.settle()
        assert life == ["-a", "-t", "+a"]
        assert not system.ref("t").alive


@pytest.mark.parametrize(
    ("restart", "message", "again"),
    [
        (Restart.PERMANENT, "crash", True),
        (Restart.PERMANENT, "finish", True),
        (Restart.TRANSIENT, "crash", True),
        (Restart.TRANSIENT, "finish", False),
        (Restart.TEMPORARY, "crash", False),
        (Restart.TEMPORARY, "finish", False),
    ],
)
async def test_restart_policies(restart: Restart, message: str, again: bool) -> None:
    life: list[str] = []
    clock = VirtualClock()
    async with System(tree(workers(life, "a", restart=restart)), clock=clock) as system:
        ref = system.ref("a")
        await ref.tell(message)
        await clock.settle()
        assert ref.alive is again
        assert life == (["+a", "-a", "+a"] if again else ["+a", "-a"])


async def test_restarts_back_off_and_the_limit_escalates_to_the_root() -> None:
    life: list[str] = []
    clock = VirtualClock()
    rules = Intensity(limit=2, jitter=0, first_delay=4)
    system = System(tree(workers(life, "a"), intensity=rules), clock=clock)
    await system.start()
    ref = system.ref("a")
    await crash(ref)
    await crash(ref)
    life.clear()
    await clock.advance(seconds=3.9)
    assert life == []
    assert system.tree().children[0].state == "restarting"
    await clock.advance(seconds=0.1)
    assert life == ["+a"]
    await crash(ref)
    with pytest.raises(RestartLimit) as caught:
        await system.wait()
    assert isinstance(caught.value.__cause__, ValueError)
    assert not ref.alive
    await system.stop()


async def test_escalation_restarts_the_supervisor_with_all_its_children() -> None:
    life: list[str] = []
    clock = VirtualClock()
    rules = Intensity(limit=0)
    nested = ChildSpec("nested", lambda: Supervisor(workers(life, "a", "b"), intensity=rules))
    async with System(tree([nested]), clock=clock) as system:
        life.clear()
        await crash(system.ref("nested/b"))
        await clock.settle()
        assert life == ["-b", "-a", "+a", "+b"]
        assert await system.ref("nested/b").ask("x") == "b"


async def test_fail_child_gives_up_one_and_keeps_the_others() -> None:
    life: list[str] = []
    reports: list[Report] = []
    clock = VirtualClock()
    children = workers(life, "a", "b", on_limit=OnLimit.FAIL_CHILD)
    spec = tree(children, intensity=Intensity(limit=0))
    async with System(spec, clock=clock, report=reports.append) as system:
        await crash(system.ref("a"))
        await clock.settle()
        assert await system.ref("b").ask("x") == "b"
        with pytest.raises(DeadRef):
            await system.ref("a").ask("x")
        assert system.tree().children[0].state == "failed"
    assert any(isinstance(report, LimitReached) and not report.escalated for report in reports)


class Fragile(Actor):
    """Its setup fails as often as the list is long."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures

    async def setup(self) -> None:
        if self.failures:
            raise self.failures.pop()

    async def handle(self, message: Any) -> Any:
        return message


async def test_a_first_start_that_fails_stops_what_was_started() -> None:
    life: list[str] = []
    fragile = ChildSpec("fragile", lambda: Fragile([OSError("port in use")]))
    system = System(tree([*workers(life, "a"), fragile, *workers(life, "b")]), clock=VirtualClock())
    with pytest.raises(OSError, match="port in use"):
        await system.start()
    assert life == ["+a", "-a"]


async def test_a_first_start_that_fails_leniently_is_tried_again_behind_the_same_address() -> None:
    life: list[str] = []
    failures: list[Exception] = [OSError("not yet"), OSError("not yet")]
    clock = VirtualClock()
    fragile = ChildSpec("fragile", lambda: Fragile(failures), on_limit=OnLimit.FAIL_CHILD)
    async with System(tree([fragile, *workers(life, "b")], intensity=SOON), clock=clock) as system:
        assert life == ["+b"]
        ref = system.ref("fragile")
        asking = asyncio.ensure_future(ref.ask("hello"))
        await clock.advance(seconds=1)
        assert await asking == "hello"


async def test_start_must_make_a_new_object_for_every_life() -> None:
    life: list[str] = []
    same = Worker("same", life)
    clock = VirtualClock()
    system = System(tree([ChildSpec("same", lambda: same)], intensity=SOON), clock=clock)
    await system.start()
    await system.ref("same").tell("crash")
    await clock.advance(seconds=20)
    with pytest.raises(RestartLimit, match="new actor each time"):
        await system.wait()


def test_two_children_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="named 'a'"):
        Supervisor(workers([], "a", "a"))


class Stubborn(Worker):
    async def handle(self, message: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()


async def test_what_does_not_stop_in_time_is_cancelled_and_named() -> None:
    life: list[str] = []
    reports: list[Report] = []
    hanging = [
        ChildSpec("waits", lambda: Worker("waits", life), shutdown=0.01),
        ChildSpec("stubborn", lambda: Stubborn("stubborn", life), shutdown=0.01),
    ]
    clock = VirtualClock()
    async with System(tree(hanging), clock=clock, report=reports.append) as system:
        for name in ("waits", "stubborn"):
            await system.ref(name).tell("hang")
        await clock.settle()
    assert [report for report in reports if isinstance(report, StopTimeout)] == [
        StopTimeout("stubborn", 0.01, abandoned=False),
        StopTimeout("waits", 0.01, abandoned=False),
    ]
    assert life == ["+waits", "+stubborn", "-stubborn", "-waits"]


class Interruptible(Worker):
    interruptible = True


async def test_a_stop_cancels_the_handler_of_an_actor_that_can_be_interrupted() -> None:
    life: list[str] = []
    reports: list[Report] = []
    clock = VirtualClock()
    hanging = [ChildSpec("waits", lambda: Interruptible("waits", life))]
    async with System(tree(hanging), clock=clock, report=reports.append) as system:
        asking = asyncio.ensure_future(system.ref("waits").ask("hang"))
        await clock.settle()
    assert life == ["+waits", "-waits"]
    with pytest.raises(DeadRef):
        await asking
    assert not [report for report in reports if isinstance(report, StopTimeout)]


async def test_stop_during_a_hanging_setup() -> None:
    life: list[str] = []

    class NeverReady(Worker):
        async def setup(self) -> None:
            await asyncio.Event().wait()

    system = System(tree([*workers(life, "a"), ChildSpec("never", lambda: NeverReady("never", life))]))
    starting = asyncio.ensure_future(system.start())
    await VirtualClock().settle()
    await system.stop()
    with pytest.raises(DeadRef):
        await starting
    assert life == ["+a", "-never", "-a"]


async def test_a_child_that_waits_to_restart_can_be_stopped() -> None:
    life: list[str] = []
    clock = VirtualClock()
    async with System(tree(workers(life, "a"), intensity=Intensity(first_delay=9)), clock=clock) as system:
        ref = system.ref("a")
        await crash(ref)
        await crash(ref)
        await ref.stop()
        assert not ref.alive
        await clock.advance(minutes=1)
        assert life == ["+a", "-a", "+a", "-a"]


def dynamic(pool: DynamicSupervisor) -> ChildSpec:
    return tree([ChildSpec("pool", lambda: pool)])


async def test_dynamic_children_come_and_go() -> None:
    life: list[str] = []
    clock = VirtualClock()
    pool = DynamicSupervisor()
    with pytest.raises(DeadRef):
        await pool.start_child(workers(life, "early")[0])
    async with System(dynamic(pool), clock=clock) as system:
        ref = await pool.start_child(workers(life, "a")[0])
        assert (ref.path, await ref.ask("x")) == ("pool/a", "a")
        with pytest.raises(ValueError, match="exists"):
            await pool.start_child(workers(life, "a")[0])
        await pool.start_child(workers(life, "b", restart=Restart.TEMPORARY)[0])
        await crash(pool.child("b"))
        await clock.settle()
        assert list(pool.children()) == ["a"]
        await crash(ref)
        assert await ref.ask("x") == "a"
        await pool.stop_child("a")
        await pool.stop_child("a")
        assert not pool.children()
        assert not ref.alive
        failing = ChildSpec("f", lambda: Fragile([OSError("no")]))
        with pytest.raises(OSError, match="no"):
            await pool.start_child(failing)
        assert not pool.children()
        for name in ("x", "y", "z"):
            await pool.start_child(workers(life, name)[0])
        life.clear()
        assert system.ref("pool/y").alive
    assert sorted(life) == ["-x", "-y", "-z"]


async def test_a_crashing_child_over_its_limit_takes_the_pool_down_and_the_pool_starts_empty() -> None:
    life: list[str] = []
    clock = VirtualClock()
    pool = DynamicSupervisor(intensity=Intensity(limit=0))
    async with System(dynamic(pool), clock=clock):
        await pool.start_child(workers(life, "a")[0])
        await crash(await pool.start_child(workers(life, "b")[0]))
        await clock.settle()
        assert not pool.children()
        assert await (await pool.start_child(workers(life, "a")[0])).ask("x") == "a"


async def test_a_cancelled_start_leaves_nothing_behind() -> None:
    life: list[str] = []

    class NeverReady(Worker):
        async def setup(self) -> None:
            await asyncio.Event().wait()

    clock = VirtualClock()
    pool = DynamicSupervisor()
    async with System(dynamic(pool), clock=clock):
        starting = asyncio.ensure_future(pool.start_child(ChildSpec("n", lambda: NeverReady("n", life))))
        await clock.settle()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not pool.children()
    assert life == ["-n"]


async def test_the_tree_shows_states_restarts_and_errors() -> None:
    life: list[str] = []
    clock = VirtualClock()
    nested = ChildSpec("nested", lambda: Supervisor(workers(life, "b")))
    async with System(tree([*workers(life, "a"), nested], intensity=SOON), clock=clock) as system:
        await crash(system.ref("a"))
        await clock.settle()
        await system.ref("nested/b").tell("hang")
        await clock.settle()
        system.ref("nested/b").tell_nowait("waits")
        root = system.tree()
        assert [(node.path, node.kind, node.state, node.restarts) for node in root.walk()] == [
            ("root", "Supervisor", "running", 0),
            ("a", "Worker", "running", 1),
            ("nested", "Supervisor", "running", 0),
            ("nested/b", "Worker", "running", 0),
        ]
        assert render(root).splitlines() == [
            "root  Supervisor running",
            "├─ a  Worker running restarts=1 last_error=ValueError('crash of a')",
            "└─ nested  Supervisor running",
            "   └─ b  Worker running mailbox=1/1024",
        ]


async def test_leaving_the_block_raises_what_ended_the_root() -> None:
    async def use() -> None:
        async with System(workers([], "root")[0], clock=VirtualClock()) as system:
            await system.root.tell("crash")
            await VirtualClock().settle()

    with pytest.raises(ValueError, match="crash of root"):
        await use()
