"""Which watches want a key: a dictionary for single keys, and for ranges the key space cut into segments. Pure.

The segments are the pieces between the bounds of all watched ranges; each knows the ranges that cover it, so a lookup
is one bisection however many watches there are. A range that comes or goes touches only the segments inside it.

Watches of one stream that watch the same and want it told alike form an *audience*: what is published is handed over
and encoded once for all of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from etcdlite.model import Change
from etcdlite.watch.cursor import Watch


class Audience:
    """Watches of one stream that hear the same, in the order in which they came."""

    __slots__ = ("_members", "_watches", "filtered", "first")

    def __init__(self, first: Watch) -> None:
        self._members: dict[Watch, None] = {}
        self._watches: tuple[Watch, ...] | None = None
        self.first = first
        """Any of them, to ask what all have in common."""
        self.filtered = first.filtered

    @property
    def watches(self) -> tuple[Watch, ...]:
        """They, as of now: who comes or goes later does not change what was returned."""
        if self._watches is None:
            self._watches = tuple(self._members)
        return self._watches

    @property
    def empty(self) -> bool:
        return not self._members

    def add(self, watch: Watch) -> None:
        self._members[watch] = None
        self._watches = None

    def discard(self, watch: Watch) -> None:
        del self._members[watch]
        self._watches = None

    def wants(self, change: Change) -> bool:
        """True unless a filter drops the change."""
        return not self.filtered or self.first.wants(change)


class Members:
    """The audiences of one key or range."""

    __slots__ = ("audiences",)

    def __init__(self) -> None:
        self.audiences: dict[object, Audience] = {}

    def add(self, watch: Watch) -> None:
        audience = self.audiences.get(watch.manner)
        if audience is None:
            audience = self.audiences[watch.manner] = Audience(watch)
        audience.add(watch)

    def discard(self, watch: Watch) -> None:
        audience = self.audiences[watch.manner]
        audience.discard(watch)
        if audience.empty:
            del self.audiences[watch.manner]


class Groups:
    """Live watches by what they watch."""

    def __init__(self) -> None:
        self._keys: dict[bytes, Members] = {}
        self._ranges: dict[tuple[bytes, bytes | None], Members] = {}
        self._segments = Segments()
        self._live: set[Watch] = set()

    def __len__(self) -> int:
        return len(self._live)

    def add(self, watch: Watch) -> None:
        """Let a watch hear of changes; nothing happens when it is here already."""
        if watch in self._live:
            return
        self._live.add(watch)
        keys = watch.keys
        members = self._keys.get(keys.start) if keys.single else self._ranges.get(keys)
        if members is None:
            members = Members()
            if keys.single:
                self._keys[keys.start] = members
            else:
                self._ranges[keys] = members
                self._segments.add(keys.start, keys.end, members)
        members.add(watch)

    def discard(self, watch: Watch) -> None:
        """Let it hear no more; nothing happens when it is not here."""
        if watch not in self._live:
            return
        self._live.discard(watch)
        keys = watch.keys
        members = self._keys[keys.start] if keys.single else self._ranges[keys]
        members.discard(watch)
        if members.audiences:
            return
        if keys.single:
            del self._keys[keys.start]
        else:
            del self._ranges[keys]
            self._segments.remove(keys.start, keys.end, members)

    def audiences(self, key: bytes) -> list[Audience]:
        """Whom a change of `key` concerns, filters not applied."""
        found: list[Audience] = []
        members = self._keys.get(key)
        if members is not None:
            found += members.audiences.values()
        for members in self._segments.at(key):
            found += members.audiences.values()
        return found


class Segments:
    """Ranges of keys with something for each, cut at all their bounds."""

    def __init__(self) -> None:
        self._bounds: list[bytes] = []
        self._covers: list[list[Members]] = []
        """What covers the keys from the bound at the same place up to the next one."""
        self._uses: dict[bytes, int] = {}
        """How many ranges begin or end at a bound."""

    def at(self, key: bytes) -> Iterable[Members]:
        """What covers a key."""
        found = bisect_right(self._bounds, key)
        return self._covers[found - 1] if found else ()

    def add(self, start: bytes, end: bytes | None, members: Members) -> None:
        """Cover `[start, end)`, which is not empty."""
        first = self._cut(start)
        last = len(self._bounds) if end is None else self._cut(end)
        for cover in self._covers[first:last]:
            cover.append(members)

    def remove(self, start: bytes, end: bytes | None, members: Members) -> None:
        """Undo an `add`."""
        first = bisect_left(self._bounds, start)
        last = len(self._bounds) if end is None else bisect_left(self._bounds, end)
        for cover in self._covers[first:last]:
            cover.remove(members)
        if end is not None:
            self._join(end)
        self._join(start)

    def _cut(self, bound: bytes) -> int:
        at = bisect_left(self._bounds, bound)
        if bound in self._uses:
            self._uses[bound] += 1
            return at
        self._uses[bound] = 1
        self._bounds.insert(at, bound)
        self._covers.insert(at, list(self._covers[at - 1]) if at else [])
        return at

    def _join(self, bound: bytes) -> None:
        self._uses[bound] -= 1
        if not self._uses[bound]:
            at = bisect_left(self._bounds, bound)
            del self._uses[bound], self._bounds[at], self._covers[at]
