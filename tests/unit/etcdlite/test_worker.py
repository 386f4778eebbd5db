"""The thread that commits, and the upkeep of the file beside it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from etcdlite.config import Config
from etcdlite.store.log import Log
from etcdlite.store.worker import Worker
from tests.unit.etcdlite.test_app import running, until


async def test_work_is_done_in_one_thread_in_order() -> None:
    worker = Worker("test")
    try:
        threads = {await worker.do(threading.get_ident) for _ in range(5)}
        assert len(threads) == 1 and threading.get_ident() not in threads
        with pytest.raises(ZeroDivisionError):
            await worker.do(lambda: 1 // 0)
        assert await worker.do(divmod, 7, 2) == (3, 1)
    finally:
        worker.close()


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_who_is_cancelled_goes_on_when_the_work_has_ended(cancellations: int) -> None:
    worker = Worker("test")
    go, ended = threading.Event(), threading.Event()

    def work() -> None:
        go.wait(10)
        ended.set()

    task = asyncio.create_task(worker.do(work))
    for _ in range(cancellations):
        await asyncio.sleep(0)
        task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    assert await worker.do(len, "as before") == 9
    worker.close()


async def test_a_checkpoint_that_fails_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("etcdlite.store.committer.CHECKPOINT_BYTES", 100_000)
    made: list[str] = []
    aside = Log.checkpoint_aside

    def failing_once(self: Log) -> None:
        made.append("tried")
        if len(made) == 1:
            raise sqlite3.OperationalError("disk I/O error")
        aside(self)
        made.append("made")

    monkeypatch.setattr(Log, "checkpoint_aside", failing_once)
    async with running(Config(data_dir=str(tmp_path))) as (store, app):
        with caplog.at_level(logging.WARNING):
            for number in range(200):
                await store.put(b"k%d" % number, bytes(2000))
            await until(lambda: "made" in made)
        assert "checkpoint failed" in caplog.text
        await until(lambda: app._parts.store._file is not None and app._parts.store._file.unsettled < 100_000)
        assert (await store.get(b"k", b"l", count_only=True)).count == 200
