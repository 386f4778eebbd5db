"""Which watches want a key: a dictionary for single keys, and for ranges the key space cut into segments. Pure.

The segments are the pieces between the bounds of all watched ranges; each knows the ranges that cover it, so a lookup
is one bisection however many watches there are. They are cut again at the first lookup after a range came or went.
"""

from __future__ import annotations

from bisect import bisect_right

from etcdlite.keyrange import KeyRange
from etcdlite.watch.cursor import Watch

Members = dict[Watch, None]


class Groups:
    """Live watches by what they watch."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Members] = {}
        self._ranges: dict[KeyRange, Members] = {}
        self._bounds: list[bytes] | None = []
        self._covers: list[tuple[Members, ...]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, watch: Watch) -> None:
        """Let a watch hear of changes."""
        if watch.keys.single:
            members = self._keys.setdefault(watch.keys.start, {})
        else:
            if watch.keys not in self._ranges:
                self._bounds = None
            members = self._ranges.setdefault(watch.keys, {})
        if watch not in members:
            members[watch] = None
            self._count += 1

    def discard(self, watch: Watch) -> None:
        """Let it hear no more; nothing happens when it is not here."""
        key, keys = watch.keys.start, watch.keys
        members = self._keys.get(key) if keys.single else self._ranges.get(keys)
        if members is None or watch not in members:
            return
        del members[watch]
        self._count -= 1
        if members:
            return
        if keys.single:
            del self._keys[key]
        else:
            del self._ranges[keys]
            self._bounds = None

    def watching(self, key: bytes) -> list[Watch]:
        """The watches that a change of `key` concerns, filters not applied."""
        found: list[Watch] = []
        members = self._keys.get(key)
        if members is not None:
            found += members
        if self._bounds is None:
            self._cut()
        at = bisect_right(self._bounds or (), key)
        if at:
            for members in self._covers[at - 1]:
                found += members
        return found

    def _cut(self) -> None:
        starts: dict[bytes, list[KeyRange]] = {}
        ends: dict[bytes, list[KeyRange]] = {}
        for keys in self._ranges:
            starts.setdefault(keys.start, []).append(keys)
            if keys.end is not None:
                ends.setdefault(keys.end, []).append(keys)
        self._bounds = sorted({*starts, *ends})
        self._covers = []
        active: dict[KeyRange, Members] = {}
        for bound in self._bounds:
            for keys in ends.get(bound, ()):
                active.pop(keys, None)
            for keys in starts.get(bound, ()):
                active[keys] = self._ranges[keys]
            self._covers.append(tuple(active.values()))
