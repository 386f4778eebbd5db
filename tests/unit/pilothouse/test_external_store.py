"""A look at an etcd before a cluster is started on it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from actors import System, SystemClock
from apiserver.storage.servers import EtcdServers
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from pilothouse.external_store import StoreUnreachable, examine


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[str]:
    clock = SystemClock()
    app = EtcdLite(Config(listen_client_urls=("http://127.0.0.1:0",)), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        yield app.client_urls[0]


async def test_members_that_do_not_belong_together_are_refused() -> None:
    async with serving() as one, serving() as other:
        clock = SystemClock()
        assert (await examine(EtcdServers.parse(one), prefix="/registry", clock=clock)).silent == {}
        twice = EtcdServers.parse(f"{one},{one.replace('127.0.0.1', 'localhost')}")
        assert (await examine(twice, prefix="/registry", clock=clock)).silent == {}
        with pytest.raises(StoreUnreachable) as caught:
            await examine(EtcdServers.parse(f"{one},{other}"), prefix="/registry", clock=clock)
        told = (
            rf"not the members of one etcd: {one} is of cluster (\w+), {other} is of cluster (\w+); name those of one"
        )
        found = re.fullmatch(told, str(caught.value))
        assert found is not None and found[1] != found[2]
