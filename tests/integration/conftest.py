from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from actors import System, SystemClock
from apiserver.storage.servers import EtcdServers
from etcdlite.app import EtcdLite
from etcdlite.config import Config as StoreConfig
from machinery.rpc import Channel, LocalChannel
from tests.support.etcd import etcd_binary, real_etcd
from tests.support.inprocess import Server, serving
from tests.support.rest import World, meeting

Serve = Callable[..., AbstractAsyncContextManager[Server]]
"""`serving`, over the store that a test runs over. Servers of one test share it; of another test they see nothing."""

_numbers = itertools.count(1)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with meeting() as one:
        yield one


@pytest.fixture(scope="session")
def etcd_url() -> Iterator[str]:
    if etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    with real_etcd() as address:
        yield f"http://{address}"


@pytest_asyncio.fixture(params=["memory", "grpc", pytest.param("etcd", marks=pytest.mark.e2e)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Channel]:
    """A channel to a store of each kind: etcdlite in this process, etcdlite over a socket, a real etcd."""
    clock = SystemClock()
    if request.param == "etcd":
        channel = EtcdServers((request.getfixturevalue("etcd_url"),)).channel(clock)
        yield channel
        await channel.close()
        return
    over_socket = request.param == "grpc"
    app = EtcdLite(StoreConfig(listen_client_urls=("http://127.0.0.1:0",) if over_socket else ()), clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        channel = (
            EtcdServers((app.client_urls[0],)).channel(clock)
            if over_socket
            else LocalChannel(app.services(), clock=clock)
        )
        yield channel
        await channel.close()


@pytest.fixture
def serve(store: Channel) -> Serve:
    """Starts servers over the store of this test."""
    prefix = f"/test-{next(_numbers)}"

    @asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[Server]:
        given: dict[str, Any] = {"etcd": store, "prefix": prefix, **options}
        async with serving(**given) as server:
            yield server

    return start


@pytest_asyncio.fixture
async def on_every_store(serve: Serve) -> AsyncIterator[Server]:
    async with serve() as running:
        yield running


@pytest.fixture
def server(on_every_store: Server) -> Server:
    """For modules all of whose tests concern the store."""
    return on_every_store
