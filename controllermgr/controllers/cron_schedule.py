"""Cron expressions: parsing, and the times they name, in a time zone. Pure.

Five fields (minute, hour, day of month, month, day of week) with lists, ranges, steps and names; `?` is `*`; when both
days are restricted either may match. `@hourly` and its kin are names of expressions, `@every 90m` counts from the last
time. Local times that a clock change skips are skipped; those that it repeats are taken once. Grammar: robfig/cron v3.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from machinery.objects import timefmt

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_YEARS_AHEAD = 5
"""An expression that names no time within so many years names none (30 February)."""


class ScheduleError(ValueError):
    """The expression, or the time zone, cannot be understood."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A five-field expression: the values that match, and whether the days were restricted at all."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    zone: tzinfo

    def after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in UTC; None when there is none."""
        local = moment.astimezone(self.zone)
        day = local.date()
        last = date(day.year + _YEARS_AHEAD, 12, 31)
        while day <= last:
            if day.month not in self.months:
                day = _next_month(day)
                continue
            if self._is_day(day):
                for found in self._times(day):
                    if found > moment:
                        return found
            day += timedelta(days=1)
        return None

    def _is_day(self, day: date) -> bool:
        by_day, by_weekday = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday

    def _times(self, day: date) -> list[datetime]:
        """The times of a day in UTC, in order; local times that do not exist are left out."""
        found = set()
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime.combine(day, time(hour, minute), tzinfo=self.zone)
                instant = local.astimezone(UTC)
                if instant.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    found.add(instant)
        return sorted(found)


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed delay."""

    delay: timedelta

    def after(self, moment: datetime) -> datetime:
        """One delay after `moment`, on a whole second."""
        return moment.replace(microsecond=0) + self.delay


Schedule = Fields | Every


@dataclass(frozen=True, slots=True)
class Due:
    """latest: the last scheduled time up to now, None when there was none. missed: how many there were, 101 at most."""

    latest: datetime | None
    missed: int


def parse(text: str, zone: str | None = None) -> Schedule:
    """The schedule of an expression, in a time zone by its name (UTC without one). Raises ScheduleError."""
    text = text.strip()
    if text.startswith("@every "):
        try:
            seconds = timefmt.parse_duration(text.removeprefix("@every ").strip())
        except ValueError as error:
            raise ScheduleError(f"failed to parse duration {text}: {error}") from None
        return Every(timedelta(seconds=max(1, int(seconds))))
    if text.startswith("@") and text not in _MACROS:
        raise ScheduleError(f"unrecognized descriptor: {text}")
    parts = _MACROS.get(text, text).split()
    if len(parts) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    minute, hour, day, month, weekday = parts
    return Fields(
        minutes=_field(minute, 0, 59),
        hours=_field(hour, 0, 23),
        days=_field(day, 1, 31),
        months=_field(month, 1, 12, _MONTHS),
        weekdays=frozenset(each % 7 for each in _field(weekday, 0, 7, _DAYS)),
        any_day=day[0] in "*?",
        any_weekday=weekday[0] in "*?",
        zone=_zone(zone),
    )


def due(schedule: Schedule, since: datetime, now: datetime, *, limit: int = 100) -> Due:
    """The scheduled times in (since, now]; beyond `limit` of them only the latest is looked for."""
    latest: datetime | None = None
    count = 0
    at = schedule.after(since)
    while at is not None and at <= now:
        latest = at
        count += 1
        if count > limit:
            return Due(_latest(schedule, latest, now), count)
        at = schedule.after(at)
    return Due(latest, count)


def _latest(schedule: Schedule, known: datetime, now: datetime) -> datetime:
    """The last scheduled time up to now, by halving the stretch that must hold it."""
    if isinstance(schedule, Every):
        return known + schedule.delay * ((now - known) // schedule.delay)
    low, high = known, now
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        found = schedule.after(middle)
        if found is not None and found <= now:
            low = found
        else:
            high = middle
    return low


def _field(text: str, low: int, high: int, words: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        found |= _range(part, low, high, words or {})
    return frozenset(found)


def _range(text: str, low: int, high: int, words: dict[str, int]) -> set[int]:
    span, slash, step_text = text.partition("/")
    first_text, dash, last_text = span.partition("-")
    if slash and (not step_text.isdecimal() or int(step_text) == 0):
        raise ScheduleError(f"step of range should be a positive number: {text}")
    step = int(step_text) if slash else 1
    if span in ("*", "?"):
        first, last = low, high
    else:
        first = _number(first_text, words)
        last = _number(last_text, words) if dash else (high if slash else first)
    if first < low:
        raise ScheduleError(f"beginning of range ({first}) below minimum ({low}): {text}")
    if last > high:
        raise ScheduleError(f"end of range ({last}) above maximum ({high}): {text}")
    if first > last:
        raise ScheduleError(f"beginning of range ({first}) beyond end of range ({last}): {text}")
    return set(range(first, last + 1, step))


def _number(text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if not text.isdecimal():
        raise ScheduleError(f"failed to parse int from {text}")
    return int(text)


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"unknown time zone {name}") from None


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
