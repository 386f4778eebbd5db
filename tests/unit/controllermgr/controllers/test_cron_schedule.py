"""Cron expressions: the times they name, in time zones, across clock changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controllermgr.controllers import cron_schedule
from controllermgr.controllers.cron_schedule import ScheduleError, due, parse
from machinery.objects import timefmt


def _at(text: str) -> datetime:
    return timefmt.parse(f"{text}:00Z")


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("* * * * *", "2024-01-01T00:00", "2024-01-01T00:01"),
        ("*/15 * * * *", "2024-01-01T00:15", "2024-01-01T00:30"),
        ("5/20 * * * *", "2024-01-01T00:05", "2024-01-01T00:25"),
        ("0 0 * * *", "2024-01-01T00:00", "2024-01-02T00:00"),
        ("30 4 1,15 * *", "2024-01-01T05:00", "2024-01-15T04:30"),
        ("0 22 * * 1-5", "2024-01-05T23:00", "2024-01-08T22:00"),
        ("0 0 * * SUN", "2024-01-01T00:00", "2024-01-07T00:00"),
        ("0 0 * * 7", "2024-01-01T00:00", "2024-01-07T00:00"),
        ("0 0 13 * 5", "2024-01-01T00:00", "2024-01-05T00:00"),  # either day matches
        ("0 0 ? * 5", "2024-01-01T00:00", "2024-01-05T00:00"),
        ("0 0 29 2 *", "2024-03-01T00:00", "2028-02-29T00:00"),
        ("0 0 1 jan *", "2024-01-01T00:00", "2025-01-01T00:00"),
        ("@hourly", "2024-01-01T00:30", "2024-01-01T01:00"),
        ("@weekly", "2024-01-01T00:00", "2024-01-07T00:00"),
        ("@every 90m", "2024-01-01T00:00", "2024-01-01T01:30"),
    ],
)
def test_next_time(expression: str, after: str, expected: str) -> None:
    assert parse(expression).after(_at(after)) == _at(expected)


def test_date_that_never_comes() -> None:
    assert parse("0 0 30 2 *").after(_at("2024-01-01T00:00")) is None


def test_time_zone() -> None:
    assert parse("0 9 * * *", "America/New_York").after(_at("2024-01-01T00:00")) == _at("2024-01-01T14:00")
    assert parse("0 9 * * *", "America/New_York").after(_at("2024-07-01T00:00")) == _at("2024-07-01T13:00")


def test_local_time_that_is_skipped_in_spring() -> None:
    schedule = parse("30 2 * * *", "Europe/Berlin")
    assert schedule.after(_at("2024-03-30T12:00")) == _at("2024-04-01T00:30")


def test_local_time_that_comes_twice_in_autumn_is_taken_once() -> None:
    schedule = parse("30 2 * * *", "Europe/Berlin")
    first = schedule.after(_at("2024-10-26T12:00"))
    assert first == _at("2024-10-27T00:30")
    assert schedule.after(_at("2024-10-27T00:30")) == _at("2024-10-28T01:30")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("* * * *", "expected exactly 5 fields, found 4"),
        ("60 * * * *", r"end of range \(60\) above maximum \(59\)"),
        ("* * 0 * *", r"beginning of range \(0\) below minimum \(1\)"),
        ("5-1 * * * *", "beyond end of range"),
        ("*/0 * * * *", "step of range should be a positive number"),
        ("x * * * *", "failed to parse int from x"),
        ("@reboot", "unrecognized descriptor: @reboot"),
        ("@every x", "failed to parse duration"),
        ("", "expected exactly 5 fields, found 0"),
    ],
)
def test_refuses(expression: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        parse(expression)


def test_unknown_time_zone() -> None:
    with pytest.raises(ScheduleError, match="unknown time zone Mars/Olympus"):
        parse("* * * * *", "Mars/Olympus")


@pytest.mark.parametrize(
    ("since", "now", "latest", "missed"),
    [
        ("2024-01-01T00:00", "2024-01-01T00:59", None, 0),
        ("2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T01:00", 1),
        ("2024-01-01T00:00", "2024-01-01T03:30", "2024-01-01T03:00", 3),
        ("2024-01-01T00:00", "2024-06-01T12:30", "2024-06-01T12:00", 101),
    ],
)
def test_missed_times(since: str, now: str, latest: str | None, missed: int) -> None:
    found = due(parse("@hourly"), _at(since), _at(now))
    assert found == cron_schedule.Due(_at(latest) if latest else None, missed)


def test_missed_times_of_a_fixed_delay() -> None:
    found = due(parse("@every 1m"), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, 0, 0, 30, tzinfo=UTC))
    assert found.latest == datetime(2024, 1, 2, tzinfo=UTC)
