"""The records held in memory: all of them when the store has no file, the recent ones when it has.

Positions that are not here are read back from the file by whoever meets `NotResident`. The bound counts bytes; the
records that the file does not hold yet are never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etcdlite.model import Record


class NotResident(Exception):
    """Records needed to go on are only in the file. Nothing was changed: load them and ask again."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__(f"{len(positions)} records are not in memory")
        self.positions = positions


class Records:
    """Position -> record. bound: bytes to stay below, None for no bound."""

    def __init__(self, bound: int | None) -> None:
        self._bound = bound
        self._held: dict[int, Record] = {}
        self.size = 0
        self.complete = True
        """False once a record exists that is not here."""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, record: Record) -> None:
        """Hold a record that is not held yet."""
        self._held[record.position] = record
        self.size += record.size

    def load(self, records: Iterable[Record]) -> None:
        """Hold records read from the file."""
        for record in records:
            if record.position not in self._held:
                self.add(record)

    def get(self, position: int) -> Record | None:
        """The record, or None when it is not in memory."""
        return self._held.get(position)

    def one(self, position: int) -> Record:
        """The record. Raises NotResident."""
        record = self._held.get(position)
        if record is None:
            raise NotResident((position,))
        return record

    def many(self, positions: Sequence[int]) -> list[Record]:
        """The records, in the order asked for. Raises NotResident with all that are missing."""
        held = self._held
        try:
            return [held[position] for position in positions]
        except KeyError:
            raise NotResident([position for position in positions if position not in held]) from None

    def drop(self, positions: Iterable[int]) -> None:
        """Forget records that a compaction removed."""
        for position in positions:
            record = self._held.pop(position, None)
            if record is not None:
                self.size -= record.size

    def release(self, position: int) -> None:
        """Drop a record that a newer one replaced, which the file holds: the room goes to current ones. A store without
        a bound keeps it."""
        if self._bound is not None and (record := self._held.pop(position, None)) is not None:
            self.size -= record.size
            self.complete = False

    def trim(self, limit: int) -> None:
        """Drop the longest held, when the bound is passed; only records below `limit`, which the file holds.

        It goes an eighth below the bound, so that the cost of finding the oldest is paid rarely."""
        if self._bound is None or self.size <= self._bound:
            return
        excess = self.size - self._bound * 7 // 8
        oldest: list[int] = []
        for position, record in self._held.items():
            if excess <= 0:
                break
            if position < limit:
                oldest.append(position)
                excess -= record.size
        self.drop(oldest)
        self.complete = self.complete and not oldest
