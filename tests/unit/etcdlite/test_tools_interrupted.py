"""What is left of a tool that was ended in the middle: nothing, at the latest after the next run."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from etcdlite.tools import command, restore, save
from tests.unit.etcdlite.test_tools import Tool, saved, tool

__all__ = ["saved", "tool"]  # fixtures

SIGNALS = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)


@SIGNALS
def test_a_restore(saved: Path, tmp_path: Path, tool: Tool, monkeypatch: Any, number: int, code: int) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def checked(file: sqlite3.Connection, path: Path) -> None:
        assert list(tmp_path.iterdir()), "it is at work"
        signal.raise_signal(number)
        raise AssertionError("it goes on")

    monkeypatch.setattr(restore, "whole", checked)
    told = tool("snapshot", "restore", saved, "--data-dir", tmp_path / "data", code=code)
    assert told == f"etcdlite: interrupted by {signal.Signals(number).name}; nothing half done is left\n"
    assert not list(tmp_path.iterdir())
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@SIGNALS
def test_a_save(tmp_path: Path, tool: Tool, monkeypatch: Any, number: int, code: int) -> None:
    async def receive(channel: Any, file: Any) -> None:
        assert list(tmp_path.iterdir()), "it is at work"
        asyncio.get_running_loop().call_soon(signal.raise_signal, number)
        await asyncio.Event().wait()

    monkeypatch.setattr(save, "_receive", receive)
    told = tool("snapshot", "save", tmp_path / "saved.db", "--endpoints", "127.0.0.1:1", code=code)
    assert "interrupted by" in told
    assert not list(tmp_path.iterdir())


def test_a_signal_ends_a_long_check(saved: Path, tool: Tool, monkeypatch: Any) -> None:
    """Which is one call into SQLite."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    def checked(file: sqlite3.Connection, path: Path) -> None:
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGTERM)).start()
        file.execute(endless).fetchall()

    monkeypatch.setattr("etcdlite.tools.status.whole", checked)
    assert "interrupted by SIGTERM" in tool("snapshot", "status", saved, code=143)


def test_what_a_killed_restore_left_is_swept(saved: Path, tmp_path: Path, tool: Tool) -> None:
    dead, alive, other = (tmp_path / name for name in (".data.restore-a", ".data.restore-b", ".else.restore-c"))
    for directory in (dead, alive, other):
        directory.mkdir()
        (directory / "LOCK").touch()
        (directory / "store.db").write_bytes(b"x" * 1000)
    with (alive / "LOCK").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tool("snapshot", "restore", saved, "--data-dir", tmp_path / "data")
    assert {path.name for path in tmp_path.iterdir()} == {"data", alive.name, other.name}


def test_a_full_disk_is_told_with_its_place(saved: Path, tmp_path: Path, tool: Tool, monkeypatch: Any) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(restore, "_build", full)
    told = tool("snapshot", "restore", saved, "--data-dir", tmp_path / "data", code=1)
    assert told.startswith(f"etcdlite: {tmp_path / 'data'}: the disk is full; make room there")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(save, "_receive", full)
    told = tool("snapshot", "save", tmp_path / "saved.db", "--endpoints", "127.0.0.1:1", code=1)
    assert told == f"etcdlite: {tmp_path / 'saved.db'}: cannot be written: No space left on device\n"
    told = tool("snapshot", "save", "/nonexistent/x", "--endpoints", "127.0.0.1:1", code=1)
    assert told == "etcdlite: /nonexistent/x: cannot be written: No such file or directory\n"


def test_the_command_line_keeps_its_codes(tool: Tool) -> None:
    tool("snapshot", "restore", "x", code=command.USAGE)
