"""Which alarms stand. As in etcd, an alarm has a kind and names a member, and NOSPACE of any member counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

NOSPACE, CORRUPT = 1, 2
"""Kinds, with etcd's numbers (AlarmType)."""
NAMES = {NOSPACE: "NOSPACE", CORRUPT: "CORRUPT"}
ADVICE = {
    NOSPACE: "make room: compact, defrag, a larger --quota-backend-bytes or disk; then 'etcdctl alarm disarm'",
    CORRUPT: "look with 'python -m etcdlite check', restore a snapshot; 'etcdctl alarm disarm' lets writes go on",
}
"""What a person does about it."""
_SETTING = r"alarm/(\d+)/(\d+)"


class Alarms:
    """no_space: what would grow the store is refused. corrupt: every write is refused."""

    def __init__(self) -> None:
        self._raised: dict[tuple[int, int], None] = {}
        self.no_space = False
        self.corrupt = False

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(kind, member) of each, by kind, then in the order in which they were raised."""
        return iter(sorted(self._raised, key=lambda alarm: alarm[0]))

    def __contains__(self, alarm: tuple[int, int]) -> bool:
        return alarm in self._raised

    def set(self, kind: int, member: int, *, raised: bool) -> bool:
        """Raise or disarm one. False when it was so already."""
        if raised == ((kind, member) in self._raised):
            return False
        if raised:
            self._raised[kind, member] = None
        else:
            del self._raised[kind, member]
        kinds = {kind for kind, _ in self._raised}
        self.no_space, self.corrupt = NOSPACE in kinds, CORRUPT in kinds
        return True

    def load(self, settings: Mapping[str, int]) -> None:
        """Raise what a file's settings say."""
        for name, value in settings.items():
            found = re.fullmatch(_SETTING, name)
            if value and found is not None:
                self.set(int(found[1]), int(found[2]), raised=True)

    def settings(self) -> dict[str, int]:
        """The settings that say what is raised."""
        return {setting_of(kind, member): 1 for kind, member in self._raised}


def setting_of(kind: int, member: int) -> str:
    """The name under which a file keeps an alarm."""
    return f"alarm/{kind}/{member}"
