"""The unit's table: what happens in which state, start limits, back-off."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controllermgr.unit import TABLE, Act, Event, Limits, OrderingCycle, State, Unit, check_order

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def unit(state: State = State.INACTIVE, **limits: float) -> Unit:
    return Unit("u", True, Limits(**limits), state=state)  # type: ignore[arg-type]  # burst is the one int


def walk(subject: Unit, *events: Event, at: float = 0.0) -> list[tuple[State, Act]]:
    return [(subject.on(event, now=NOW, at=at), subject.state)[::-1] for event in events]  # evaluated left to right


@pytest.mark.parametrize(("state", "event"), [(s, e) for s in State for e in Event], ids=lambda value: value.value)
def test_every_pair_is_in_the_table_or_changes_nothing(state: State, event: Event) -> None:
    subject = unit(state)
    act = subject.on(event, now=NOW, at=0.0)
    assert (subject.state, act) == TABLE.get((state, event), (state, Act.NOTHING))


def test_a_life_in_order() -> None:
    subject = unit()
    assert walk(subject, Event.START, Event.READY, Event.STOP, Event.ENDED) == [
        (State.ACTIVATING, Act.LAUNCH),
        (State.ACTIVE, Act.NOTHING),
        (State.DEACTIVATING, Act.HALT),
        (State.INACTIVE, Act.NOTHING),
    ]
    assert (subject.restarts, subject.result) == (0, "")


def test_a_crash_backs_off_and_is_restarted() -> None:
    subject = unit(restart=0.1, restart_max=0.3)
    walk(subject, Event.START, Event.READY)
    waits = []
    for _ in range(4):
        subject.crashed("KeyError('spec')", "exception")
        assert walk(subject, Event.CRASHED) == [(State.BACKOFF, Act.WAIT)]
        waits.append(subject.delay)
        assert walk(subject, Event.ELAPSED) == [(State.ACTIVATING, Act.LAUNCH)]
    assert waits == [0.1, 0.2, 0.3, 0.3]
    assert subject.restarts == 4
    assert subject.last_error == "KeyError('spec')"


def test_too_many_starts_fail_the_unit_until_it_is_reset() -> None:
    subject = unit(start_limit_burst=2, start_limit_interval=10)
    walk(subject, Event.START, Event.CRASHED, Event.ELAPSED, Event.CRASHED)
    assert walk(subject, Event.ELAPSED) == [(State.FAILED, Act.CANCEL)]
    assert subject.result == "start-limit-hit"
    assert walk(subject, Event.START) == [(State.FAILED, Act.NOTHING)]
    assert walk(subject, Event.RESET, Event.START) == [(State.INACTIVE, Act.NOTHING), (State.ACTIVATING, Act.LAUNCH)]
    assert subject.result == ""


def test_starts_outside_the_interval_do_not_count() -> None:
    subject = unit(start_limit_burst=2, start_limit_interval=10)
    walk(subject, Event.START, Event.STOP, Event.ENDED, Event.START, Event.STOP, Event.ENDED)
    assert walk(subject, Event.START, at=10.0) == [(State.ACTIVATING, Act.LAUNCH)]


def test_a_unit_that_was_well_for_long_waits_the_shortest_again() -> None:
    subject = unit(restart=0.1, settled=60)
    walk(subject, Event.START, Event.CRASHED, Event.ELAPSED, Event.CRASHED, Event.ELAPSED, Event.READY)
    subject.on(Event.CRASHED, now=NOW, at=61.0)
    assert subject.delay == 0.1


def test_stopping_a_unit_that_waits_cancels_the_wait() -> None:
    subject = unit(State.BACKOFF)
    assert walk(subject, Event.STOP) == [(State.INACTIVE, Act.CANCEL)]


@pytest.mark.parametrize(
    ("after", "circle"),
    [
        pytest.param({"a": ("b",), "b": ("absent",)}, None, id="fine"),
        pytest.param({"a": ("a",)}, "a after a", id="itself"),
        pytest.param({"a": ("b",), "b": ("c",), "c": ("b",)}, "b after c after b", id="a circle behind another"),
    ],
)
def test_orders_without_a_beginning_are_refused(after: dict[str, tuple[str, ...]], circle: str | None) -> None:
    if circle is None:
        check_order(after)
        return
    with pytest.raises(OrderingCycle, match=circle):
        check_order(after)
