"""When a change is told: not before the file holds it; and what writers are told when it cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path

import pytest

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from etcdlite.store.log import Batch, Log, Size
from etcdlite.watch.hub import Hub
from machinery.rpc import Code, LocalChannel, RpcError
from tests.support.etcd import EtcdClient


async def test_writers_do_not_wait_for_what_will_not_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A surprise while publishing ends the store, and every call that waits with it; after the restart all is there."""
    clock = SystemClock()
    app = EtcdLite(Config(data_dir=str(tmp_path)), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        store = EtcdClient(LocalChannel(app.services()))

        def surprise(*_: object) -> bool:
            monkeypatch.undo()
            raise ZeroDivisionError("for this test")

        monkeypatch.setattr(Hub, "publish", surprise)
        async with asyncio.timeout(10):
            told = await asyncio.gather(*(store.put(b"k%d" % number) for number in range(5)), return_exceptions=True)
        assert [error.code for error in told if isinstance(error, RpcError)] == [Code.UNAVAILABLE] * 5
        kept = 0
        async with asyncio.timeout(10):
            while not kept:
                await app.ready()
                with contextlib.suppress(RpcError):  # it is about to restart
                    kept = (await store.get(b"k", b"l")).count
                await asyncio.sleep(0)
        assert kept == 5


async def test_nobody_hears_what_the_file_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the commit runs, watches are silent, also of how far they are, and reads see what was before."""
    began, released = threading.Event(), threading.Event()
    commit = Log.commit

    def held(log: Log, batch: Batch) -> Size:
        began.set()
        assert released.wait(10)
        return commit(log, batch)

    clock = SystemClock()
    app = EtcdLite(Config(data_dir=str(tmp_path)), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        store = EtcdClient(LocalChannel(app.services()))
        base = (await store.put(b"k", b"1")).header.revision
        async with store.watching() as watch:
            await watch.create(b"k")
            monkeypatch.setattr(Log, "commit", held)
            writing = asyncio.ensure_future(store.put(b"k", b"2"))
            assert await asyncio.to_thread(began.wait, 10)
            watch.request_progress()
            assert (await watch.next()).header.revision == base
            assert (await store.get(b"k")).kvs[0].value == b"1" and not writing.done()
            released.set()
            assert (await writing).header.revision == base + 1
            assert (await watch.events(1))[0].kv.value == b"2"
