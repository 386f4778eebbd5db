"""Restart windows and backoff."""

from __future__ import annotations

from typing import Any

import pytest

from actors.intensity import Intensity, RestartWindow


def delays(intensity: Intensity, *times: float) -> list[float | None]:
    window = RestartWindow(intensity, seed="x")
    return [window.crashed(time) for time in times]


def test_the_first_restart_is_immediate_and_the_wait_doubles() -> None:
    rules = Intensity(limit=9, jitter=0, first_delay=0.1, half_life=1e9)
    assert delays(rules, 0, 0, 0, 0) == pytest.approx([0, 0.1, 0.2, 0.4])


def test_the_wait_is_bounded() -> None:
    rules = Intensity(limit=99, jitter=0, max_delay=1.5)
    assert max(delay or 0 for delay in delays(rules, *[0.0] * 50)) == 1.5


def test_peace_decays_the_wait() -> None:
    rules = Intensity(limit=9, within=1000, jitter=0, half_life=10)
    first, second, third = delays(rules, 0, 1, 200)
    assert first == 0 and second is not None and second > 0 and third == 0


def test_one_crash_more_than_the_limit_within_the_window_is_too_many() -> None:
    rules = Intensity(limit=2, within=30)
    assert [delay is None for delay in delays(rules, 0, 10, 20)] == [False, False, True]
    assert [delay is None for delay in delays(rules, 0, 10, 30, 40)] == [False, False, False, False]
    assert delays(Intensity(limit=0), 0) == [None]


def test_jitter_spreads_alike_children_and_is_repeatable() -> None:
    rules = Intensity(limit=9, jitter=0.5)

    def second(seed: str) -> float | None:
        window = RestartWindow(rules, seed=seed)
        window.crashed(0)
        return window.crashed(0)

    waits = {second(f"child-{n}") for n in range(20)}
    assert len(waits) == 20
    assert all(0.05 <= (wait or 0) <= 0.15 for wait in waits)
    assert second("child-1") == second("child-1")


@pytest.mark.parametrize(
    "wrong", [{"limit": -1}, {"within": 0}, {"half_life": 0}, {"factor": 0.5}, {"jitter": 2}, {"first_delay": -1}]
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="intensity needs"):
        Intensity(**wrong)
