"""What writers are told when a change is durable and cannot be published."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
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
