"""What the check of a database file finds, and what a disk changed under the values."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from etcdlite.config import Config
from etcdlite.errors import DatabaseError
from etcdlite.model import SHIFT
from etcdlite.store.check import check_file
from etcdlite.store.place import FILE
from tests.support.faults import serving
from tests.unit.etcdlite.test_faults import CORRUPT, alarms, disarm, grant, refused

MARKER = b"a value that a disk forgets"


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data directory with some of everything, compacted in the middle, closed."""
    directory = tmp_path / "data"
    async with serving(Config(data_dir=str(directory))) as (store, _):
        lease = await grant(store, 100)
        for number in range(20):
            await store.put(b"k%d" % (number % 4), b"%d" % number)
        await store.put(b"leased", lease=lease)
        await store.delete(b"k1")
        await store.compact(15, physical=True)
        await store.put(b"k1", b"again")
        await store.put(b"k2", MARKER)
        await store.delete(b"k3")
    return directory


def _sql(*statements: str) -> Callable[[Path], None]:
    def run(file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount != 0, statement
            connection.commit()

    return run


def _page(number: int) -> Callable[[Path], None]:
    def tear(file: Path) -> None:
        with file.open("r+b") as out:
            out.seek(number * 4096)
            out.write(b"\xa5" * 4096)

    return tear


def _value(file: Path) -> None:
    content = file.read_bytes()
    assert content.count(MARKER) == 1
    file.write_bytes(content.replace(MARKER, MARKER.swapcase()))


def _at(revision: int) -> str:
    return f"WHERE position >> {SHIFT} = {revision}"


NO_SUMS = "UPDATE log SET sum = NULL"


def test_a_whole_file_has_no_problems(data: Path, tmp_path: Path) -> None:
    assert check_file(data / FILE) == []
    old = tmp_path / "old.db"
    shutil.copy(data / FILE, old)
    _sql("ALTER TABLE log DROP COLUMN sum")(old)
    assert check_file(old) == [], "as earlier versions wrote it"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(_page(2), "malformed", id="page"),
        pytest.param(_value, "b'k2' at revision 25 is not what was written", id="value"),
        pytest.param(_sql(f"UPDATE log SET lease = 5 {_at(25)}"), "b'k2' at revision 25 is not what was", id="number"),
        pytest.param(_sql(f"DELETE FROM log {_at(17)}"), "revision 17 is missing", id="hole"),
        pytest.param(_sql(NO_SUMS, f"UPDATE log SET version = 9 {_at(20)}"), "has version 9 after 4", id="version"),
        pytest.param(_sql(NO_SUMS, f"UPDATE log SET created = 3 {_at(24)}"), "although it begins there", id="created"),
        pytest.param(_sql(NO_SUMS, f"UPDATE log SET version = 0 {_at(25)}"), "neither a deletion nor", id="kind"),
        pytest.param(
            _sql(NO_SUMS, f"UPDATE log SET key = 'x' {_at(26)}"), "is deleted without having existed", id="deletion"
        ),
        pytest.param(_sql("DELETE FROM lease"), "b'leased' at revision 22 hangs on lease", id="lease"),
        pytest.param(_sql("UPDATE lease SET remaining = 999"), "has 999 of 100 seconds left", id="time"),
        pytest.param(_sql("DELETE FROM setting WHERE name = 'member'"), "setting 'member' is missing", id="setting"),
        pytest.param(_sql("UPDATE setting SET value = 99 WHERE name = 'compacted'"), "compacted at 99", id="compacted"),
        pytest.param(lambda file: file.write_bytes(b"other" * 999), "file is not a database", id="other file"),
        pytest.param(lambda file: file.unlink(), "unable to open", id="missing"),
    ],
)
def test_what_is_found(data: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(data / FILE)
    assert told in "\n".join(check_file(data / FILE))


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20], ids=["met by a reader", "met by the start"])
async def test_a_value_that_the_disk_changed_is_never_told(data: Path, cache_bytes: int) -> None:
    _value(data / FILE)
    async with serving(Config(data_dir=str(data), cache_bytes=cache_bytes)) as (store, _):
        assert await refused(store.get(b"k2")) == CORRUPT
        assert await alarms(store) == [2]
        assert (await store.get(b"k1")).kvs[0].value == b"again", "the others can be read"
        assert await refused(store.put(b"k")) == CORRUPT
        await disarm(store)
        await store.put(b"k1", b"others can be written, too")
        assert await refused(store.put(b"k2")) == CORRUPT, "nobody knows what it was"
        assert await alarms(store) == [2]


async def test_a_start_that_is_to_check_everything_refuses_what_is_damaged(data: Path) -> None:
    async with serving(Config(data_dir=str(data.with_name("new")), experimental_initial_corrupt_check=True)) as (
        new,
        _,
    ):
        await new.put(b"k")
    config = Config(data_dir=str(data), cache_bytes=0, experimental_initial_corrupt_check=True)
    async with serving(config) as (store, _):
        assert (await store.get(b"k2")).count == 1
    _value(data / FILE)
    with pytest.raises(
        DatabaseError, match=r"store.db is damaged .b'k2' at revision 25 is not what was written.; look"
    ):
        async with serving(config):
            pass


async def test_a_file_of_before_sums_goes_on(data: Path) -> None:
    _sql("ALTER TABLE log DROP COLUMN sum")(data / FILE)
    for _ in range(2):
        async with serving(Config(data_dir=str(data), cache_bytes=0)) as (store, _):
            assert (await store.get(b"k2")).kvs[0].value == MARKER
            await asyncio.gather(*(store.put(b"new%d" % number, b"1") for number in range(3)))
            assert (await store.get(b"new", b"nex", count_only=True)).count == 3
    assert check_file(data / FILE) == []
