"""The store under each contract test: the specification, etcdlite over every transport, a real etcd."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actors import System, SystemClock
from etcdlite.app import EtcdLite
from etcdlite.config import Config
from machinery.rpc import LocalChannel
from tests.model.etcd_spec import EtcdSpec
from tests.support.etcd import EtcdClient, etcd_binary, real_etcd

KINDS = ("spec", "memory", "file", "grpc", "etcd")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def etcd_address() -> Iterator[str]:
    if etcd_binary() is None:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    with real_etcd() as address:
        yield address


@contextlib.asynccontextmanager
async def etcdlite_client(kind: str, directory: Path) -> AsyncIterator[EtcdClient]:
    config = Config(
        data_dir=None if kind == "memory" else str(directory),
        listen_client_urls=("http://127.0.0.1:0",) if kind == "grpc" else (),
        cache_bytes=0 if kind == "file" else 1 << 20,  # with no cache, every read goes through the file
    )
    clock = SystemClock()
    app = EtcdLite(config, clock=clock)
    async with System(app.spec(), clock=clock):
        await app.ready()
        if kind == "grpc":
            from machinery.rpc.grpc_channel import GrpcChannel

            channel = GrpcChannel(app.client_urls[0].removeprefix("http://"))
        else:
            channel = LocalChannel(app.services())
        try:
            yield EtcdClient(channel)
        finally:
            await channel.close()


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EtcdClient]:
    if request.param == "spec":
        yield EtcdClient(LocalChannel(EtcdSpec().services()))
    elif request.param == "etcd":
        from machinery.rpc.grpc_channel import GrpcChannel

        channel = GrpcChannel(request.getfixturevalue("etcd_address"))
        yield EtcdClient(channel)
        await channel.close()
    else:
        async with etcdlite_client(request.param, tmp_path) as client:
            yield client


@pytest.fixture
def prefix() -> bytes:
    """A prefix that no other test uses: a real etcd serves the whole session."""
    return b"test-%06d/" % next(_numbers)
