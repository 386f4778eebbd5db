"""A change as a row of the file, with a sum of its own: SQLite does not notice when a disk changes a value.

The sum is a CRC-32 of key and value that starts from the numbers. A row without one, as earlier versions wrote it, is
taken as it is.
"""

from __future__ import annotations

import zlib

from etcdlite.errors import Damaged
from etcdlite.model import SHIFT, Record

COLUMNS = "position, key, created, version, lease, value, sum"
INSERT = f"INSERT INTO log({COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?)"
Row = tuple[int, bytes, int, int, int, bytes, int | None]
_32 = 0xFFFFFFFF


def row_of(record: Record) -> Row:
    """The row of a change."""
    value = record.value
    position, key, created, version, lease = record.position, record.key, record.created, record.version, record.lease
    return position, key, created, version, lease, value, _sum(position, key, created, version, lease, value)


def record_of(row: Row) -> Record:
    """The change of a row. Raises Damaged unless it is what was written."""
    if not intact(row):
        raise Damaged(f"the change of {row[1]!r} at revision {row[0] >> SHIFT} is not what was written")
    position, key, created, version, lease, value, _ = row
    return Record(key, position, created, version, lease, value)


def intact(row: Row) -> bool:
    """False when the row is not what was written."""
    return row[6] is None or row[6] == _sum(*row[:6])


def _sum(position: int, key: bytes, created: int, version: int, lease: int, value: bytes) -> int:
    start = position ^ position >> 32 ^ created * 3 ^ version * 5 ^ lease ^ lease >> 31
    return zlib.crc32(value, zlib.crc32(key, start & _32))
