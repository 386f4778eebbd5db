"""Which key changed at which positions: all the store must hold in memory of a key, whatever its values weigh.

Most keys have one position that counts (created and never changed, or compacted since): those cost one integer. A key
with history holds a list of them. `stale` names the keys that a compaction has something to do for, so that it never
walks the others.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from etcdlite.keyrange import KeyRange
from etcdlite.model import SHIFT, position_limit
from etcdlite.store.sortedkeys import SortedKeys

Entry: TypeAlias = "int | array[int]"


class KeyIndex:
    """Key -> positions, oldest first. A key stays here after its deletion until a compaction forgets it."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._keys = SortedKeys()
        self.stale: dict[bytes, None] = {}

    @classmethod
    def load(cls, changes: Iterable[tuple[bytes, int]]) -> KeyIndex:
        """From every (key, position) of a log, in order of position."""
        index = cls()
        entries = index._entries
        for key, position in changes:
            index._push(entries.get(key), key, position)
        index._keys = SortedKeys(entries)
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
        self._push(entry, key, position)

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
        """Forget the newest change of a key, as if it had never been."""
        entry = self._entries[key]
        if isinstance(entry, int):
            del self._entries[key]
            self._keys.remove(key)
            self.stale.pop(key, None)
            return
        entry.pop()
        if len(entry) == 1:
            self._entries[key] = entry[0]
            if not entry[0] & 1:
                self.stale.pop(key, None)

    def live(self, keys: KeyRange, limit: int) -> list[int]:
        """The positions below `limit` of the keys in range that existed then, in order of key."""
        if keys.single:
            position = self.at(keys.start, limit)
            return [position] if position and not position & 1 else []
        entries = self._entries
        found: list[int] = []
        for key in self._keys.between(keys.start, keys.end):
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
        return found

    def changes(self, keys: KeyRange, start: int, limit: int) -> list[tuple[int, int]]:
        """(position, position of the change before or 0) of the changes in range with start <= position < limit,
        oldest first."""
        found: list[tuple[int, int]] = []
        for key in self._keys.between(keys.start, keys.end):
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
