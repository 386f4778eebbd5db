"""Changes into WatchResponses: joined from bytes that were encoded when the change was made. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from etcdlite.model import Change, varint

BATCH_EVENTS = 1000
"""Changes of several revisions that go into one response."""
_FRAGMENT = b"\x38\x01"


def responses(
    header: bytes, ids: Sequence[bytes], changes: Sequence[Change], *, previous: bool, fragment_bytes: int | None
) -> list[bytes]:
    """The encoded WatchResponse of these changes for each watch; several with `fragment` set when they pass
    `fragment_bytes`.

    header: the encoded ResponseHeader. ids: of the watches, as varints. None for fragment_bytes never splits."""
    prefix = b"".join((b"\x0a", varint(len(header)), header, b"\x10"))
    events = [change.event_with_previous if previous else change.event for change in changes]
    if fragment_bytes is None:
        whole = b"".join(events)
        return [prefix + watch_id + whole for watch_id in ids]
    return [part for watch_id in ids for part in _fragments(prefix + watch_id, events, fragment_bytes=fragment_bytes)]


def _fragments(prefix: bytes, events: Sequence[bytes], *, fragment_bytes: int) -> list[bytes]:
    found: list[bytes] = []
    part: list[bytes] = []
    size = len(prefix)
    for event in events:
        if part and size + len(event) >= fragment_bytes:
            found.append(b"".join((prefix, _FRAGMENT, *part)))
            part, size = [], len(prefix)
        part.append(event)
        size += len(event)
    found.append(b"".join((prefix, *part)))
    return found
