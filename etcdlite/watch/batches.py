"""Changes into WatchResponses: joined from bytes that were encoded when the change was made. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from etcdlite.model import Change, varint
from protos.pool import messages

WatchResponse = messages("etcdserverpb").WatchResponse

BATCH_EVENTS = 1000
"""Changes of several revisions that go into one response."""
_FRAGMENT = b"\x38\x01"


def replies(
    header: bytes, watch_id: int, changes: Sequence[Change], *, previous: bool, fragment_bytes: int | None
) -> Iterator[Any]:
    """The WatchResponse for these changes; several with `fragment` set when they pass `fragment_bytes`.

    header: the encoded ResponseHeader. None for fragment_bytes never splits."""
    prefix = b"".join((b"\x0a", varint(len(header)), header, b"\x10", varint(watch_id)))
    events = [change.event_with_previous if previous else change.event for change in changes]
    if fragment_bytes is None:
        yield WatchResponse.FromString(prefix + b"".join(events))
        return
    part: list[bytes] = []
    size = len(prefix)
    for event in events:
        if part and size + len(event) >= fragment_bytes:
            yield WatchResponse.FromString(b"".join((prefix, _FRAGMENT, *part)))
            part, size = [], len(prefix)
        part.append(event)
        size += len(event)
    yield WatchResponse.FromString(b"".join((prefix, *part)))
