"""The ladder: list, watch, watch again, list again."""

from __future__ import annotations

import pytest

from machinery.client.watch import FIRST_WAIT, LAST_WAIT, Ladder, List, Watch
from machinery.errors import Gone, ServiceUnavailable


@pytest.fixture
def ladder() -> Ladder:
    return Ladder(seed="test")


def test_it_begins_with_a_list_of_any_version_and_watches_from_there(ladder: Ladder) -> None:
    assert ladder.next() == List("0")
    ladder.listed("7")
    assert ladder.next() == Watch("7")


def test_a_watch_that_ended_goes_on_from_the_last_event(ladder: Ladder) -> None:
    ladder.listed("7")
    ladder.seen("9")
    ladder.ended(delivered=True)
    assert ladder.next() == Watch("9")


def test_a_watch_that_delivered_nothing_makes_it_slower(ladder: Ladder) -> None:
    ladder.listed("7")
    ladder.ended(delivered=False)
    rung = ladder.next()
    assert isinstance(rung, Watch)
    assert FIRST_WAIT <= rung.wait <= 1.5 * FIRST_WAIT


def test_what_is_too_old_is_listed_anew_at_once(ladder: Ladder) -> None:
    ladder.listed("7")
    ladder.failed(Gone("too old"))
    assert ladder.next() == List("")


def test_even_a_list_can_be_too_old(ladder: Ladder) -> None:
    ladder.listed("7")
    ladder.failed(Gone("too old"))
    ladder.failed(Gone("too old"))
    rung = ladder.next()
    assert isinstance(rung, List)
    assert rung.resource_version == ""
    assert rung.wait > 0


def test_other_failures_wait_longer_each_time_on_the_same_rung(ladder: Ladder) -> None:
    ladder.listed("7")
    waits = []
    for _ in range(12):
        ladder.failed(ServiceUnavailable("down"))
        rung = ladder.next()
        assert isinstance(rung, Watch)
        waits.append(rung.wait)
    assert all(FIRST_WAIT * 2**n <= wait <= 1.5 * FIRST_WAIT * 2**n for n, wait in enumerate(waits[:6]))
    assert LAST_WAIT <= waits[-1] <= 1.5 * LAST_WAIT
    ladder.seen("8")
    assert ladder.next() == Watch("8")


def test_a_list_that_failed_later_does_not_go_back_in_time(ladder: Ladder) -> None:
    ladder.listed("7")
    ladder.seen("9")
    assert ladder.resource_version == "9"
    ladder.failed(ServiceUnavailable("down"))
    rung = ladder.next()
    assert isinstance(rung, Watch)
    assert rung.resource_version == "9"
