"""The events at a description's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.describe.text import NONE, Text
from machinery.objects import timefmt

Object = Mapping[str, Any]


def events(text: Text, listed: Sequence[Object], now: datetime) -> None:
    """What happened, oldest first by the last time; events that only have an eventTime come before."""
    if not listed:
        text.field("Events", NONE)
        return
    text.cut()
    text.head("Events")
    text.line("Type\tReason\tAge\tFrom\tMessage", level=1)
    text.line("----\t------\t----\t----\t-------", level=1)
    for event in sorted(listed, key=lambda event: str(event.get("lastTimestamp") or "")):
        cells = (
            event.get("type", ""),
            event.get("reason", ""),
            _age(event, now),
            _source(event),
            (event.get("message") or "").strip(),
        )
        text.line("\t".join(cells), level=1)


def _age(event: Object, now: datetime) -> str:
    first = timefmt.age(event.get("eventTime") or event.get("firstTimestamp"), now)
    if event.get("series"):
        series = event["series"]
        return f"{timefmt.age(series.get('lastObservedTime'), now)} (x{series.get('count', 0)} over {first})"
    if (event.get("count") or 0) > 1:
        return f"{timefmt.age(event.get('lastTimestamp'), now)} (x{event['count']} over {first})"
    return first


def _source(event: Object) -> str:
    return (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
