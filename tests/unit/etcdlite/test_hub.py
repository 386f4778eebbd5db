"""History as a watch that is behind reads it, at the edge of what is compacted and not swept yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from etcdlite import keyrange
from etcdlite.errors import Compacted
from etcdlite.store.mvcc import Mvcc
from etcdlite.watch.cursor import Watch
from etcdlite.watch.hub import Hub


async def no_load(positions: Sequence[int]) -> None:
    raise AssertionError("all is in memory")


def three_puts() -> Mvcc:
    """One key, put in revisions 2, 3 and 4."""
    state = Mvcc(cache_bytes=None)
    for value in (b"1", b"2", b"3"):
        writing = state.begin()
        writing.put(b"k", value)
        writing.finish()
        state.publishable(writing.revision)
    return state


def behind(start: int) -> Watch:
    return Watch(1, cast("Any", None), keyrange.of(b"k", b""), start, want_previous=True)


@pytest.mark.parametrize(("compacted", "previous"), [(-1, b"2"), (2, b"2"), (3, b"2"), (4, None)])
async def test_a_previous_value_is_told_while_it_can_be_read(compacted: int, previous: bytes | None) -> None:
    """Though it is still there until it is swept."""
    state = three_puts()
    if compacted > 0:
        state.compact(compacted)
    revision, changes = await Hub(state, load=no_load).history(behind(4))
    assert revision == 4
    assert [change.previous and change.previous.value for change in changes] == [previous]


async def test_what_is_compacted_is_not_read_though_it_is_there() -> None:
    state = three_puts()
    state.compact(3)
    with pytest.raises(Compacted):
        await Hub(state, load=no_load).history(behind(2))
    _, changes = await Hub(state, load=no_load).history(behind(3))
    assert next((change.record.value, change.previous) for change in changes) == (b"2", None)
