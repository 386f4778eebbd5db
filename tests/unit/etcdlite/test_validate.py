"""Checks that need no store; the refusals themselves are compared with etcd's in tests/contract."""

import pytest

from etcdlite.errors import DuplicateKey, RequestTooLarge, TooManyOps
from etcdlite.model import Change, Record, position_limit, varint
from etcdlite.rpc import validate
from etcdlite.store.compaction import parse_duration
from etcdlite.watch.batches import responses
from tests.support.etcd import op, pb

P, D, T = pb.PutRequest, pb.DeleteRangeRequest, pb.TxnRequest


def txn(*requests: object, otherwise: tuple[object, ...] = ()) -> object:
    return T(success=[op(r) for r in requests], failure=[op(r) for r in otherwise])


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(txn(P(key=b"a"), D(key=b"b", range_end=b"c")), id="beside each other"),
        pytest.param(txn(txn(P(key=b"a"), otherwise=(P(key=b"a"),))), id="branches exclude each other"),
        pytest.param(txn(D(key=b"a", range_end=b"c"), D(key=b"b", range_end=b"d")), id="deletes may overlap"),
        pytest.param(txn(P(key=b"a"), otherwise=(P(key=b"a"),)), id="success and failure"),
        pytest.param(txn(D(key=b"a", range_end=b"\0"), P(key=b"b")), id="from a key on is not looked at, as in etcd"),
    ],
)
def test_allowed(request_: object) -> None:
    validate.check_txn(request_, 128)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(txn(txn(P(key=b"a")), txn(P(key=b"a"))), id="two nested put it"),
        pytest.param(txn(txn(D(key=b"a", range_end=b"c")), P(key=b"b")), id="deleted inside, put outside"),
        pytest.param(txn(D(key=b"b"), txn(P(key=b"b"))), id="deleted outside, put inside"),
    ],
)
def test_refused(request_: object) -> None:
    with pytest.raises(DuplicateKey):
        validate.check_txn(request_, 128)


def test_nesting_uses_up_the_operations() -> None:
    inner = txn(*(P(key=b"k%d" % n) for n in range(3)))
    validate.check_txn(txn(inner), 4)
    with pytest.raises(TooManyOps):
        validate.check_txn(txn(inner), 3)


def test_size() -> None:
    validate.check_size(P(key=b"k", value=bytes(100)), 200)
    with pytest.raises(RequestTooLarge):
        validate.check_size(P(key=b"k", value=bytes(300)), 200)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("8", 28800), ("90m", 5400), ("1h30m", 5400), ("1.5s", 1.5), ("10ms", 0.01)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "m", "5x", "1h 30m", "-1s"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


def test_fragments_split_between_events_and_say_so() -> None:
    changes = [Change(Record(b"k%d" % n, position_limit(4) + 2 * n, 5, 1, 0, bytes(1000)), None) for n in range(5)]
    wires = responses(b"\x18\x05", [varint(3)], changes, previous=False, fragment_bytes=2500)
    parts = [pb.WatchResponse.FromString(wire) for wire in wires]
    assert [len(part.events) for part in parts] == [2, 2, 1]
    assert [part.fragment for part in parts] == [True, True, False]
    assert {(part.watch_id, part.header.revision) for part in parts} == {(3, 5)}
    both = responses(b"\x18\x05", [varint(3), varint(300)], changes, previous=False, fragment_bytes=None)
    for watch_id, whole in zip((3, 300), map(pb.WatchResponse.FromString, both), strict=True):
        assert whole.watch_id == watch_id and len(whole.events) == 5 and not whole.fragment
