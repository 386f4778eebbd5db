"""The virtual clock: order of timers, settling, outside work, timeouts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from actors import Clock, SystemClock, VirtualClock


def test_both_are_clocks() -> None:
    assert isinstance(SystemClock(), Clock)
    assert isinstance(VirtualClock(), Clock)


async def test_sleepers_wake_in_order_at_their_instants() -> None:
    start = datetime(2030, 5, 1, tzinfo=UTC)
    clock = VirtualClock(start)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.ensure_future(sleeper("a", 1, 5, 5)), asyncio.ensure_future(sleeper("b", 2, 2))]
    await clock.advance(seconds=8)
    assert woken == [("a", 1), ("b", 2), ("b", 4), ("a", 6)]
    assert clock.now() == start + timedelta(seconds=8)
    await clock.advance(minutes=1)
    assert woken[-1] == ("a", 11)
    assert clock.next_timer() is None
    await asyncio.gather(*tasks)


async def test_settle_waits_for_long_chains_but_not_for_time() -> None:
    clock = VirtualClock()
    steps = 0

    async def chain() -> None:
        nonlocal steps
        for _ in range(500):
            await asyncio.sleep(0)
            steps += 1
        await clock.sleep(1)
        steps = -1

    task = asyncio.ensure_future(chain())
    await clock.settle()
    assert steps == 500
    await clock.advance(seconds=1)
    assert steps == -1
    await task


async def test_settle_waits_for_sockets_inside_the_process() -> None:
    clock = VirtualClock()
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def call(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        seen.append(await reader.readline())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        task = asyncio.ensure_future(call(server.sockets[0].getsockname()[1]))
        await clock.settle()
        assert seen == [b"hello\n"]
        await task


async def test_settle_waits_for_marked_outside_work() -> None:
    clock = VirtualClock()
    done = False

    async def work() -> None:
        nonlocal done
        with clock.external("a file"):
            await asyncio.sleep(0.02)  # stands for a thread: real time
        await asyncio.sleep(0)
        done = True

    task = asyncio.ensure_future(work())
    await clock.settle()
    assert done
    await task


async def test_settle_names_the_outside_work_that_hangs() -> None:
    clock = VirtualClock()
    release = asyncio.Event()

    async def work() -> None:
        with clock.external("a lost call"):
            await release.wait()

    task = asyncio.ensure_future(work())
    with pytest.raises(TimeoutError, match="a lost call"):
        await clock.settle(within=0.02)
    release.set()
    await task
    await clock.settle()


async def test_two_clocks_settle_at_the_same_time() -> None:
    first, second = VirtualClock(), VirtualClock()
    await asyncio.wait_for(asyncio.gather(first.settle(), second.settle(), first.settle()), 5)


async def test_what_stays_busy_never_settles() -> None:
    clock = VirtualClock()

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - being busy is the point
            await asyncio.sleep(0)

    task = asyncio.ensure_future(spin())
    with pytest.raises(TimeoutError, match="runnable"):
        await clock.settle(within=0.02)
    task.cancel()


async def test_a_virtual_timeout_expires_by_virtual_time_only() -> None:
    clock = VirtualClock()
    outcome = ""

    async def limited() -> None:
        nonlocal outcome
        try:
            async with clock.timeout(10) as timeout:
                await asyncio.Event().wait()
        except TimeoutError:
            outcome = f"expired={timeout.expired()} at {clock.monotonic():g}"

    task = asyncio.ensure_future(limited())
    await clock.advance(seconds=9)
    assert outcome == ""
    await clock.advance(seconds=1)
    assert outcome == "expired=True at 10"
    await task


async def test_a_block_that_ends_in_time_leaves_no_timer() -> None:
    clock = VirtualClock()
    async with clock.timeout(10) as timeout:
        await asyncio.sleep(0)
    assert not timeout.expired()
    assert clock.next_timer() is None
    async with clock.timeout(None):
        pass


async def test_cancelled_timers_do_not_fire() -> None:
    clock = VirtualClock()
    fired: list[str] = []
    clock.call_later(1, lambda: fired.append("kept"))
    clock.call_later(1, lambda: fired.append("cancelled")).cancel()
    soon = clock.call_later(0, lambda: fired.append("soon"))
    await clock.advance(seconds=2)
    soon.cancel()
    assert fired == ["soon", "kept"]


async def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        await VirtualClock().advance(seconds=-1)


async def test_patience_waits_for_what_goes_on_and_gives_up_on_what_only_time_could_end() -> None:
    clock = VirtualClock()
    clock.GRACE = 0.02
    with clock.external("a slow disk"):
        async with clock.patience(5):
            await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with clock.patience(5):
            await clock.sleep(3600)
    assert asyncio.get_running_loop().time() - began < 2
