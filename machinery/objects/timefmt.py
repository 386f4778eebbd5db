"""Times, durations and ages in the texts that Kubernetes uses.

`metav1.Time` is RFC 3339 in UTC with whole seconds, `metav1.MicroTime` the same with six digits. Durations in
configuration are Go's (`1h30m`, `500ms`). Ages are kubectl's: two units at most, coarser as they grow.
All times in and out are aware and in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))"
)
_GO_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_GO_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def parse(text: str) -> datetime:
    """An RFC 3339 text as a time; digits past microseconds are cut off. ValueError when it is none."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')
    year, month, day, hour, minute, second, fraction, sign, off_hour, off_minute = match.groups()
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59), micro, tzinfo=UTC)
    if sign is not None:
        offset = timedelta(hours=int(off_hour), minutes=int(off_minute))
        moment = moment - offset if sign == "+" else moment + offset
    return moment


def parse_optional(text: str | None) -> datetime | None:
    """As `parse`; None for None and for "", which is how a zero time may arrive."""
    return parse(text) if text else None


def format(moment: datetime) -> str:
    """`metav1.Time`: whole seconds, UTC, `Z`. The fraction is cut off, not rounded."""
    utc = moment.astimezone(UTC)
    return f"{utc.year:04}-{utc.month:02}-{utc.day:02}T{utc.hour:02}:{utc.minute:02}:{utc.second:02}Z"


def format_micro(moment: datetime) -> str:
    """`metav1.MicroTime`: always six digits of the second, UTC, `Z`."""
    return f"{format(moment)[:-1]}.{moment.microsecond:06}Z"


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as `1h30m`, `-1.5s` or `0`. ValueError when it is none."""
    body = text[1:] if text[:1] in "+-" and text else text
    if body == "0":
        return 0.0
    nanos = 0.0
    at = 0
    while at < len(body):
        match = _GO_DURATION.match(body, at)
        if match is None:
            break
        nanos += float(match[1]) * _GO_UNITS[match[2]]
        at = match.end()
    if not body or at < len(body):
        raise ValueError(f'time: invalid duration "{text}"')
    return (-nanos if text[0] == "-" else nanos) / 10**9


def format_duration(seconds: float) -> str:
    """A Go duration: `1h30m0s`, `1.5s`, `250ms`, `0s`."""
    nanos = round(abs(seconds) * 10**9)
    sign = "-" if seconds < 0 and nanos else ""
    if nanos < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if nanos >= size:
                return f"{sign}{_plain(nanos, size)}{unit}"
        return "0s"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_plain(rest, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else sign + text


def _plain(nanos: int, size: int) -> str:
    whole, fraction = divmod(nanos, size)
    digits = f"{fraction:0{len(str(size)) - 1}}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def human_duration(seconds: float) -> str:
    """An age as kubectl's tables print it: `95s`, `5m10s`, `12h`, `2d3h`, `400d`, `3y40d`.

    Rule: k8s.io/apimachinery `duration.HumanDuration`. Negative by more than a second is `<invalid>`: a clock is ahead.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if days < 2920 else f"{years}y"


def age(since: str | None, now: datetime) -> str:
    """The AGE cell of a timestamp field: `<unknown>` when it is absent."""
    moment = parse_optional(since)
    return "<unknown>" if moment is None else human_duration((now - moment).total_seconds())


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"
