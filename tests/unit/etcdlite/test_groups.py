from random import Random
from typing import Any

from etcdlite import keyrange
from etcdlite.watch.cursor import Watch
from etcdlite.watch.groups import Groups


def watch(number: int, key: bytes, range_end: bytes = b"") -> Watch:
    stream: Any = None  # groups look at keys alone
    return Watch(number, stream, keyrange.of(key, range_end), 1)


def watching(groups: Groups, key: bytes) -> list[Watch]:
    return [each for audience in groups.audiences(key) for each in audience.watches]


def test_lookups_agree_with_asking_every_watch() -> None:
    random = Random(11)
    groups, watches = Groups(), list[Watch]()

    def name() -> bytes:
        return bytes(random.choice(b"abcde") for _ in range(random.randint(1, 3)))

    for number in range(300):
        range_end = random.choice((b"", b"\0", name()))
        new = watch(number, name(), range_end)
        if new.keys.empty:
            continue
        groups.add(new)
        watches.append(new)
        if random.random() < 0.3:
            gone = watches.pop(random.randrange(len(watches)))
            groups.discard(gone)
            groups.discard(gone)  # twice does no harm
        key = name()
        expected = {each.id for each in watches if key in each.keys}
        assert {each.id for each in watching(groups, key)} == expected
    assert len(groups) == len(watches)


def test_ranges_that_touch_do_not_overlap() -> None:
    groups = Groups()
    low, high = watch(1, b"a", b"b"), watch(2, b"b", b"c")
    groups.add(low)
    groups.add(high)
    assert watching(groups, b"a\xff") == [low]
    assert watching(groups, b"b") == [high]
    assert watching(groups, b"c") == []
