"""`python -m etcdlite` on disks that are full, read-only or damaged: real ones, small and in memory, which need root;
and without root, what else keeps a store from starting."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from machinery.rpc import Code, RpcError
from tests.support.etcd import EtcdClient, EtcdliteProcess, pb
from tests.unit.etcdlite.test_faults import NOSPACE, alarms, disarm, refused

MIB = 1 << 20
SIZE = 64 * MIB
pytestmark = pytest.mark.e2e

root = pytest.mark.root
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@contextlib.contextmanager
def mounted(directory: Path, size: int) -> Iterator[Path]:
    """A file system of its own, in memory."""
    directory.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", directory], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def refusal(data_dir: Path, *, code: int = 1) -> str:
    """The one line that a server says which cannot start."""
    command = [sys.executable, "-m", "etcdlite", "--data-dir", str(data_dir), "--listen-client-urls"]
    done = subprocess.run(
        [*command, "http://127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@contextlib.asynccontextmanager
async def serving(process: EtcdliteProcess) -> AsyncIterator[EtcdClient]:
    """It runs, and is killed at the end."""
    process.start()
    store = process.client()
    try:
        yield store
    finally:
        await store.channel.close()
        process.kill()


def fill(directory: Path, *, leave: int = 0) -> Path:
    """Somebody else's file that takes what room there is."""
    disk = os.statvfs(directory)
    path = directory / "ballast"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(disk.f_bavail * disk.f_frsize - leave, 1))
    return path


async def contents(store: EtcdClient) -> dict[bytes, bytes]:
    return {kv.key: kv.value for kv in (await store.get(b"\0", b"\0")).kvs}


@root
@needs_root
async def test_a_store_that_fills_its_disk_makes_room_by_itself(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", SIZE) as disk:
        process = EtcdliteProcess(disk)
        process.log_path = tmp_path / "log"
        async with serving(process) as store:
            refusal: tuple[Code, str] | None = None
            for number in range(1000):
                try:
                    await store.put(b"k%04d" % number, bytes(100_000))
                except RpcError as error:
                    refusal = error.code, error.message
                    break
            assert refusal == NOSPACE
            assert await alarms(store) == [1]
            left = os.statvfs(disk)
            assert left.f_bavail > 0, "it stopped before the disk was full"
            assert (await store.get(b"k", b"l", count_only=True)).count == number
            for at in range(number):
                last = (await store.delete(b"k%04d" % at)).header.revision
            await store.compact(last, physical=True)
            await store.maintenance.Defragment(pb.DefragmentRequest())
            await disarm(store)
            await store.put(b"after", bytes(100_000))
            assert await alarms(store) == []
        assert os.statvfs(disk).f_bavail > left.f_bavail * 2
        async with serving(process) as store:
            assert list(await contents(store)) == [b"after"]


@root
@needs_root
async def test_a_disk_that_others_fill_loses_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", SIZE) as disk:
        process = EtcdliteProcess(disk)
        process.log_path = tmp_path / "log"
        kept: dict[bytes, bytes] = {}
        async with serving(process) as store, store.watching() as watch:
            await watch.create(b"\0", b"\0")
            for number in range(20):
                kept[b"k%d" % number] = bytes(1000)
                await store.put(b"k%d" % number, kept[b"k%d" % number])
            ballast = fill(disk)
            refusal: tuple[Code, str] | None = None
            for number in range(20, 200):
                try:
                    await store.put(b"k%d" % number, bytes(20_000))
                except RpcError as error:
                    refusal = error.code, error.message
                    break
                kept[b"k%d" % number] = bytes(20_000)
            assert refusal == NOSPACE
            assert await contents(store) == kept, "reads go on"
            assert await alarms(store) == [1]
            assert await refused(store.put(b"k0", b"small")) == NOSPACE
            ballast.unlink()
            await store.delete(b"k0")
            del kept[b"k0"]
            await disarm(store)
            await store.put(b"after", b"1")
            kept[b"after"] = b"1"
            told: list[int] = []
            while not told or told[-1] < await store.revision():
                told += [event.kv.mod_revision for event in (await watch.next()).events]
            assert told == list(range(2, len(told) + 2)), "the watch was neither cut nor misled"
        async with serving(process) as store:
            assert await contents(store) == kept
            assert await alarms(store) == []


@root
@needs_root
async def test_a_start_on_a_full_disk_serves_or_says_why(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", SIZE) as disk:
        ballast = fill(disk)
        full = f"etcdlite: {disk / 'new'}: the disk is full; make room there and start again"
        assert [refusal(disk / "new"), refusal(disk / "new")] == [full, full]
        ballast.unlink()
        process = EtcdliteProcess(disk)
        process.log_path = tmp_path / "log"
        async with serving(process) as store:
            await store.put(b"k", b"1")
        for left in (0, 4096, 40_000):
            ballast = fill(disk, leave=left)
            try:
                process.start()
            except AssertionError:
                assert process.log.splitlines()[-1] == (
                    f"etcdlite: {process.data_dir}: the disk is full; make room there and start again"
                )
                assert "Traceback" not in process.log
            else:
                store = process.client()
                assert await contents(store) == {b"k": b"1"}
                await store.channel.close()
            finally:
                process.kill()
            ballast.unlink()
        async with serving(process) as store:
            assert await contents(store) == {b"k": b"1"}


@root
@needs_root
async def test_a_read_only_disk_is_refused_in_one_line(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", SIZE) as disk:
        process = EtcdliteProcess(disk)
        process.log_path = tmp_path / "log"
        async with serving(process) as store:
            await store.put(b"k", b"1")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        line = refusal(process.data_dir)
        assert line.startswith(f"etcdlite: {process.data_dir}: ") and "ead-only" in line
        assert "ead-only" in refusal(disk / "new")


def test_what_keeps_a_store_from_starting_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "store.db").write_bytes(b"no database, but long enough to be read as one" * 50)
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "store.mark").write_text("7 1")
    assert "file" in refusal(tmp_path / "file")
    assert "store.db is damaged (file is not a database); look with" in refusal(tmp_path / "other")
    assert "store.db: missing, although store.mark shows that it was in use" in refusal(tmp_path / "lost")


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    process = EtcdliteProcess(tmp_path)
    process.start()
    try:
        line = refusal(process.data_dir)
        assert line.startswith(f"etcdlite: {process.data_dir}: in use by ") and line.endswith("; stop it first")
    finally:
        process.kill()
