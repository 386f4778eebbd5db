"""Data directories that somebody or something has damaged: what a start makes of them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.errors import DatabaseError
from etcdlite.model import SHIFT
from etcdlite.store.place import FILE, MARK
from tests.support.faults import serving
from tests.unit.etcdlite.test_faults import grant

PAGE = 4096


@pytest.fixture
async def used(tmp_path: Path) -> Path:
    """A data directory as `kill -9` leaves it: some of what was acknowledged is in the write-ahead log alone."""
    directory = tmp_path / "data"
    async with serving(Config(data_dir=str(tmp_path / "live"))) as (store, app):
        await asyncio.gather(*(store.put(b"k%03d" % number, b"%03d" % number * 300) for number in range(200)))
        await app._parts.store.committer.alone(app._parts.store._file.checkpoint)  # type: ignore[union-attr]  # it has one
        for number in range(10):
            await store.put(b"late", b"%03d" % number)
        lease = await grant(store, 100)
        await store.put(b"leased", lease=lease)
        await grant(store, 200)
        shutil.copytree(tmp_path / "live", directory)
    return directory


async def refusal(directory: Path) -> str:
    """Why a store does not start there."""
    app = EtcdLite(Config(data_dir=str(directory)), clock=SystemClock())
    with pytest.raises(DatabaseError) as raised:
        async with System(app.spec(), clock=SystemClock()):
            pass
    assert "\n" not in str(raised.value)
    return str(raised.value)


async def test_what_a_kill_leaves_starts(used: Path) -> None:
    async with serving(Config(data_dir=str(used))) as (store, _):
        assert (await store.get(b"k", b"l", count_only=True)).count == 200
        assert (await store.get(b"late")).kvs[0].value == b"009"
        assert (await store.get(b"leased")).kvs[0].lease


def _flip(path: Path, start: int, length: int = 64) -> int:
    content = bytearray(path.read_bytes())
    for at in range(start, min(start + length, len(content))):
        content[at] ^= 0xFF
    return path.write_bytes(content)


def _cut(path: Path, size: int) -> int:
    with path.open("r+b") as file:
        return file.truncate(size)


def _remove(*paths: Path) -> int:
    for path in paths:
        path.unlink()
    return len(paths)


def _sql(directory: Path, statement: str) -> int:
    with contextlib.closing(sqlite3.connect(directory / FILE)) as connection:
        connection.execute(statement)
        connection.commit()
        return connection.total_changes


def _wal(directory: Path) -> Path:
    return directory / f"{FILE}-wal"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(lambda d: (d / FILE).write_bytes(b"other" * 1000), "file is not a database", id="other file"),
        pytest.param(lambda d: _flip(d / FILE, 0), "file is not a database", id="first page"),
        pytest.param(
            lambda d: [_flip(d / FILE, at, 2000) for at in range(4 * PAGE, 20 * PAGE, PAGE)],
            "database disk image is malformed",
            id="pages",
        ),
        pytest.param(lambda d: (_remove(_wal(d)), _cut(d / FILE, 20 * PAGE)), "malformed", id="truncated"),
        pytest.param(lambda d: _remove(d / FILE), "store.db: missing, although store.mark", id="deleted"),
        pytest.param(lambda d: _cut(d / FILE, 0), "store.db: empty, although store.mark", id="emptied"),
        pytest.param(
            lambda d: _remove(d / FILE, d / MARK),
            "store.db: missing, although store.db-wal",
            id="deleted, with the mark",
        ),
        pytest.param(lambda d: _remove(_wal(d)), "ends at revision 201, but 212 was acknowledged", id="no log"),
        pytest.param(lambda d: _cut(_wal(d), 5000), "ends at revision 202, but 212 was acknowledged", id="short log"),
        pytest.param(lambda d: _flip(_wal(d), 20), "ends at revision 201, but 212", id="flipped head of the log"),
        pytest.param(lambda d: _flip(_wal(d), 20_000), "but 212 was acknowledged", id="flipped middle of the log"),
        pytest.param(
            lambda d: _flip(_wal(d), _wal(d).stat().st_size - 100),
            "changes of leases, settings or users are missing",
            id="flipped end of the log",
        ),
        pytest.param(
            lambda d: _sql(d, f"DELETE FROM log WHERE position >> {SHIFT} = 50"), "revision 50 is missing", id="hole"
        ),
        pytest.param(lambda d: _sql(d, "DELETE FROM setting"), "are missing that were acknowledged", id="no settings"),
        pytest.param(
            lambda d: (_sql(d, "DELETE FROM setting"), _remove(d / MARK)), "its settings are missing", id="no mark"
        ),
        pytest.param(
            lambda d: _sql(d, "REPLACE INTO setting VALUES('compacted', 9999)"),
            "compacted at 9999, but ends at revision 212",
            id="compacted in the future",
        ),
        pytest.param(
            lambda d: _sql(d, "REPLACE INTO setting VALUES('format', 99)"), "written by a newer version", id="newer"
        ),
        pytest.param(lambda d: (d / FILE).rename(d / "x") and (d / FILE).mkdir(), "unable to open", id="directory"),
    ],
)
async def test_a_damaged_directory_is_refused(used: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(used)
    message = await refusal(used)
    assert str(used) in message
    assert told in message


async def test_an_older_copy_is_refused_until_the_mark_goes(used: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(used, old)
    async with serving(Config(data_dir=str(used))) as (store, _):
        await store.put(b"more")
    shutil.copy(old / FILE, used / FILE)
    assert "but 213 was acknowledged" in await refusal(used)
    assert f"delete {MARK} to go on" in await refusal(used)
    (used / MARK).unlink()
    async with serving(Config(data_dir=str(used))) as (store, _):
        assert (await store.put(b"on")).header.revision == 202


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(lambda content: content + bytes(PAGE), id="zeros"),
        pytest.param(lambda content: content + content[32 : 32 + PAGE + 24], id="an old frame"),
        pytest.param(lambda content: content + content[-PAGE:][:700], id="half a frame"),
    ],
)
async def test_a_torn_commit_that_nobody_was_told_of_is_dropped(used: Path, tail: Callable[[bytes], bytes]) -> None:
    """A power cut tears what was being written, and that alone."""
    _wal(used).write_bytes(tail(_wal(used).read_bytes()))
    async with serving(Config(data_dir=str(used))) as (store, _):
        assert await store.revision() == 212


@pytest.mark.parametrize(
    "mark",
    [
        pytest.param(None, id="none"),
        pytest.param(b"", id="empty"),
        pytest.param(bytes(42), id="zeros"),
        pytest.param(b"%020d %020d\n" % (7, 1), id="behind"),
    ],
)
async def test_a_mark_that_a_power_cut_took_back_is_no_damage(used: Path, mark: bytes | None) -> None:
    if mark is None:
        (used / MARK).unlink()
    else:
        (used / MARK).write_bytes(mark)
    async with serving(Config(data_dir=str(used))) as (store, _):
        assert (await store.put(b"k")).header.revision == 213
    assert (used / MARK).read_bytes().split()[0] == b"%020d" % 213


@pytest.mark.parametrize("left", [(), (FILE,), ("LOCK",), (FILE, "LOCK", f"{FILE}-wal")], ids=len)
async def test_a_first_start_that_was_killed_starts_again(tmp_path: Path, left: tuple[str, ...]) -> None:
    for name in left:
        (tmp_path / name).touch()
    async with serving(Config(data_dir=str(tmp_path))) as (store, _):
        assert (await store.put(b"k")).header.revision == 2


async def test_nothing_but_a_new_store_makes_a_database(tmp_path: Path) -> None:
    async with serving(Config(data_dir=str(tmp_path))) as (store, app):
        await store.put(b"k")
        for path in tmp_path.iterdir():
            path.unlink()
        with contextlib.suppress(Exception):
            await store.put(b"k")
        app._parts.store.state.records.drop(list(app._parts.store.state.index.positions()))
        app._parts.store._file._readers.clear()  # type: ignore[union-attr]  # it has one
        with contextlib.suppress(Exception):
            await store.get(b"k")
        assert list(tmp_path.iterdir()) == []
