from random import Random

import pytest

from etcdlite.keyrange import KeyRange
from etcdlite.model import SHIFT, position_limit
from etcdlite.store import keyindex as keyindex_module
from etcdlite.store.keyindex import KeyIndex
from etcdlite.store.sortedkeys import CHUNK, SortedKeys

ALL = KeyRange(b"", None)


def put(revision: int, sub: int = 0) -> int:
    return revision << SHIFT | sub << 1


def tombstone(revision: int, sub: int = 0) -> int:
    return put(revision, sub) | 1


@pytest.fixture
def index() -> KeyIndex:
    """a: put at 2, 4, deleted at 5, put at 7. b: put at 3. c: put at 6, deleted at 8."""
    return KeyIndex.load(
        [
            (b"a", put(2)),
            (b"b", put(3)),
            (b"a", put(4)),
            (b"a", tombstone(5)),
            (b"c", put(6)),
            (b"a", put(7)),
            (b"c", tombstone(8)),
        ]
    )


@pytest.mark.parametrize(
    ("revision", "alive"),
    [
        (1, []),
        (2, [b"a2"]),
        (3, [b"a2", b"b3"]),
        (4, [b"a4", b"b3"]),
        (5, [b"b3"]),
        (6, [b"b3", b"c6"]),
        (7, [b"a7", b"b3", b"c6"]),
        (8, [b"a7", b"b3"]),
    ],
)
def test_what_lived_when(index: KeyIndex, revision: int, alive: list[bytes]) -> None:
    names = {put(2): b"a2", put(4): b"a4", put(7): b"a7", put(3): b"b3", put(6): b"c6"}
    assert [names[position] for position in index.live(ALL, position_limit(revision))] == alive


def test_changes_come_in_order_with_the_one_before(index: KeyIndex) -> None:
    assert index.changes(ALL, put(4), position_limit(7)) == [
        (put(4), put(2)),
        (tombstone(5), put(4)),
        (put(6), 0),
        (put(7), tombstone(5)),
    ]
    assert index.changes(KeyRange(b"c", b"d"), 0, position_limit(99)) == [(put(6), 0), (tombstone(8), put(6))]


@pytest.mark.parametrize(
    ("revision", "forgotten", "stale"),
    [
        pytest.param(3, [], [b"a", b"c"], id="nothing to forget"),
        pytest.param(4, [put(2)], [b"a", b"c"], id="superseded"),
        pytest.param(5, [put(2), put(4)], [b"a", b"c"], id="a deletion at the revision stays"),
        pytest.param(6, [put(2), put(4), tombstone(5)], [b"c"], id="an older deletion goes"),
        pytest.param(9, [put(2), put(4), tombstone(5), put(6), tombstone(8)], [], id="a deleted key is forgotten"),
    ],
)
def test_compaction(index: KeyIndex, revision: int, forgotten: list[int], stale: list[bytes]) -> None:
    before = index.live(ALL, position_limit(8))
    gone = [position for key in list(index.stale) for position in index.compact(key, revision)]
    assert sorted(gone) == forgotten
    assert sorted(index.stale) == stale
    assert index.live(ALL, position_limit(8)) == before


def test_a_forgotten_key_begins_anew(index: KeyIndex) -> None:
    for key in list(index.stale):
        index.compact(key, 9)
    assert index.last(b"c") == 0 and len(index) == 2
    index.append(b"c", put(10))
    assert index.live(ALL, position_limit(10)) == [put(7), put(3), put(10)]


def test_sorted_keys_agree_with_a_sorted_set() -> None:
    random = Random(7)
    keys, model = SortedKeys(), set[bytes]()
    for _ in range(6 * CHUNK):
        key = random.randbytes(2)
        if key in model and random.random() < 0.7:
            keys.remove(key)
            model.remove(key)
        elif key not in model:
            keys.add(key)
            model.add(key)
    ordered = sorted(model)
    assert keys.between(b"", None) == ordered and len(keys) == len(ordered)
    for _ in range(200):
        start, end = random.randbytes(2), random.randbytes(random.choice((1, 2, 3)))
        assert keys.between(start, end) == [key for key in ordered if start <= key < end]
        assert keys.between(start, None) == [key for key in ordered if start <= key]
    assert SortedKeys(ordered).between(b"\x10", b"\x20") == keys.between(b"\x10", b"\x20")


def test_counts_pages_and_changes_agree_with_walking_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random history of puts, deletions, changes taken back and compactions; the newest fifty changes are held."""
    monkeypatch.setattr(keyindex_module, "RECENT", 50)
    random = Random(5)
    index, history = KeyIndex(), list[tuple[bytes, int]]()
    compacted = 0
    for revision in range(2, 1500):
        key = b"%02d" % random.randrange(60)
        gone = bool(index.last(key)) and not index.last(key) & 1 and random.random() < 0.4
        position = tombstone(revision) if gone else put(revision)
        index.append(key, position)
        history.append((key, position))
        if random.random() < 0.05:
            index.take_back(key)
            history.pop()
        if random.random() < 0.02:
            compacted = random.randint(compacted, revision)
            for stale in list(index.stale):
                index.compact(stale, compacted)
        start, end = b"%02d" % random.randrange(60), random.choice((None, b"%02d" % random.randrange(61)))
        keys = KeyRange(start, end)
        limit = position_limit(random.randint(max(compacted, revision - 80), revision))
        newest = {changed: position for changed, position in history if position < limit and changed in keys}
        alive = [newest[each] for each in sorted(newest) if not newest[each] & 1]
        assert index.live(keys, limit) == alive
        assert index.live(keys, limit, most=3) == alive[:3]
        assert index.count(keys, limit) == len(alive)
        since = put(max(compacted, revision - random.randrange(80)) + 1)
        expected = [position for changed, position in history if since <= position < limit and changed in keys]
        assert [position for position, _ in index.changes(keys, since, limit)] == expected
    loaded = KeyIndex.load(sorted(history, key=lambda change: change[1]))
    assert loaded.count(ALL, position_limit(1500)) == len(loaded.live(ALL, position_limit(1500)))
