"""The CRI log format."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nodeagent.tunnel.crilog import Filter, options, tail_offset

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
LINES = [
    b"2026-01-01T11:00:00.000000001Z stdout F first",
    b"2026-01-01T11:59:59.5Z stderr F second",
    b"2026-01-01T11:59:59.6Z stdout P be",
    b"2026-01-01T11:59:59.7Z stdout F ginning",
]


def shown(**given: Any) -> str:
    filter = Filter(options(given, NOW))
    return b"".join(filter.feed(line) for line in LINES).decode()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "first\nsecond\nbeginning\n"),
        ({"sinceSeconds": 10}, "second\nbeginning\n"),
        ({"sinceTime": "2026-01-01T11:59:59.6Z"}, "beginning\n"),
        ({"limitBytes": 8}, "first\nse"),
        ({"stream": "Stderr"}, "second\n"),
        (
            {"timestamps": True, "sinceSeconds": 1},
            "2026-01-01T11:59:59.5Z second\n2026-01-01T11:59:59.6Z beginning\n",
        ),
    ],
    ids=["all", "since seconds", "since a time", "so many bytes", "one stream", "with times"],
)
def test_what_is_shown(given: dict[str, Any], expected: str) -> None:
    assert shown(**given) == expected


def test_a_filter_says_when_it_is_done() -> None:
    filter = Filter(options({"limitBytes": 3}, NOW))
    assert not filter.exhausted
    filter.feed(LINES[0])
    assert filter.exhausted


@pytest.mark.parametrize("block", [1, 3, 7, 4096])
@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        (b"", 3, b""),
        (b"a\nb\nc\n", 0, b""),
        (b"a\nb\nc\n", 1, b"c\n"),
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc\n", 9, b"a\nb\nc\n"),
        (b"a\nb\nunfinished", 1, b"unfinished"),
        (b"a\nb\nunfinished", 2, b"b\nunfinished"),
    ],
)
def test_tail(text: bytes, lines: int, expected: bytes, block: int) -> None:
    def read(offset: int, length: int) -> bytes:
        return text[offset : offset + length]

    assert text[tail_offset(read, len(text), lines, block=block) :] == expected


def test_options_that_do_not_parse() -> None:
    with pytest.raises(ValueError, match="parsing time"):
        options({"sinceTime": "yesterday"}, NOW)
