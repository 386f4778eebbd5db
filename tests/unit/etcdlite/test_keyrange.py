import pytest

from etcdlite import keyrange
from etcdlite.keyrange import KeyRange


@pytest.mark.parametrize(
    ("key", "range_end", "inside", "outside"),
    [
        pytest.param(b"a", b"", [b"a"], [b"", b"a\0", b"aa", b"b"], id="one key"),
        pytest.param(b"a", b"c", [b"a", b"a\0", b"b", b"b\xff"], [b"c", b"\xff", b"A"], id="half open"),
        pytest.param(b"b", b"\0", [b"b", b"c", b"\xff\xff"], [b"a", b"a\xff"], id="from a key on"),
        pytest.param(b"\0", b"\0", [b"\0", b"a", b"\xff"], [], id="everything"),
        pytest.param(b"c", b"a", [], [b"a", b"b", b"c"], id="backwards"),
    ],
)
def test_what_lies_inside(key: bytes, range_end: bytes, inside: list[bytes], outside: list[bytes]) -> None:
    keys = keyrange.of(key, range_end)
    assert [key for key in inside + outside if key in keys] == inside


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        pytest.param(KeyRange(b"a", b"c"), KeyRange(b"b", b"d"), True, id="partly"),
        pytest.param(KeyRange(b"a", b"b"), KeyRange(b"b", b"c"), False, id="touching"),
        pytest.param(KeyRange(b"a", None), KeyRange(b"z", b"zz"), True, id="unbounded"),
        pytest.param(KeyRange(b"b", b"a"), KeyRange(b"a", b"z"), False, id="empty"),
    ],
)
def test_overlaps(one: KeyRange, other: KeyRange, overlap: bool) -> None:
    assert one.overlaps(other) is overlap
    assert other.overlaps(one) is overlap


def test_single_and_empty() -> None:
    assert keyrange.of(b"a", b"").single and not keyrange.of(b"a", b"b").single
    assert keyrange.of(b"b", b"a").empty and not keyrange.of(b"a", b"\0").empty
