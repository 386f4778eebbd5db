"""The workqueue: each key once, never with two workers, delays and retries."""

from __future__ import annotations

import asyncio

import pytest

from actors import VirtualClock
from machinery.controller.ratelimit import RateLimit, RateLimiter
from machinery.controller.workqueue import ShutDown, WorkQueue


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def queue(clock: VirtualClock) -> WorkQueue:
    return WorkQueue(clock)


async def test_a_key_waits_once_however_often_it_is_added(queue: WorkQueue) -> None:
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_that_is_added_while_worked_on_comes_back_after_done(queue: WorkQueue) -> None:
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert len(queue) == 1
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_waiting_worker_gets_the_next_key(queue: WorkQueue, clock: VirtualClock) -> None:
    worker = asyncio.create_task(queue.get())
    await clock.settle()
    assert not worker.done()
    queue.add("a")
    assert await worker == "a"


async def test_a_worker_that_leaves_passes_its_key_on(queue: WorkQueue, clock: VirtualClock) -> None:
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await clock.settle()
    queue.add("a")
    first.cancel()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_of_several_delays_the_earliest_counts(queue: WorkQueue, clock: VirtualClock) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 2)
    queue.add_after("a", 5)
    await clock.advance(seconds=1.9)
    assert (len(queue), queue.delayed) == (0, 1)
    await clock.advance(seconds=0.1)
    assert (len(queue), queue.delayed) == (1, 0)


async def test_failures_wait_longer_each_time_until_forgotten(queue: WorkQueue) -> None:
    assert [queue.retry("a") for _ in range(4)] == [0.005, 0.01, 0.02, 0.04]
    assert queue.failures("a") == 4
    queue.forget("a")
    assert queue.retry("a") == 0.005


async def test_close_ends_the_workers_after_what_waits(queue: WorkQueue, clock: VirtualClock) -> None:
    queue.add("a")
    queue.add_after("b", 1)
    queue.close()
    queue.add("c")
    assert await queue.get() == "a"
    with pytest.raises(ShutDown):
        await queue.get()
    await clock.advance(seconds=2)
    assert len(queue) == 0


def test_the_wait_of_a_key_has_an_end() -> None:
    limiter = RateLimiter(RateLimit(first=1, longest=5, rate=1000, burst=1000))
    assert [limiter.failed("a", 0.0) for _ in range(5)] == [1, 2, 4, 5, 5]


def test_beyond_the_burst_retries_are_spread_at_the_rate() -> None:
    limiter = RateLimiter(RateLimit(first=0.0, rate=10, burst=2))
    assert [limiter.failed(key, 0.0) for key in "abcd"] == [0.0, 0.0, pytest.approx(0.1), pytest.approx(0.2)]
    assert limiter.failed("e", 10.0) == 0.0
