import pytest

from etcdlite.model import Change, Record, encode_event, position_limit, varint
from protos.pool import messages

mv = messages("mvccpb")
WatchResponse = messages("etcdserverpb").WatchResponse


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_varint_is_protobufs(number: int) -> None:
    assert mv.KeyValue.FromString(b"\x20" + varint(number)).version == number


@pytest.mark.parametrize("value", [b"", b"v", bytes(200), bytes(70_000)])
@pytest.mark.parametrize("lease", [0, 7, 2**62, -5])
def test_a_record_is_its_message(value: bytes, lease: int) -> None:
    record = Record(b"key" * 60, position_limit(8), 5, 3, lease, value)
    message = mv.KeyValue.FromString(record.wire)
    assert message == mv.KeyValue(
        key=b"key" * 60, create_revision=5, mod_revision=9, version=3, value=value, lease=lease
    )
    assert record.value == value and record.revision == 9 and not record.deleted
    message.value = b""
    assert mv.KeyValue.FromString(record.metadata) == message


def test_events() -> None:
    before = Record(b"k", position_limit(3), 4, 1, 0, b"old")
    gone = Record(b"k", position_limit(4) | 1, 0, 0, 0, b"")
    change = Change(gone, before)
    (plain,) = WatchResponse.FromString(change.event).events
    (full,) = WatchResponse.FromString(change.event_with_previous).events
    assert plain.type == mv.Event.DELETE and plain.kv == mv.KeyValue(key=b"k", mod_revision=5)
    assert not plain.HasField("prev_kv")
    assert full.prev_kv.value == b"old"
    (put,) = WatchResponse.FromString(encode_event(before, None)).events
    assert put.type == mv.Event.PUT and put.kv.value == b"old"
