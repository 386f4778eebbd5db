"""Which key changed at which positions: all the store must hold in memory of a key, whatever its values weigh.

Most keys have one position that counts (created and never changed, or compacted since): those cost one integer. A key
with history holds a list of them. `stale` names the keys that a compaction has something to do for, so that it never
walks the others.

The newest changes are also held in their order. So what is asked most, how many keys a range has now or had a moment
ago, and what changed there since, costs what has changed and not what there is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from etcdlite.keyrange import KeyRange
from etcdlite.model import SHIFT, position_limit
from etcdlite.store.sortedkeys import SortedKeys

Entry: TypeAlias = "int | array[int]"

RECENT = 16_384
"""Newest changes held in their order."""


class KeyIndex:
    """Key -> positions, oldest first. A key stays here after its deletion until a compaction forgets it."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._keys = SortedKeys()
        self._dead = SortedKeys()  # those whose newest change is their deletion
        self._recent: deque[tuple[int, bytes]] = deque(maxlen=RECENT)
        self._complete_from = 0  # the position from which on `_recent` has every change
        self.stale: dict[bytes, None] = {}

    @classmethod
    def load(cls, changes: Iterable[tuple[bytes, int]]) -> KeyIndex:
        """From every (key, position) of a log, in order of position."""
        index = cls()
        entries = index._entries
        position = -1
        for key, position in changes:
            index._push(entries.get(key), key, position)
        index._complete_from = position + 1
        index._keys = SortedKeys(entries)
        index._dead = SortedKeys(key for key in index.stale if index.last(key) & 1)
        return index

    def __len__(self) -> int:
        return len(self._entries)

    def last(self, key: bytes) -> int:
        """The newest position of a key, which may be a deletion's (odd); 0 for a key never seen."""
        entry = self._entries.get(key)
        if entry is None:
            return 0
        return entry if type(entry) is int else entry[-1]  # type: ignore[index]  # type() narrows for speed, not for mypy

    def at(self, key: bytes, limit: int) -> int:
        """The newest position of a key below `limit`; 0 when there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return 0
        if isinstance(entry, int):
            return entry if entry < limit else 0
        if entry[-1] < limit:
            return entry[-1]
        found = bisect_left(entry, limit)
        return entry[found - 1] if found else 0

    def append(self, key: bytes, position: int) -> None:
        """Record a change, newer than every one before."""
        entry = self._entries.get(key)
        if entry is None:
            self._keys.add(key)
        elif self._dead and self.last(key) & 1:
            self._dead.remove(key)
        if position & 1:
            self._dead.add(key)
        self._push(entry, key, position)
        recent = self._recent
        if len(recent) == recent.maxlen:
            self._complete_from = recent[0][0] + 1
        recent.append((position, key))

    def _push(self, entry: Entry | None, key: bytes, position: int) -> None:
        if entry is None:
            self._entries[key] = position
            if position & 1:
                self.stale[key] = None
        elif isinstance(entry, int):
            self._entries[key] = array("q", (entry, position))
            self.stale[key] = None
        else:
            entry.append(position)

    def take_back(self, key: bytes) -> None:
        """Forget the newest change of all, a key's, as if it had never been."""
        if self._recent:
            self._recent.pop()
        entry = self._entries[key]
        if self.last(key) & 1:
            self._dead.remove(key)
        if isinstance(entry, int):
            del self._entries[key]
            self._keys.remove(key)
            self.stale.pop(key, None)
            return
        entry.pop()
        if entry[-1] & 1:
            self._dead.add(key)
        if len(entry) == 1:
            self._entries[key] = entry[0]
            if not entry[0] & 1:
                self.stale.pop(key, None)

    def live(self, keys: KeyRange, limit: int, *, most: int | None = None) -> list[int]:
        """The positions below `limit` of the keys in range that existed then, in order of key; the first `most`."""
        if keys.single:
            position = self.at(keys.start, limit)
            return [position] if position and not position & 1 else []
        entries = self._entries
        found: list[int] = []
        for chunk in self._keys.slices(keys.start, keys.end):
            for key in chunk:
                entry = entries[key]
                if isinstance(entry, int):
                    if not entry & 1 and entry < limit:
                        found.append(entry)
                    continue
                position = entry[-1]
                if position >= limit:
                    before = bisect_left(entry, limit)
                    position = entry[before - 1] if before else 1
                if not position & 1:
                    found.append(position)
            if most is not None and len(found) >= most:
                return found[:most]
        return found

    def count(self, keys: KeyRange, limit: int) -> int:
        """How many keys in range existed before `limit`."""
        if keys.single or limit < self._complete_from:
            return len(self.live(keys, limit))
        found = self._keys.count(keys.start, keys.end) - self._dead.count(keys.start, keys.end)
        since: set[bytes] = set()
        for position, key in reversed(self._recent):
            if position < limit:
                break
            if key not in since and key in keys:
                since.add(key)
                found += _alive(self.at(key, limit)) - _alive(self.last(key))
        return found

    def changes(self, keys: KeyRange, start: int, limit: int) -> list[tuple[int, int]]:
        """(position, position of the change before or 0) of the changes in range with start <= position < limit,
        oldest first."""
        if start >= self._complete_from:
            return self._recent_changes(keys, start, limit)
        found: list[tuple[int, int]] = []
        for chunk in self._keys.slices(keys.start, keys.end):
            for key in chunk:
                entry = self._entries[key]
                if isinstance(entry, int):
                    if start <= entry < limit:
                        found.append((entry, 0))
                    continue
                if entry[-1] < start:
                    continue
                found += (
                    (entry[at], entry[at - 1] if at else 0)
                    for at in range(bisect_left(entry, start), bisect_left(entry, limit))
                )
        found.sort()
        return found

    def _recent_changes(self, keys: KeyRange, start: int, limit: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for position, key in reversed(self._recent):
            if position < start:
                break
            if position >= limit or key not in keys:
                continue
            entry = self._entries.get(key)
            if entry is None:
                continue  # compacted, its deletion too
            if isinstance(entry, int):
                if entry == position:
                    found.append((position, 0))
                continue
            at = bisect_left(entry, position)
            if entry[at] == position:  # else it is compacted
                found.append((position, entry[at - 1] if at else 0))
        found.reverse()
        return found

    def compact(self, key: bytes, revision: int) -> list[int]:
        """Forget what no read at `revision` or later can see, and return the positions forgotten.

        A deletion at exactly `revision` stays, since a watch may still start there.
        """
        entry = self._entries.get(key)
        if entry is None:
            self.stale.pop(key, None)
            return []
        positions = array("q", (entry,)) if isinstance(entry, int) else entry
        kept_from = max(bisect_left(positions, position_limit(revision)) - 1, 0)
        newest = positions[kept_from]
        if newest & 1 and newest >> SHIFT < revision:
            kept_from += 1
        forgotten = positions[:kept_from]
        kept = positions[kept_from:]
        if not kept:
            del self._entries[key]
            self._keys.remove(key)
            self._dead.remove(key)
            self.stale.pop(key, None)
        elif len(kept) == 1:
            self._entries[key] = kept[0]
            if not kept[0] & 1:
                self.stale.pop(key, None)
        elif forgotten:
            self._entries[key] = kept
        return list(forgotten)

    def positions(self) -> Iterator[int]:
        """Every position held, in no order."""
        for entry in self._entries.values():
            if isinstance(entry, int):
                yield entry
            else:
                yield from entry

    def items(self) -> Iterator[tuple[bytes, list[int]]]:
        """Every key with its positions, oldest first, in no order of keys."""
        for key, entry in self._entries.items():
            yield key, [entry] if isinstance(entry, int) else list(entry)


def _alive(position: int) -> bool:
    return position != 0 and not position & 1
