"""Times, durations, ages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from machinery.objects import timefmt

MOMENT = datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)


def test_formats() -> None:
    assert timefmt.format(MOMENT) == "2024-01-02T03:04:05Z"
    assert timefmt.format_micro(MOMENT) == "2024-01-02T03:04:05.123456Z"


@pytest.mark.parametrize(
    "text", ["2024-01-02T03:04:05.123456Z", "2024-01-02T05:04:05.123456789+02:00", "2024-01-01T22:04:05.123456-05:00"]
)
def test_parses_to_utc(text: str) -> None:
    assert timefmt.parse(text) == MOMENT


@pytest.mark.parametrize("text", ["", "2024-01-02", "2024-01-02 03:04:05Z", "2024-01-02T03:04:05", "x"])
def test_refuses_other_texts(text: str) -> None:
    with pytest.raises(ValueError, match="parsing time"):
        timefmt.parse(text)


@pytest.mark.parametrize(
    ("text", "seconds", "canonical"),
    [
        ("0", 0, "0s"), ("1h30m", 5400, "1h30m0s"), ("90s", 90, "1m30s"), ("1.5s", 1.5, "1.5s"),
        ("250ms", 0.25, "250ms"),
        ("-2m", -120, "-2m0s"), ("1500us", 0.0015, "1.5ms"),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float, canonical: str) -> None:
    assert timefmt.parse_duration(text) == seconds
    assert timefmt.format_duration(seconds) == canonical


@pytest.mark.parametrize("text", ["", "5", "1x", "h", "-"])
def test_refuses_other_durations(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        timefmt.parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"),
        (10_799, "179m"), (10_800, "3h"), (11_000, "3h3m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"),
        (180_000, "2d2h"), (691_200, "8d"), (63_072_000, "2y"), (69_120_000, "2y70d"), (10**9, "31y"),
    ],
)  # fmt: skip
def test_ages(seconds: int, age: str) -> None:
    assert timefmt.human_duration(seconds) == age


def test_age_of_an_absent_time() -> None:
    assert timefmt.age(None, MOMENT) == "<unknown>"
