"""The CRI log format, and what of a log was asked for. Pure.

A line of the file is `TIME STREAM TAGS TEXT`: RFC 3339 with nanoseconds, stdout or stderr, `F` for a full line or
`P` for the beginning of one that goes on in the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from machinery.objects import timefmt


@dataclass(frozen=True, slots=True)
class LogOptions:
    """PodLogOptions, decided. Absent limits are None."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None
    stream: str = "All"


def options(given: Mapping[str, Any], now: datetime) -> LogOptions:
    """From the JSON of PodLogOptions. Raises ValueError for a malformed sinceTime."""
    since = timefmt.parse_optional(given.get("sinceTime"))
    if given.get("sinceSeconds") is not None:
        since = now - timedelta(seconds=int(given["sinceSeconds"]))
    tail, limit = given.get("tailLines"), given.get("limitBytes")
    return LogOptions(
        follow=bool(given.get("follow")),
        previous=bool(given.get("previous")),
        timestamps=bool(given.get("timestamps")),
        tail_lines=None if tail is None else int(tail),
        limit_bytes=None if limit is None else int(limit),
        since=since,
        stream=str(given.get("stream") or "All"),
    )


class Filter:
    """Turns lines of the file into what the asker gets, as long as the byte limit lasts."""

    def __init__(self, wanted: LogOptions) -> None:
        self._wanted = wanted
        self._left = wanted.limit_bytes
        self._partial = False

    @property
    def exhausted(self) -> bool:
        """Whether the asker has got all that it wanted."""
        return self._left is not None and self._left <= 0

    def feed(self, line: bytes) -> bytes:
        """The part of one line of the file (without its newline) that is shown; b"" when none of it is."""
        stamp, _, rest = line.partition(b" ")
        stream, _, rest = rest.partition(b" ")
        tags, _, text = rest.partition(b" ")
        if self._wanted.stream != "All" and self._wanted.stream.lower().encode() != stream:
            return b""
        if self._wanted.since is not None and _time(stamp) < self._wanted.since:
            return b""
        partial = tags.startswith(b"P")
        shown = text if partial else text + b"\n"
        if self._wanted.timestamps and not self._partial:
            shown = stamp + b" " + shown
        self._partial = partial
        if self._left is not None:
            shown = shown[: self._left]
            self._left -= len(shown)
        return shown


def _time(stamp: bytes) -> datetime:
    try:
        return timefmt.parse(stamp.decode())
    except (ValueError, UnicodeDecodeError):
        return datetime.max.replace(tzinfo=timefmt.parse("2000-01-01T00:00:00Z").tzinfo)


def tail_offset(read: Callable[[int, int], bytes], size: int, lines: int, *, block: int = 16384) -> int:
    """Where the last `lines` lines of a file begin. read: (offset, length) -> bytes; size: the file's."""
    if lines <= 0:
        return size
    position, seen = size, -1  # the newline at the very end closes the last line, it does not begin another
    while position > 0:
        begin = max(0, position - block)
        data = read(begin, position - begin)
        if position == size and not data.endswith(b"\n"):
            seen = 0
        at = len(data)
        while (at := data.rfind(b"\n", 0, at)) >= 0:
            seen += 1
            if seen == lines:
                return begin + at + 1
        position = begin
    return 0
