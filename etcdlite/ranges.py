"""What a setting's text must be beyond its type: a value that can only be a mistake does not start a server.

What etcd gives a meaning is taken: 0 for the default of `--auth-token-ttl`, `--watch-progress-notify-interval` and
`--quota-backend-bytes`. The checks pass over what is no number at all; the setting's type refuses that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Verdict = Callable[[str], str | None]
"""A setting's text -> why it is refused, None for a good one."""

SWITCH = ("1", "t", "true", "0", "f", "false")
_DURATION = re.compile(r"-?(?:\d+|(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)")


def switch(value: str) -> str | None:
    """true or false."""
    return None if value.lower() in SWITCH else f"must be true or false, not {value!r}"


def count(value: str) -> str | None:
    """A whole number that is not negative."""
    return (
        None if re.fullmatch(r"\d+|0[xX][0-9a-fA-F]+", value) else f"must be a whole number of 0 or more, not {value!r}"
    )


def duration(value: str) -> str | None:
    """As Go writes it; a bare number is in nanoseconds, as etcd's file has it."""
    return None if _DURATION.fullmatch(value) else f"must be a duration, for example 500ms or 5m, not {value!r}"


def at_least(least: int) -> Verdict:
    """A number, of whatever unit."""

    def verdict(value: str) -> str | None:
        number = re.match(r"\s*[-+]?\d+(\.\d*)?", value)
        return f"must be {least} or more, not {value}" if number is not None and float(number[0]) < least else None

    return verdict


def _named(value: str) -> str | None:
    return None if value else "must not be empty"


def _directory(value: str) -> str | None:
    return None if value.strip() else "must name a directory, but is empty; leave it out to keep everything in memory"


WANTED: Mapping[str, Verdict] = {
    "name": _named,
    "data-dir": _directory,
    "max-request-bytes": at_least(1),
    "max-txn-ops": at_least(1),
    "cache-bytes": at_least(0),
    "auth-token-ttl": at_least(0),
    "watch-progress-notify-interval": at_least(0),
}
"""Our settings by flag."""
