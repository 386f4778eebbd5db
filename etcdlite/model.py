"""The values that the store is made of: positions, records, changes and results.

A *position* is one integer for one change in the log: `revision << 24 | sub << 1 | tombstone`. It orders changes by
revision and, inside one transaction, by their order there; its lowest bit says whether the change deleted the key. So
the key index holds nothing but integers, the log is a table keyed by them, and both are only ever appended to.

A *record* is what a key became by one change. It is immutable and carries the bytes of its `mvccpb.KeyValue`, made
once when it was written: ranges, events and previous values are cut and joined from those bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SUB_BITS = 23
SHIFT = SUB_BITS + 1
MAX_CHANGES = 1 << SUB_BITS
"""Changes that one transaction can hold."""

_SMALL = tuple(bytes((number,)) for number in range(128))


def position_limit(revision: int) -> int:
    """The first position after `revision`."""
    return (revision + 1) << SHIFT


def revision_of(position: int) -> int:
    """The revision that a position belongs to."""
    return position >> SHIFT


def varint(number: int) -> bytes:
    """Protobuf's base-128 form of an int64; a negative one takes ten bytes."""
    if 0 <= number < 16384:
        return _SMALL[number] if number < 128 else bytes((number & 127 | 128, number >> 7))
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


class Record:
    """A key after one change.

    key, position: which key, and when. created: create_revision. version: puts since creation, 0 for a deletion.
    lease: lease id or 0. wire: the encoded `mvccpb.KeyValue`, value last. head: where its metadata ends. body: where
    the value's own bytes begin.
    """

    __slots__ = ("body", "created", "head", "key", "lease", "position", "version", "wire")

    def __init__(self, key: bytes, position: int, created: int, version: int, lease: int, value: bytes) -> None:
        self.key = key
        self.position = position
        self.created = created
        self.version = version
        self.lease = lease
        head = b"\x0a" + varint(len(key)) + key
        if version:
            head = b"%b\x10%b\x18%b\x20%b" % (head, varint(created), varint(position >> SHIFT), varint(version))
            if lease:
                head += b"\x30" + varint(lease)
        else:
            head += b"\x18" + varint(position >> SHIFT)
        self.head = len(head)
        if value:
            length = varint(len(value))
            self.body = self.head + 1 + len(length)
            self.wire = b"".join((head, b"\x2a", length, value))
        else:
            self.body = self.head
            self.wire = head

    @property
    def revision(self) -> int:
        """mod_revision."""
        return self.position >> SHIFT

    @property
    def deleted(self) -> bool:
        """True for the record of a deletion."""
        return self.version == 0

    @property
    def value(self) -> bytes:
        """The value; a copy."""
        return self.wire[self.body :]

    @property
    def metadata(self) -> bytes:
        """The encoded KeyValue without its value, as `keys_only` wants it."""
        return self.wire[: self.head]

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self.wire) + 200


class Change:
    """One key changed in one transaction: the record it became, and the one it was (None: it did not exist).

    held: how many queues of watch streams hold it."""

    __slots__ = ("_event", "_event_with_previous", "held", "previous", "record")

    def __init__(self, record: Record, previous: Record | None) -> None:
        self.record = record
        self.previous = previous
        self.held = 0
        self._event = b""
        self._event_with_previous = b""

    @property
    def event(self) -> bytes:
        """The `events` field of a WatchResponse that holds this change, tag included; encoded once for all watches."""
        if not self._event:
            self._event = encode_event(self.record, None)
        return self._event

    @property
    def event_with_previous(self) -> bytes:
        """The same with `prev_kv`."""
        if not self._event_with_previous:
            self._event_with_previous = encode_event(self.record, self.previous)
        return self._event_with_previous


def encode_event(record: Record, previous: Record | None) -> bytes:
    """One `events` field of a WatchResponse: an `mvccpb.Event` with its tag and length."""
    kind = b"" if record.version else b"\x08\x01"
    body = b"".join((kind, b"\x12", varint(len(record.wire)), record.wire))
    if previous is not None:
        body = b"".join((body, b"\x1a", varint(len(previous.wire)), previous.wire))
    return b"".join((b"\x5a", varint(len(body)), body))


@dataclass(frozen=True, slots=True)
class RangeResult:
    """What a Range found. count: keys in the range before limit and filters. revision: the store's when it looked."""

    records: Sequence[Record]
    count: int
    more: bool
    revision: int
    keys_only: bool = False


@dataclass(frozen=True, slots=True)
class PutResult:
    """revision: the put's own. previous: None unless asked for and present."""

    revision: int
    previous: Record | None = None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """deleted: how many keys. previous: empty unless asked for."""

    revision: int
    deleted: int
    previous: Sequence[Record] = ()


@dataclass(frozen=True, slots=True)
class TxnResult:
    """One result per operation of the branch taken. revision is 0 in a nested transaction, as etcd leaves it."""

    succeeded: bool
    results: Sequence[RangeResult | PutResult | DeleteResult | TxnResult]
    revision: int = 0
