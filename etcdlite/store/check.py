"""Whether a database file is whole: SQLite's own check, then what must hold between its rows. All of it blocks.

A start looks at no value, and at what it must read anyway; this reads everything, about a second for each GiB.
"""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from collections.abc import Generator, Iterator
from itertools import islice
from urllib.parse import quote

from etcdlite.model import SHIFT
from etcdlite.store.rows import COLUMNS, intact

MOST = 20
"""Problems that are told."""
_SUB = (1 << SHIFT) - 1


def check_file(path: pathlib.Path) -> list[str]:
    """What is wrong with the database at a path, which nobody writes meanwhile; empty when it is whole."""
    uri = f"file:{quote(str(path))}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as file:
            return problems(file)
    except sqlite3.Error as error:
        return [str(error)]


def problems(file: sqlite3.Connection) -> list[str]:
    """The same of an open one. At most MOST of them."""
    try:
        found = [row[0] for row in file.execute(f"PRAGMA integrity_check({MOST})")]
        return found if found != ["ok"] else list(islice(_contradictions(file), MOST))
    except sqlite3.Error as error:
        return [str(error)]


def _contradictions(file: sqlite3.Connection) -> Iterator[str]:
    settings = dict(file.execute("SELECT name, value FROM setting"))
    if not settings and file.execute("SELECT 1 FROM log").fetchone() is None:
        return  # made, and nothing written yet
    compacted = settings.get("compacted", -1)
    for name in ("format", "cluster", "member"):
        if name not in settings:
            yield f"the setting {name!r} is missing"
    leases = {}
    for lease, ttl, remaining in file.execute("SELECT id, ttl, remaining FROM lease"):
        leases[lease] = ttl
        if ttl < 1 or not 0 <= remaining <= ttl:
            yield f"lease {lease:x} has {remaining} of {ttl} seconds left"
    newest = yield from _changes(file, compacted, set(leases))
    if compacted > max(newest, settings.get("revision", 1), 1):
        yield f"it is compacted at {compacted}, but ends at revision {newest}"


def _changes(file: sqlite3.Connection, compacted: int, leases: set[int]) -> Generator[str, None, int]:
    """Every change follows from the one of its key before. Returns the newest revision."""
    columns = {name for _, name, *_ in file.execute("PRAGMA table_info(log)")}
    wanted = COLUMNS if "sum" in columns else COLUMNS.replace("sum", "NULL")
    last: dict[bytes, tuple[int, int, int, int]] = {}
    newest = 0
    for row in file.execute(f"SELECT {wanted} FROM log ORDER BY position"):
        position, key, created, version, lease = row[:5]
        revision, place = position >> SHIFT, f"{key!r} at revision {position >> SHIFT}"
        if not intact(row):
            yield f"{place} is not what was written"
        if revision > max(newest, compacted, 1) + 1:
            yield f"revision {revision - 1} is missing"
        if revision > max(newest, compacted) and position & _SUB > 1:
            yield f"the first change of revision {revision} is missing"
        newest = revision
        before = last.get(key)
        last[key] = revision, created, version, lease
        if bool(position & 1) != (version == 0):
            yield f"{place} is neither a deletion nor none"
        elif before is None or before[2] == 0:
            if version == 0 and revision > compacted:
                yield f"{place} is deleted without having existed"
            elif version and (before is not None or revision > compacted) and (created, version) != (revision, 1):
                yield f"{place} has version {version}, of {created}, although it begins there"
        elif version and (created, version) != (before[1], before[2] + 1):
            yield f"{place} has version {version} after {before[2]}"
    for key, (revision, _, version, lease) in last.items():
        if version and lease and lease not in leases:
            yield f"{key!r} at revision {revision} hangs on lease {lease:x}, which is missing"
    return newest
