import pytest

from etcdlite.model import Record, position_limit
from etcdlite.store.records import NotResident, Records


def record(revision: int) -> Record:
    return Record(b"k%d" % revision, position_limit(revision - 1), revision, 1, 0, bytes(100))


def test_the_oldest_go_when_the_bound_is_passed_but_never_what_the_file_lacks() -> None:
    one = record(1).size
    records = Records(one * 8)
    for revision in range(1, 13):
        records.add(record(revision))
    records.trim(position_limit(3))
    assert records.get(position_limit(3)) is not None, "revision 4 is not in the file yet"
    assert [revision for revision in range(1, 13) if records.get(position_limit(revision - 1)) is None] == [1, 2, 3]
    assert not records.complete
    records.trim(position_limit(99))
    assert records.size <= one * 8 and records.get(position_limit(11)) is not None
    with pytest.raises(NotResident) as raised:
        records.many([position_limit(0), position_limit(11)])
    assert list(raised.value.positions) == [position_limit(0)]


def test_without_a_bound_nothing_goes() -> None:
    records = Records(None)
    for revision in range(1, 100):
        records.add(record(revision))
    records.trim(position_limit(1000))
    assert len(records) == 99 and records.complete
    records.drop([position_limit(4)])
    assert len(records) == 98 and records.size == sum(record(n).size for n in range(1, 100) if n != 5)
